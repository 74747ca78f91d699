//! Commands by which a change is checked, where they stand in the changed tree: scripts, targets
//! of `make`, options, and the programs that a check of the base's rules runs.

use std::collections::BTreeMap;

use crate::{
    patch::ChangeKind,
    policy::{
        diff::ChangedFile,
        signals::{PathKind, Scene, Sightings, SignalKind},
    },
};

/// What makes a command look at less, or not mind what it finds.
const LOOSE: [&str; 26] = [
    "|| true",
    "||true",
    "|| :",
    "|| exit 0",
    "|| echo",
    "; true",
    "; exit 0",
    "--exit-zero",
    "--ignore",
    "--deselect",
    "--collect-only",
    "--no-cov",
    "--disable-warnings",
    "--last-failed",
    "-p no:",
    "-W ignore",
    "--cap-lints",
    "--passWithNoTests",
    "--noconftest",
    "--no-tests=pass",
    "--testPathIgnorePatterns",
    "--no-run",
    "--skip",
    "-fno-",
    "-vet=off",
    "--allow",
];

/// What makes a command mind more.
const STRICT: [&str; 9] = [
    "--strict",
    "-W error",
    "-Werror",
    "--cov",
    "--fail-under",
    "--max-warnings",
    "--doctest",
    "-D ",
    "--all-targets",
];

/// A whole command that checks nothing.
const HOLLOW: [&str; 5] = ["true", ":", "exit 0", "echo", "printf"];

/// Options that choose among tests, where they are options of a test runner.
const CHOICES: [&str; 4] = ["-k", "-m", "-A", "-run"];

/// Whether a script of that name checks something.
pub(in crate::policy) fn is_script(key: &str) -> bool {
    const NAMES: [&str; 13] = [
        "test",
        "lint",
        "check",
        "typecheck",
        "coverage",
        "format",
        "verify",
        "pretest",
        "posttest",
        "ci",
        "tests",
        "type",
        "unit",
    ];
    NAMES.contains(&key.split([':', '-']).next().unwrap_or(key))
}

/// Whether the command afterwards looks at less than the one before.
pub(super) fn is_looser(before: &[&str], after: &[&str]) -> bool {
    let (before, after) = (before.join(" "), after.join(" "));
    let command = after.trim_matches(|c: char| "\"'[] ".contains(c));
    let is_hollow = HOLLOW.iter().any(|word| {
        command.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
            && !command.contains("&&")
    });
    let chooses = |text: &str| {
        let words = text.split(|c: char| c.is_whitespace() || "\"',[]".contains(c));
        words.filter(|word| CHOICES.contains(word)).count()
    };
    is_hollow
        || LOOSE.iter().any(|word| after.contains(word) && !before.contains(word))
        || STRICT.iter().any(|word| before.contains(word) && !after.contains(word))
        || chooses(&after) > chooses(&before)
}

/// What a file that a build runs no longer minds.
pub(super) fn loosened(file: &ChangedFile<'_>, kinds: &[PathKind]) -> Vec<String> {
    if !kinds.contains(&PathKind::Signal(SignalKind::BuildScript)) {
        return Vec::new();
    }
    let words: &[&str] = match file.name() {
        "conftest.py" => &[
            "collect_ignore",
            "pytest_collection_modifyitems",
            "pytest_ignore_collect",
            "pytest_runtest_makereport",
            "pytest_sessionfinish",
            "exitstatus",
            "add_marker",
            "pytest.exit",
            "pytest_pyfunc_call",
            "pytest_runtest_protocol",
        ],
        _ => &LOOSE,
    };
    softened(file, words)
}

/// Lines that look at less, and checkers that run no longer.
fn softened(file: &ChangedFile<'_>, words: &[&str]) -> Vec<String> {
    let is_ignored = |line: &str| line.starts_with("\t-") || line.starts_with("\t@-");
    let loose = |line: &&str| {
        words.iter().any(|word| line.contains(word)) || (is_make(file.name()) && is_ignored(line))
    };
    let removed: std::collections::BTreeSet<_> = file.removed().map(str::trim).collect();
    let said = |line: &str| line.trim().chars().take(80).collect();
    let added = file.added().filter(loose).filter(|line| !removed.contains(line.trim()));
    added.map(said).chain(lost(file)).collect()
}

/// Tools that check, as commands name them.
const CHECKERS: [&str; 22] = [
    "cargo test",
    "nextest",
    "clippy",
    "cargo fmt",
    "cargo deny",
    "cargo audit",
    "pytest",
    "unittest",
    "mypy",
    "ruff",
    "flake8",
    "pylint",
    "bandit",
    "npm test",
    "npm run",
    "jest",
    "vitest",
    "eslint",
    "tsc",
    "go test",
    "go vet",
    "golangci-lint",
];

/// Checkers that fewer lines of commands run than before.
fn lost(file: &ChangedFile<'_>) -> Vec<String> {
    let is_comment = |line: &str| line.trim_start().starts_with(['#', '/']);
    let count = |tool: &str, lines: &mut dyn Iterator<Item = &str>| {
        lines.filter(|line| line.contains(tool) && !is_comment(line)).count()
    };
    let is_lost = |tool: &&&str| count(tool, &mut file.removed()) > count(tool, &mut file.added());
    CHECKERS.iter().filter(is_lost).map(|tool| format!("{tool} no longer runs")).collect()
}

fn is_make(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains("makefile") || name.rsplit('.').next() == Some("mk")
}

/// Programs of the changed tree that the base's checks run. Commands of the plan and the requester
/// only add to them.
pub(super) fn look(scene: &Scene<'_>, seen: &mut Sightings) {
    let mut runs = BTreeMap::new();
    for evidence in scene.input.evidence {
        let is_added = ["step.", "command."].iter().any(|start| evidence.name.starts_with(start));
        let command = evidence.details.get("command").and_then(serde_json::Value::as_str);
        for word in command.filter(|_| !is_added).unwrap_or_default().split(is_between) {
            runs.entry(word.trim_start_matches("./")).or_insert(evidence.name.as_str());
        }
    }
    for (file, kinds) in scene.files() {
        let before = file.change.from.as_ref().map(crate::path::RelPath::as_str);
        let check = runs.get(file.path()).or_else(|| runs.get(before?));
        let Some(check) = check.filter(|_| !kinds.contains(&PathKind::Test)) else { continue };
        let place = format!("{}, which {check} runs", file.path());
        seen.note(SignalKind::TouchesToolConfiguration, place);
        if file.change.kind == ChangeKind::Deleted {
            seen.note(SignalKind::ChecksLoosened, format!("{} is gone", file.path()));
            continue;
        }
        for what in softened(file, &LOOSE) {
            seen.note(SignalKind::ChecksLoosened, format!("{what} in {}", file.path()));
        }
    }
}

fn is_between(c: char) -> bool {
    c.is_whitespace() || "\"'`;&|()<>=,".contains(c)
}
