//! Projects with a `pyproject.toml`, `setup.py` or `setup.cfg` in their root.

use std::collections::BTreeSet;

use matrix_architect_core::{evidence::EvidenceKind, path::RelPath};

use super::{
    super::{
        check::{Check, Planned, Tool},
        parse::Parser,
    },
    Base,
};

const PYTHON: Tool = Tool {
    name: "python3",
    probe: &["python3", "--version"],
    remedy: "install Python 3 where the sandbox can see it",
};
const PYTEST: Tool = Tool {
    name: "pytest",
    probe: &["python3", "-m", "pytest", "--version"],
    remedy: "install pytest for the sandbox's python3",
};
pub(in super::super) const RUFF: Tool = Tool {
    name: "ruff",
    probe: &["ruff", "--version"],
    remedy: "install ruff where the sandbox can see it",
};

/// Where pytest writes its report: a folder no project has, in the private copy of the tree.
const REPORT: &str = ".architect-reports/pytest.xml";

/// Prints which of its arguments after the first Python can import, one a line; the first names
/// folders to look in beside its own. Nothing is imported for it, since
/// that would run their code.
pub(in super::super) const FIND_MODULES: &str = "\
import importlib.util, os, sys
sys.path += filter(None, sys.argv[1].split(':'))
for name in sys.argv[2:]:
    top, *below = name.split('.')
    try:
        found = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        found = None
    if not found:
        continue
    folders = found.submodule_search_locations or []
    if not below or any(os.path.exists(os.path.join(f, *below) + '.py') for f in folders):
        print(name)
";

/// Modules whose presence decides how the suite runs.
pub(in super::super) fn modules_of_interest(base: &Base) -> Vec<String> {
    let backend = backend(base).map(|backend| module(&backend).to_owned());
    let known = ["pytest", "build", "pip", "wheel", OWN_WHEEL].map(str::to_owned);
    known.into_iter().chain(backend).collect()
}

/// The suite, given what the sandbox's Python can import and whether there is a ruff.
pub(in super::super) fn checks(
    base: &Base,
    modules: &BTreeSet<String>,
    has_ruff: bool,
) -> Vec<Planned> {
    let mut checks = Vec::new();
    if has_ruff || configures_ruff(base) {
        checks.extend(lints(base));
    }
    checks.push(tests(base, modules));
    checks.extend(backend(base).map(|backend| build(&backend, modules)));
    let environment = environment(base);
    let within = |planned| match planned {
        Planned::Run(check) => check.within(&environment).into(),
        undecided @ Planned::Undecided { .. } => undecided,
    };
    checks.into_iter().map(within).collect()
}

fn lints(base: &Base) -> Vec<Planned> {
    let kind = EvidenceKind::LintResults;
    let check = ["ruff", "check", "--no-cache", "--output-format=json", "."];
    let format = ["ruff", "format", "--no-cache", "--diff", "."];
    let mut lints = vec![Check::new("python.ruff", kind, check, Parser::Ruff).needing(RUFF).into()];
    // Whoever does not configure ruff may well format with something else.
    if configures_ruff(base) {
        let format = Check::new("python.format", kind, format, Parser::FormatDiff);
        lints.push(format.needing(RUFF).into());
    }
    lints
}

fn tests(base: &Base, modules: &BTreeSet<String>) -> Planned {
    let kind = EvidenceKind::TestResults;
    if modules.contains("pytest") || wants_pytest(base) {
        let junit = format!("--junitxml={REPORT}");
        let argv = ["python3", "-m", "pytest", "-p", "no:cacheprovider", "-q", junit.as_str()];
        let mut check = Check::new("python.test", kind, argv, Parser::Junit).needing(PYTEST);
        check.report = RelPath::new(REPORT).ok();
        return check.into();
    }
    let start = if base.has_folder("tests") { "tests" } else { "." };
    let mut argv = vec!["python3", "-m", "unittest", "discover", "-v", "-s", start];
    if start == "." || base.has("tests/__init__.py") {
        argv.extend(["-t", "."]);
    }
    Check::new("python.test", kind, argv, Parser::Unittest).needing(PYTHON).into()
}

/// With it setuptools builds wheels by itself; before version 70.1 it needs `wheel`.
const OWN_WHEEL: &str = "setuptools.command.bdist_wheel";

fn build(backend: &str, modules: &BTreeSet<String>) -> Planned {
    let kind = EvidenceKind::BuildLogs;
    let has = |name: &str| modules.contains(name);
    let missing = match module(backend) {
        name if !has(name) => Some(name),
        "setuptools" if !has("wheel") && !has(OWN_WHEEL) => Some("wheel"),
        _ if !has("build") && !has("pip") => Some("build"),
        _ => None,
    };
    if let Some(missing) = missing {
        return Planned::Undecided {
            name: "python.build",
            kind,
            required: false,
            why: format!(
                "not built: {missing}, which the build backend {backend} needs, is not installed; \
                 install it for the sandbox's python3"
            ),
        };
    }
    let argv: &[&str] = if modules.contains("build") {
        &["python3", "-m", "build", "--no-isolation", "--wheel"]
    } else {
        &["python3", "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", "dist", "."]
    };
    Check::new("python.build", kind, argv.iter().copied(), Parser::ExitCode).needing(PYTHON).into()
}

/// The build backend `pyproject.toml` names.
fn backend(base: &Base) -> Option<String> {
    let document: toml::Table = base.text("pyproject.toml").parse().ok()?;
    Some(document.get("build-system")?.get("build-backend")?.as_str()?.to_owned())
}

/// The module of `module.sub:object`.
fn module(backend: &str) -> &str {
    backend.split([':', '.']).next().unwrap_or(backend)
}

fn configures_ruff(base: &Base) -> bool {
    base.has("ruff.toml")
        || base.has(".ruff.toml")
        || base.text("pyproject.toml").contains("[tool.ruff")
}

fn wants_pytest(base: &Base) -> bool {
    base.has("pytest.ini")
        || base.text("pyproject.toml").contains("[tool.pytest")
        || base.text("setup.cfg").contains("[tool:pytest]")
        || base.text("tox.ini").contains("[pytest]")
        || base.any(|path| path == "conftest.py" || path.ends_with("/conftest.py"))
}

/// The project itself is importable without being installed, and leaves no byte code behind.
fn environment(base: &Base) -> [(&'static str, &'static str); 5] {
    let path = if base.has_folder("src") { "src" } else { "." };
    [
        ("PYTHONPATH", path),
        ("PYTHONDONTWRITEBYTECODE", "1"),
        ("PIP_NO_INDEX", "1"),
        ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
        ("NO_COLOR", "1"),
    ]
}
