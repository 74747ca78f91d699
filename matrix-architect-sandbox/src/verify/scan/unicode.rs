//! Text that shows readers something else than it says: bidirectional controls that reorder code
//! ([Trojan Source](https://trojansource.codes), CVE-2021-42574), letters that look like others
//! (CVE-2021-42694), and characters nobody sees. After Unicode Technical Standards 39 and 55.

use std::iter;

/// A deception in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deception {
    /// The rule's name: `bidi-control`, `invisible-character` or `look-alike`.
    pub rule: &'static str,
    /// What it is, for people.
    pub message: &'static str,
}

const BIDI: Deception = Deception {
    rule: "bidi-control",
    message: "a bidirectional control reorders what readers see (CVE-2021-42574)",
};
const INVISIBLE: Deception =
    Deception { rule: "invisible-character", message: "a character nobody sees" };
const LOOK_ALIKE: Deception = Deception {
    rule: "look-alike",
    message: "a word mixes Latin letters with others that look the same (CVE-2021-42694)",
};

/// The deceptions of a line, each kind once.
///
/// ```
/// use matrix_architect_sandbox::verify::scan::deceptions;
///
/// let rules: Vec<_> = deceptions("if admin\u{202e} {").map(|deception| deception.rule).collect();
/// assert_eq!(rules, ["bidi-control"]);
/// assert_eq!(deceptions("naïve – plain “text” 日本語").count(), 0);
/// ```
pub fn deceptions(line: &str) -> impl Iterator<Item = Deception> + use<> {
    // Most lines are ASCII, which cannot deceive this way.
    let suspect = !line.is_ascii();
    let found = [
        (suspect && line.chars().any(is_bidi), BIDI),
        (suspect && has_invisible(line), INVISIBLE),
        (suspect && line.split(|char: char| !is_word(char)).any(mixes), LOOK_ALIKE),
    ];
    found.into_iter().filter_map(|(found, deception)| found.then_some(deception))
}

const fn is_bidi(char: char) -> bool {
    matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Joiners are part of emoji and of several scripts, so only those beside ASCII are suspect.
fn has_invisible(line: &str) -> bool {
    let ascii = |neighbour: Option<char>| neighbour.is_none_or(|char| char.is_ascii());
    let before = iter::once(None).chain(line.chars().map(Some));
    let after = line.chars().skip(1).map(Some).chain(iter::once(None));
    line.chars().zip(before.zip(after)).any(|(char, (before, after))| match char {
        '\u{200c}' | '\u{200d}' | '\u{e0000}'..='\u{e007f}' => ascii(before) || ascii(after),
        '\u{fe00}'..='\u{fe0f}' => {
            ascii(before) && before.is_none_or(|char| !char.is_ascii_digit())
        }
        // A byte order mark at the beginning of a file is customary.
        '\u{feff}' => before.is_some(),
        '\u{ad}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{180e}' | '\u{3164}' | '\u{ffa0}' => {
            true
        }
        _ => false,
    })
}

fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

fn mixes(word: &str) -> bool {
    word.chars().any(|char| char.is_ascii_alphabetic()) && word.chars().any(looks_latin)
}

/// Letters of other scripts that are drawn like Latin ones.
const fn looks_latin(char: char) -> bool {
    matches!(
        char,
        // Cyrillic
        'а' | 'е' | 'о' | 'р' | 'с' | 'у' | 'х' | 'ѕ' | 'і' | 'ј' | 'һ' | 'ԁ' | 'ԛ' | 'ԝ' | 'ӏ'
            | 'А' | 'В' | 'Е' | 'К' | 'М' | 'Н' | 'О' | 'Р' | 'С' | 'Т' | 'У' | 'Х' | 'Ѕ' | 'І' | 'Ј'
        // Greek
            | 'ο' | 'ν' | 'α' | 'ι' | 'Α' | 'Β' | 'Ε' | 'Ζ' | 'Η' | 'Ι' | 'Κ' | 'Μ' | 'Ν' | 'Ο' | 'Ρ'
            | 'Τ' | 'Υ' | 'Χ'
        // Fullwidth and mathematical
            | 'Ａ'..='Ｚ' | 'ａ'..='ｚ' | '\u{1d400}'..='\u{1d6a3}'
    )
}
