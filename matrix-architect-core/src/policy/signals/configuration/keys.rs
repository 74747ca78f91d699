//! The keys of tools that judge, and which way each leans.

/// Which way a key leans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaning {
    /// What it names is not looked at, or is let pass.
    Lets,
    /// What it names is demanded; `false` switches a demand off.
    Demands,
    /// What it names is all that is looked at.
    Scope,
    /// A bound that may not be passed: a higher one lets more pass.
    Cap,
    /// A bound that must be reached: a lower one lets more pass.
    Floor,
    /// Something runs in the place of a tool.
    Replaces,
    /// Options of a command.
    Options,
}

/// Keys, in lower case with `-` for `_`, and which way they lean.
const KEYS: [(Leaning, &[&str]); 7] = [
    (
        Leaning::Lets,
        &[
            "ignore",
            "ignores",
            "extend-ignore",
            "exclude",
            "extend-exclude",
            "per-file-ignores",
            "extend-per-file-ignores",
            "disable",
            "disable-error-code",
            "omit",
            "exclude-lines",
            "exclude-also",
            "norecursedirs",
            "collect-ignore",
            "collect-ignore-glob",
            "skip",
            "testpathignorepatterns",
            "coveragepathignorepatterns",
            "modulepathignorepatterns",
            "ignorepatterns",
            "globalignores",
            "skips",
            "skip-glob",
            "extend-skip",
            "allow",
            "disable-all-formatting",
            "skip-children",
            "skiplibcheck",
            "passwithnotests",
            "default-filter",
            "exclude-rules",
            "exclude-dirs",
            "exclude-files",
            "ignore-errors",
            "ignore-missing-imports",
            "retries",
            "required-features",
            "exclude-paths",
            "disable-all",
            "disabled",
            "skip-dirs",
            "issues-exit-code",
            "only-new-issues",
            "eslintignore",
            "exceptions",
            "follow-imports",
            "exclusions",
            "informational",
            "new",
            "new-from-rev",
            "grep",
            "fgrep",
        ],
    ),
    (
        Leaning::Demands,
        &[
            "select",
            "extend-select",
            "enable",
            "enable-all",
            "enable-error-code",
            "deny",
            "check-untyped-defs",
            "xfail-strict",
            "branch",
            "test",
            "doctest",
            "harness",
            "autotests",
            "overflow-checks",
            "debug-assertions",
            "checkjs",
            "required-plugins",
            "extends",
            "linters",
            "strictnullchecks",
            "noemitonerror",
            "alwaysstrict",
            "exactoptionalpropertytypes",
            "errorondeprecated",
            "forbidonly",
            "members",
            "typecheckingmode",
            "tests",
        ],
    ),
    (
        Leaning::Scope,
        &[
            "testpaths",
            "python-files",
            "python-functions",
            "python-classes",
            "testmatch",
            "testregex",
            "roots",
            "projects",
            "source",
            "source-pkgs",
            "default-members",
            "include",
            "collectcoveragefrom",
            "testdir",
        ],
    ),
    (Leaning::Cap, &["max-complexity", "max-warnings", "max-args", "max-statements", "bail"]),
    (
        Leaning::Floor,
        &["fail-under", "branches", "functions", "lines", "statements", "coveragethreshold"],
    ),
    (
        Leaning::Replaces,
        &[
            "runner",
            "rustc",
            "rustc-wrapper",
            "rustc-workspace-wrapper",
            "rustdoc",
            "path",
            "testrunner",
            "clippy-conf-dir",
            "pytest-plugins",
        ],
    ),
    (
        Leaning::Options,
        &["addopts", "rustflags", "rustdocflags", "goflags", "pytest-addopts", "commands"],
    ),
];

/// How keys begin that demand something.
const DEMANDING: [&str; 10] = [
    "disallow",
    "warn-",
    "strict",
    "noimplicit",
    "nounused",
    "no-implicit",
    "nofallthrough",
    "nounchecked",
    "useunknown",
    "report",
];

/// Which way the key leans, if it is known; of a dotted key the last part counts.
pub(super) fn leaning(key: &str) -> Option<Leaning> {
    let last = if key.contains('/') { key } else { key.rsplit('.').next().unwrap_or(key) };
    let key = last.to_ascii_lowercase().replace('_', "-");
    let listed = KEYS.iter().find(|(_, keys)| keys.contains(&key.as_str()));
    let starts = |starts: &[&str]| starts.iter().any(|start| key.starts_with(start));
    listed.map(|(leaning, _)| *leaning).or_else(|| {
        if starts(&["allow-", "allowed-", "allowlist", "whitelist", "ignore"]) {
            Some(Leaning::Lets)
        } else if starts(&DEMANDING) {
            Some(Leaning::Demands)
        } else if key.ends_with("-threshold") {
            Some(Leaning::Cap)
        } else {
            None
        }
    })
}
