//! What shows readers something else than it says, where the scan of added lines does not look: in
//! paths, in line breaks that a diff does not show as such, and in keys that are spelt in escapes.

use super::{PathKind, Scene, Sightings, SignalKind};
use crate::{path::RelPath, policy::diff::ChangedFile};

pub(super) fn look(scene: &Scene<'_>, seen: &mut Sightings) {
    for (file, kinds) in scene.files() {
        let paths = [Some(&file.change.path), file.change.from.as_ref()];
        for path in paths.into_iter().flatten().filter(|path| deceives(path)) {
            seen.note(SignalKind::DeceptiveText, format!("the path {}", by_number(path.as_str())));
        }
        let is_configuration = is_configuration(file, kinds);
        if !is_configuration && !super::weakening::is_code(file.name()) {
            continue;
        }
        if file.added().any(breaks_unseen) {
            let place = format!("a line break that a diff does not show in {}", file.path());
            seen.note(SignalKind::DeceptiveText, place);
        }
        if is_configuration && file.added().any(spells_in_escapes) {
            let place = format!("letters written as escapes in {}", file.path());
            seen.note(SignalKind::DeceptiveText, place);
        }
    }
}

/// The path as it looks: what nobody sees left out, and letters that are drawn like Latin ones as
/// these. File systems differ in what they take for the same name, and so do readers.
pub(super) fn skeleton(path: &str) -> String {
    path.chars().filter(|c| !is_unseen(*c)).map(drawn_like).collect()
}

/// Whether a part of the path has characters nobody sees or mixes letters that look alike.
fn deceives(path: &RelPath) -> bool {
    let mixes = |word: &str| {
        word.chars().any(|c| c.is_ascii_alphabetic()) && word.chars().any(|c| drawn_like(c) != c)
    };
    let path = path.as_str();
    !path.is_ascii()
        && (path.chars().any(|c| is_unseen(c) && !is_combining(c))
            || path.split(|c: char| !c.is_alphanumeric()).any(mixes))
}

const fn is_combining(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

/// Characters without a width of their own, and those that reorder what is shown.
const fn is_unseen(c: char) -> bool {
    is_combining(c)
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{2069}'
                | '\u{feff}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// The Latin letter that readers, or file systems that fold case, take a letter for.
fn drawn_like(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => {
            char::from_u32(u32::from(c) - 0xfee0).map_or(c, |c| c.to_ascii_lowercase())
        }
        'а' | 'А' | 'α' | 'Α' => 'a',
        'ԁ' => 'd',
        'е' | 'Е' | 'Ε' => 'e',
        'һ' => 'h',
        'і' | 'І' | 'ı' | 'ι' | 'Ι' => 'i',
        'ј' => 'j',
        '\u{212a}' | 'К' | 'Κ' => 'k',
        'М' | 'Μ' => 'm',
        'о' | 'О' | 'ο' | 'Ο' => 'o',
        'р' | 'Р' | 'ρ' | 'Ρ' => 'p',
        'ԛ' => 'q',
        'ѕ' | 'ſ' => 's',
        'Т' | 'Τ' => 't',
        'с' | 'С' => 'c',
        'у' => 'y',
        'ν' => 'v',
        'ԝ' => 'w',
        'х' | 'Х' | 'Χ' => 'x',
        _ => c,
    }
}

/// Many languages end a line where Git does not: what looks like the rest of a comment is code.
fn breaks_unseen(line: &str) -> bool {
    line.trim_end_matches('\r').contains(['\r', '\u{85}', '\u{2028}', '\u{2029}'])
}

/// `\u0061` or `\x61`: no program writes plain letters and digits so.
fn spells_in_escapes(line: &str) -> bool {
    let code = |rest: &str, from: usize, to: usize| {
        let number = rest.get(from..to).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        number.is_some_and(|byte| byte.is_ascii_alphanumeric())
    };
    line.split('\\').skip(1).any(|rest| {
        (rest.starts_with("u00") && code(rest, 3, 5))
            || (rest.starts_with("U000000") && code(rest, 7, 9))
            || (rest.starts_with('x') && code(rest, 1, 3))
    })
}

/// Whether tools read settings or dependencies from the file.
fn is_configuration(file: &ChangedFile<'_>, kinds: &[PathKind]) -> bool {
    const ENDINGS: [&str; 6] = ["toml", "json", "yaml", "yml", "ini", "cfg"];
    let ending = file.name().rsplit_once('.').map_or("", |(_, ending)| ending);
    !kinds.contains(&PathKind::Test)
        && (ENDINGS.contains(&ending) || kinds.contains(&PathKind::Tools))
}

/// What is not ASCII by its number, so that readers see it.
fn by_number(path: &str) -> String {
    let shown = |c: char| if c.is_ascii() { c.into() } else { c.escape_unicode().to_string() };
    path.chars().take(80).map(shown).collect()
}
