//! Python: wheels of the requirements, installed into a folder. Source distributions are not
//! taken, because to build one is to run it.

use bytes::Bytes;
use matrix_architect_core::path::RelPath;

use super::{
    demand::{Demand, OUT, Offer, Sources, lock_digest},
    files::Files,
};

/// A text file that says by its name that it holds requirements or constraints.
pub(super) fn is_requirements(path: &RelPath) -> bool {
    let name = path.file_name();
    name.strip_suffix(".txt").is_some_and(|stem| {
        stem.contains("requirements")
            || stem.contains("constraints")
            || path.components().any(|part| part == "requirements")
    })
}

/// One line for each requirement or option, continuations joined, comments gone.
fn lines(text: &str) -> Vec<String> {
    // A mark of byte order says nothing of a line, and pip takes it off before it reads.
    let text = text.replace('\u{feff}', "").replace("\r\n", "\n");
    let mut joined = vec![String::new()];
    for line in text.split(is_line_end) {
        // A comment is a line of its own, whatever it ends with.
        let is_comment = line.trim_start().starts_with('#');
        let (line, goes_on) = match line.strip_suffix('\\') {
            Some(line) if !is_comment => (line, true),
            _ => (line, false),
        };
        if let Some(last) = joined.last_mut() {
            last.push_str(if is_comment { "" } else { line });
            last.push(' ');
        }
        if !goes_on {
            joined.push(String::new());
        }
    }
    let content = |line: String| {
        let end = line.find(" #").or_else(|| line.find("\t#")).unwrap_or(line.len());
        line[..end].trim().to_owned()
    };
    joined.into_iter().map(content).filter(|line| !line.is_empty()).collect()
}

/// Where pip ends a line: where Python's `str.splitlines` does.
const fn is_line_end(char: char) -> bool {
    matches!(
        char,
        '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

/// A line that says where from or how, in whichever of the spellings that pip takes. The base's are
/// taken from its own files.
fn is_option(line: &str) -> bool {
    line.starts_with('-') && !is_reference(line)
}

/// A line that leads to another file.
fn is_reference(line: &str) -> bool {
    ["-r", "--requirement", "-c", "--constraint"].iter().any(|option| line.starts_with(option))
}

/// The addresses of indexes that files name.
pub(super) fn indexes(sources: &Sources) -> (Option<String>, Vec<String>) {
    let (mut index, mut extra) = (None, Vec::new());
    let files = sources.all().filter(|(path, _)| is_requirements(path));
    for line in files.flat_map(|(_, content)| lines(&String::from_utf8_lossy(content))) {
        let Some((option, value)) = line.split_once([' ', '=']) else { continue };
        let value = value.trim().trim_start_matches('=').trim().to_owned();
        match option {
            "-i" | "--index-url" => index = index.or(Some(value)),
            "--extra-index-url" => extra.push(value),
            _ => {}
        }
    }
    (index, extra)
}

pub(super) fn demand(tree: &Sources, base: &Sources) -> Option<Demand> {
    let (mut files, mut roots, mut hashed) = (Files::default(), Vec::new(), true);
    let mut any = false;
    for (path, content) in tree.all().filter(|(path, _)| is_requirements(path)) {
        let lines = lines(&String::from_utf8_lossy(content));
        let kept: Vec<_> = lines.into_iter().filter(|line| !is_option(line)).collect();
        let mut requirements = kept.iter().filter(|line| !line.starts_with('-')).peekable();
        let constraints = path.file_name().contains("constraints");
        if !constraints {
            any |= requirements.peek().is_some();
            hashed &= requirements.all(|line| line.contains("--hash="));
        }
        if path.components().count() == 1 && !constraints {
            roots.push(path.as_str().to_owned());
        }
        hashed &= kept.iter().all(|line| !is_reference(line) || tree_has(tree, line));
        files.insert(path.clone(), Bytes::from(kept.join("\n") + "\n"));
    }
    if !any || roots.is_empty() {
        return None;
    }
    let wanted: Vec<_> = roots.iter().map(|root| format!("-r {}", quoted(root))).collect();
    let wanted = wanted.join(" ");
    let hashes = if hashed { " --require-hashes" } else { "" };
    let mut env = std::collections::BTreeMap::from(
        [("PIP_DISABLE_PIP_VERSION_CHECK", "1"), ("PIP_NO_INPUT", "1"), ("NO_COLOR", "1")]
            .map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    let (index, extra) = indexes(base);
    env.extend(index.map(|index| ("PIP_INDEX_URL".to_owned(), index)));
    if !extra.is_empty() {
        env.insert("PIP_EXTRA_INDEX_URL".to_owned(), extra.join(" "));
    }
    Some(Demand {
        ecosystem: "python",
        lock: lock_digest(tree.all().filter(|(path, _)| is_requirements(path))),
        files,
        hashed,
        probe: &["python3", "--version"],
        line: format!(
            "python3 -m pip install --quiet --no-cache-dir --no-compile --only-binary :all:\
             {hashes} --target {OUT}/site {wanted}"
        ),
        env,
        offer: Offer {
            binds: vec![("site", "{place}")],
            path: vec!["{place}/bin"],
            python_path: vec!["{place}"],
            ..Offer::default()
        },
    })
}

/// Whether a file that a line leads to is among those that were looked at.
fn tree_has(tree: &Sources, line: &str) -> bool {
    let name = line.rsplit([' ', '=', '/']).next().unwrap_or_default();
    tree.named(name).next().is_some()
}

/// As one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
