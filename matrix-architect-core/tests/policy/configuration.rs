//! Configuration of the tools that judge a change: what asks less of it, and what only touches it.

use matrix_architect_core::{
    evidence::{CheckResult, EvidenceKind},
    patch::{ChangeKind, FileChange},
    policy::{Decision, RiskLevel},
};

use super::case::{Case, case, evidence, file};

const LOOSER: &[&str] = &["checks_loosened", "touches_tool_configuration"];
const TOUCHED: &[&str] = &["touches_tool_configuration"];
const LINTS: &str = "[lints.clippy]\nunwrap_used = \"deny\"\ntodo = \"warn\"\n";
const RUFF: &str =
    "[tool.ruff.lint]\nselect = [\n  \"E\",\n  \"F\",\n]\nignore = [\n  \"E501\",\n]\n";
const PYTEST: &str = "[tool.pytest.ini_options]\naddopts = \"--strict-markers -q\"\n";

fn edit(path: &str, text: &str, from: &str, to: &str, expected: &[&'static str]) -> Case {
    assert!(text.contains(from), "{path}: {from}");
    let label = format!("{path}: {} to {}", from.trim(), to.trim());
    case(label.leak()).edit(path, text, &text.replacen(from, to, 1)).expects(expected)
}

fn loosens(path: &str, text: &str, from: &str, to: &str) -> Case {
    edit(path, text, from, to, LOOSER)
}

fn touches(path: &str, text: &str, from: &str, to: &str) -> Case {
    edit(path, text, from, to, TOUCHED)
}

fn harmless(path: &str, text: &str, from: &str, to: &str) -> Case {
    edit(path, text, from, to, &[])
}

pub(crate) fn cases() -> Vec<Case> {
    [rust(), cargo(), python(), node(), others(), files(), ordinary(), suppressed()].concat()
}

fn rust() -> Vec<Case> {
    let long = format!("[lints.rust]\n{}unsafe_code = \"forbid\"\n", "a = \"warn\"\n".repeat(6));
    vec![
        loosens("Cargo.toml", LINTS, "\"deny\"", "\"allow\""),
        loosens("Cargo.toml", LINTS, "\"deny\"", "\"warn\""),
        loosens("a/Cargo.toml", LINTS, "unwrap_used = \"deny\"\n", ""),
        loosens(
            "Cargo.toml",
            LINTS,
            "todo = \"warn\"",
            "todo = { level = \"allow\", priority = 1 }",
        ),
        loosens("Cargo.toml", LINTS, "todo", "dead_code = \"allow\"\ntodo"),
        loosens("Cargo.toml", LINTS, "[lints.clippy]", "[package.metadata.clippy]"),
        // The heading is further up than a hunk shows.
        loosens("Cargo.toml", &long, "unsafe_code = \"forbid\"", "unsafe_code = \"allow\""),
        loosens("Cargo.toml", "[lib]\nname = \"a\"\n", "\"a\"\n", "\"a\"\ntest = false\n"),
        loosens("Cargo.toml", "[[test]]\nname = \"a\"\n", "\"a\"\n", "\"a\"\nharness = false\n"),
        loosens("Cargo.toml", "[package]\nname = \"a\"\n", "\"a\"\n", "\"a\"\nautotests = false\n"),
        loosens("clippy.toml", "too-many-arguments-threshold = 5\n", "5", "50"),
        loosens("clippy.toml", "msrv = \"1.80\"\n", "msrv", "allow-unwrap-in-tests = true\nmsrv"),
        loosens(".clippy.toml", "disallowed-names = [\"a\", \"b\"]\n", "\"a\", ", ""),
        loosens("rustfmt.toml", "max_width = 100\n", "max", "disable_all_formatting = true\nmax"),
        loosens(".rustfmt.toml", "ignore = [\"a\"]\n", "[\"a\"]", "[\"a\", \"src\"]"),
        loosens("rust-toolchain.toml", "[toolchain]\n", "]\n", "]\npath = \"tools/rust\"\n"),
        loosens(".config/nextest.toml", "[profile.default]\nretries = 0\n", "= 0", "= 9"),
        loosens(".config/nextest.toml", "[profile.ci]\n", "]\n", "]\ndefault-filter = 'none()'\n"),
    ]
}

fn cargo() -> Vec<Case> {
    let hooked = &["checks_loosened", "executable_hook"];
    let config =
        |to: &str| edit(".cargo/config.toml", "[build]\njobs = 1\n", "jobs = 1", to, hooked);
    vec![
        config("jobs = 1\nrustflags = [\"--cap-lints\", \"allow\"]"),
        config("jobs = 1\nrustflags = [\"-A\", \"warnings\"]"),
        config("jobs = 1\nrustc-wrapper = \"tools/rustc\""),
        config("jobs = 1\n[target.x86_64-unknown-linux-gnu]\nrunner = \"true\""),
        config("jobs = 1\n[alias]\nclippy = \"check\""),
        config("jobs = 1\n[env]\nCLIPPY_CONF_DIR = \"lax\""),
        config("jobs = 1\n[env]\nRUSTFLAGS = \"-A dead_code\""),
    ]
}

fn python() -> Vec<Case> {
    let coverage = "[tool.coverage.report]\nfail_under = 80\n";
    vec![
        loosens("pyproject.toml", RUFF, "\"E501\",\n", "\"E501\",\n  \"F401\",\n"),
        loosens("pyproject.toml", RUFF, "  \"F\",\n", ""),
        loosens("pyproject.toml", PYTEST, "-q", "-q --ignore=tests/slow"),
        loosens("pyproject.toml", PYTEST, "-q", "-q -k 'not slow'"),
        loosens("pyproject.toml", PYTEST, "--strict-markers ", ""),
        loosens("pyproject.toml", PYTEST, "addopts", "testpaths = [\"tests/quick\"]\naddopts"),
        loosens("pyproject.toml", PYTEST, "[tool.pytest.ini_options]", "[tool.other]"),
        loosens(
            "pyproject.toml",
            PYTEST,
            "addopts",
            "filterwarnings = [\"ignore::DeprecationWarning\"]\naddopts",
        ),
        loosens("pyproject.toml", coverage, "80", "40"),
        loosens("pyproject.toml", coverage, "fail_under = 80\n", ""),
        loosens("pyproject.toml", "[tool.mypy]\nstrict = true\n", "true", "false"),
        loosens(
            "setup.cfg",
            "[tool:pytest]\naddopts =\n    -q\n",
            "-q\n",
            "-q\n    --deselect a\n",
        ),
        loosens("setup.cfg", "[flake8]\nmax-complexity = 9\n", "= 9", "= 99"),
        loosens("pytest.ini", "[pytest]\nfilterwarnings =\n    error\n", "    error\n", "\n"),
        loosens("pytest.ini", "[pytest]\r\naddopts = -q\r\n", "-q", "-q -p no:warnings"),
        loosens("ruff.toml", "ignore = [\"E501\"]\n", "\"E501\"", "\"E501\", \"F\""),
        loosens("ruff.toml", "[lint.per-file-ignores]\n", "]\n", "]\n\"src/*\" = [\"ALL\"]\n"),
        loosens(".coveragerc", "[run]\nbranch = true\n", "branch", "omit = src/hard.py\nbranch"),
        loosens("mypy.ini", "[mypy]\n", "[mypy]\n", "[mypy]\nignore_errors = True\n"),
        edit(
            "tox.ini",
            "[testenv]\ncommands = pytest -W error\n",
            "pytest -W error",
            "pytest || true",
            &["build_script", "checks_loosened"],
        ),
        edit(
            "tests/conftest.py",
            "import os\n",
            "os\n",
            "os\ncollect_ignore = [\"test_hard.py\"]\n",
            &["build_script", "checks_loosened"],
        ),
    ]
}

fn node() -> Vec<Case> {
    let scripts = "{\n  \"scripts\": {\n    \"test\": \"jest\",\n    \"start\": \"x\"\n  }\n}\n";
    let jest = "module.exports = {\n  testMatch: [\"**/*.test.js\"],\n};\n";
    vec![
        loosens("package.json", scripts, "\"jest\"", "\"true\""),
        loosens("package.json", scripts, "\"jest\"", "\"jest || true\""),
        loosens("package.json", scripts, "\"jest\"", "\"jest --passWithNoTests\""),
        loosens("package.json", scripts, "    \"test\": \"jest\",\n", ""),
        loosens("package.json", "{\n  \"jest\": {\n    \"branches\": 90\n  }\n}\n", "90", "10"),
        loosens("package.json", "{\n  \"no-eval\": \"error\"\n}\n", "\"error\"", "\"off\""),
        loosens(".eslintrc.json", "{\n  \"no-eval\": 2\n}\n", "2", "0"),
        loosens(".eslintrc.json", "{\n  \"a\": [\"error\", {}]\n}\n", "\"error\"", "\"warn\""),
        loosens("eslint.config.mjs", "a({\n  ignores: []\n})\n", "[]", "[\"src/**\"]"),
        loosens("jest.config.js", jest, "};", "  testPathIgnorePatterns: [\"/slow/\"],\n};"),
        loosens("jest.config.js", jest, "**/*.test.js", "quick/*.test.js"),
        loosens("tsconfig.json", "{\n  \"strict\": true\n}\n", "true", "false"),
        loosens("tsconfig.json", "{\n  \"a\": 1\n}\n", "1\n", "1,\n  \"skipLibCheck\": true\n"),
        loosens(".eslintignore", "dist\n", "dist\n", "dist\nsrc/hard.js\n"),
    ]
}

fn others() -> Vec<Case> {
    let make = "test:\n\tcargo test\n";
    let built = &["build_script", "checks_loosened"];
    vec![
        loosens(".golangci.yml", "linters:\n  enable:\n    - errcheck\n", "    - errcheck\n", ""),
        loosens(".golangci.yml", "linters:\n", ":\n", ":\n  disable:\n    - errcheck\n"),
        edit("Makefile", make, "cargo test", "cargo test || true", built),
        edit("Makefile", make, "\tcargo test", "\t-cargo test", built),
        loosens("phpstan.neon", "parameters:\n", ":\n", ":\n  ignoreErrors: yes\n"),
    ]
}

fn files() -> Vec<Case> {
    let mut runs = evidence(EvidenceKind::CommandCheck, "suite", CheckResult::Passed);
    runs = runs.detail("command", "sh ./ci/suite.sh --all && true");
    let mut asked = evidence(EvidenceKind::CommandCheck, "command.1", CheckResult::Passed);
    asked = asked.detail("command", "sh ci/suite.sh");
    let unread = FileChange { binary: true, ..file("pytest.ini", ChangeKind::Modified) };
    vec![
        case("clippy's settings go").delete("clippy.toml", "msrv = \"1\"\n").expects(LOOSER),
        case("settings move away").rename("ruff.toml", "docs/ruff.toml").expects(LOOSER),
        case("empty settings take precedence").add("pytest.ini", "").expects(LOOSER),
        case("settings nobody can read").with(unread, "").expects(&[
            "binary_file",
            "checks_loosened",
            "unreadable_input",
        ]),
        case("new settings that only shape")
            .add("rustfmt.toml", "max_width = 100\n")
            .expects(TOUCHED),
        case("what a check runs")
            .evidence(runs.clone())
            .edit("ci/suite.sh", "a\n", "b\n")
            .expects(TOUCHED),
        case("what a check runs goes").evidence(runs).delete("ci/suite.sh", "a\n").expects(LOOSER),
        case("what a command of the requester runs").evidence(asked).edit(
            "ci/suite.sh",
            "a\n",
            "b\n",
        ),
    ]
}

/// Changes to the same files that ask no less.
fn ordinary() -> Vec<Case> {
    let manifest = "[package]\nname = \"a\"\nversion = \"0.1.0\"\nexclude = [\"docs\"]\n";
    let project = "[project]\nname = \"a\"\nkeywords = [\n  \"x\",\n]\n";
    vec![
        touches("rustfmt.toml", "max_width = 100\n", "100", "120"),
        touches("Cargo.toml", LINTS, "\"warn\"", "\"deny\""),
        touches("Cargo.toml", LINTS, "todo", "panic = \"warn\"\ntodo"),
        touches("clippy.toml", "too-many-arguments-threshold = 50\n", "50", "5"),
        touches("pyproject.toml", RUFF, "\"F\",\n", "\"F\",\n  \"B\",\n"),
        touches("pyproject.toml", RUFF, "  \"E501\",\n", ""),
        touches("pyproject.toml", PYTEST, "-q", "-q --showlocals"),
        touches("ruff.toml", "line-length = 80\n", "80", "100"),
        touches("tsconfig.json", "{\n  \"strict\": false\n}\n", "false", "true"),
        touches("pytest.ini", "[pytest]\nfilterwarnings =\n", "=\n", "=\n    error\n"),
        touches(".coveragerc", "[report]\nfail_under = 40\n", "40", "80"),
        touches("package.json", "{\n  \"test\": \"jest\"\n}\n", "\"jest\"", "\"jest --ci\""),
        harmless("clippy.toml", "msrv = \"1\"\n", "msrv", "# why\nmsrv"),
        harmless("rustfmt.toml", "a = 1\nb = 2\n", "a = 1\nb = 2\n", "b = 2\na = 1\n"),
        harmless("Cargo.toml", manifest, "0.1.0", "0.1.1"),
        harmless("Cargo.toml", manifest, "\"docs\"", "\"docs\", \"web\""),
        harmless("pyproject.toml", project, "  \"x\",\n", "  \"x\",\n  \"y\",\n"),
        harmless("setup.cfg", "[metadata]\nname = a\n", "= a", "= b"),
    ]
}

fn suppressed() -> Vec<Case> {
    let quiet: &[_] = &["checks_suppressed"];
    let edit = |path, from, to, expected: &[&'static str]| {
        case("a tool is silenced").edit(path, from, to).expects(expected)
    };
    vec![
        edit("src/a.rs", "fn a() {}\n", "#[allow(dead_code)]\nfn a() {}\n", quiet),
        edit("a.py", "import os\n", "import os  # noqa: F401\n", quiet),
        edit("a.ts", "f();\n", "// @ts-ignore\nf();\n", quiet),
        edit("src/a.rs", "#[allow(dead_code)]\nfn a() {}\n", "fn a() {}\n", &[]),
        case("a silenced function moves")
            .edit("src/a.rs", "#[allow(dead_code)]\nfn a() {}\nfn b() {}\n", "fn b() {}\n")
            .edit("src/b.rs", "fn c() {}\n", "fn c() {}\n#[allow(dead_code)]\nfn a() {}\n"),
    ]
}

#[test]
fn what_was_loosened_is_named_and_needs_consent() {
    let verdict = loosens("a/Cargo.toml", LINTS, "\"deny\"", "\"allow\"").judge();
    assert_eq!(
        (verdict.decision, verdict.risk.level),
        (Decision::RequireApproval, RiskLevel::High)
    );
    let reason = verdict.reasons.iter().find(|reason| reason.contains("loosened")).unwrap();
    assert_eq!(
        reason,
        "Checks loosened: unwrap_used: \"deny\" is now \"allow\" in a/Cargo.toml (+40, at least high)."
    );
    let verdict = touches("rustfmt.toml", "max_width = 100\n", "100", "120").judge();
    assert_eq!((verdict.decision, verdict.risk.level), (Decision::Allow, RiskLevel::Medium));
}
