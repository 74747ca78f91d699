//! Projects nobody here wrote: a published Rust crate and a published Python package with their own
//! tests, fetched by cargo and pip, dependencies vendored, verified offline in the native sandbox.
//! The counts must be those that the tools print outside of it.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "these are tests")]

mod judging;
#[path = "judging/skip.rs"]
mod skip;

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
};

use judging::{Wish, environment};
use matrix_architect_core::{
    error::Result,
    evidence::{CheckResult, Evidence, TestCounts},
    job::JobConstraints,
};
use matrix_architect_sandbox::native::{NativeConfig, NativeSandbox, detect_toolchains};
use tempfile::TempDir;

/// Three small dependencies of its tests, 50 tests and 43 documentation tests of its own.
const CRATE: (&str, &str) = ("arrayvec", "0.7.6");

/// 180 tests of its own.
const PACKAGE: (&str, &str) = ("toolz", "0.12.1");

/// Runs a command and returns what it printed if it succeeded.
fn run(command: &mut Command) -> Option<String> {
    let Output { status, stdout, stderr } = command.output().ok()?;
    if !status.success() {
        eprintln!("{command:?}: {}", String::from_utf8_lossy(&stderr));
    }
    status.success().then(|| String::from_utf8_lossy(&stdout).into_owned())
}

fn copy(from: &Path) -> TempDir {
    let to = workshop();
    run(Command::new("cp").arg("-R").arg(from.join(".")).arg(to.path())).unwrap();
    to
}

/// A directory that a sandbox can be shown: not in `/tmp`, which inside is another one, and open to
/// the user that commands run as.
fn workshop() -> TempDir {
    let workshop = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    fs::set_permissions(&workshop, fs::Permissions::from_mode(0o755)).unwrap();
    workshop
}

fn append(root: &Path, file: &str, text: &str) {
    let path = root.join(file);
    let before = fs::read_to_string(&path).unwrap();
    fs::write(path, format!("{before}{text}")).unwrap();
}

fn prepend(root: &Path, file: &str, text: &str) {
    let path = root.join(file);
    let before = fs::read_to_string(&path).unwrap();
    fs::write(path, format!("{text}{before}")).unwrap();
}

/// The planted failure and no other is known to be old.
fn only_planted_is_old(tests: &Evidence, planted: &str) {
    for finding in &tests.findings {
        assert_eq!(finding.preexisting, finding.name.ends_with(planted), "{finding:?}");
    }
    assert!(tests.findings.iter().any(|finding| finding.preexisting), "{tests:?}");
}

/// The published source of the crate with its dependencies vendored; `None` without a registry.
fn published_crate() -> Option<TempDir> {
    let (name, version) = CRATE;
    let wanting = workshop();
    let manifest = format!(
        "[package]\nname = 'wanting'\nversion = '0.0.0'\nedition = '2021'\n[workspace]\n\
         [dependencies]\n{name} = '={version}'\n"
    );
    fs::create_dir(wanting.path().join("src")).unwrap();
    fs::write(wanting.path().join("src/lib.rs"), "").unwrap();
    fs::write(wanting.path().join("Cargo.toml"), manifest).unwrap();
    run(Command::new("cargo").args(["vendor", "vendor"]).current_dir(wanting.path()))?;
    let source = copy(&wanting.path().join("vendor").join(name));
    fs::remove_file(source.path().join(".cargo-checksum.json")).unwrap();
    append(source.path(), "Cargo.toml", "\n[workspace]\n");
    let settings = run(Command::new("cargo").args(["vendor", "vendor"]).current_dir(&source))?;
    fs::create_dir_all(source.path().join(".cargo")).unwrap();
    fs::write(source.path().join(".cargo/config.toml"), settings).unwrap();
    Some(source)
}

/// The sum of cargo's own `test result:` lines.
fn cargo_test(project: &Path) -> TestCounts {
    let target = workshop();
    let output = Command::new("cargo")
        .args(["test", "--offline", "--no-fail-fast"])
        .current_dir(project)
        .env("CARGO_TARGET_DIR", target.path())
        .output()
        .unwrap();
    let mut counts = TestCounts::default();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let words: Vec<_> = line.split([' ', ';']).filter(|word| !word.is_empty()).collect();
        if let ["test", "result:", _, passed, "passed", failed, "failed", ignored, "ignored", ..] =
            words[..]
        {
            counts.passed += passed.parse::<u64>().unwrap();
            counts.failed += failed.parse::<u64>().unwrap();
            counts.skipped += ignored.parse::<u64>().unwrap();
        }
    }
    counts
}

#[tokio::test]
async fn a_published_crates_own_suite_runs_offline_with_the_counts_cargo_prints() -> Result<()> {
    let Some(base) = published_crate() else {
        skip::skip("cargo cannot fetch the crate");
        return Ok(());
    };
    // What is judged is the suite; linting and building another project's code is beside the point.
    let rules = "[verify.builtin.\"rust.clippy\"]\nenabled = false\n\
        [verify.builtin.\"rust.build\"]\nenabled = false\n";
    fs::create_dir(base.path().join(".matrix")).unwrap();
    fs::write(base.path().join(".matrix/architect.toml"), rules).unwrap();
    append(base.path(), "tests/tests.rs", "\n#[test]\nfn planted() {\n    assert_eq!(1, 2);\n}\n");
    let tree = copy(base.path());
    let added = "\n#[test]\nfn added() {\n    assert_eq!(arrayvec::added(), 7);\n}\n";
    append(tree.path(), "tests/tests.rs", added);
    append(tree.path(), "src/lib.rs", "\n/// Seven.\npub fn added() -> u8 {\n    7\n}\n");

    let constraints = JobConstraints::default();
    let outcome = Wish { constraints, ..Wish::default() }.verify(base.path(), tree.path()).await?;
    assert!(!outcome.bundle.is_empty(), "the release is the changed tree");
    let tests = outcome.named("rust.test");
    eprintln!("{}: {}; {}", CRATE.0, tests.summary, outcome.named("rust.fmt").summary);
    assert_eq!((tests.result, tests.passed), (CheckResult::Warned, true), "{tests:?}");
    only_planted_is_old(&tests, "planted");
    let outside = cargo_test(tree.path());
    assert!(outside.passed > 50 && outside.failed == 1, "{outside:?}");
    assert_eq!(tests.tests, Some(outside));
    // Its formatting was another before we came; we added nothing to that.
    assert!(outcome.named("rust.fmt").passed);
    Ok(())
}

/// Pytest and the package's published source; `None` without a registry.
fn published_package() -> Option<(PathBuf, TempDir, TempDir)> {
    let (name, version) = PACKAGE;
    let python = workshop();
    run(Command::new("python3").args(["-m", "venv"]).arg(python.path()))?;
    let pip = || {
        let mut pip = Command::new(python.path().join("bin/python"));
        pip.args(["-m", "pip", "--disable-pip-version-check", "-q"]);
        pip
    };
    run(pip().args(["install", "pytest", "setuptools", "wheel"]))?;
    let sources = workshop();
    run(pip()
        .args(["download", "--no-binary", ":all:", "--no-deps", "--no-build-isolation", "-d"])
        .arg(sources.path())
        .arg(format!("{name}=={version}")))?;
    let archive = sources.path().join(format!("{name}-{version}.tar.gz"));
    run(Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(sources.path()))?;
    Some((sources.path().join(format!("{name}-{version}")), sources, python))
}

/// The numbers of pytest's own last line, such as `1 failed, 180 passed in 0.87s`.
fn pytest(project: &Path, python: &Path) -> TestCounts {
    let output = Command::new(python.join("bin/python"))
        .args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "--color=no"])
        .current_dir(project)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let last = text.lines().last().unwrap_or_default().replace(',', "");
    let words: Vec<_> = last.split(' ').collect();
    let before = |word| {
        let at = words.iter().position(|other| *other == word);
        at.map_or(0, |at| words[at - 1].parse::<u64>().unwrap())
    };
    let skipped = before("skipped") + before("xfailed");
    TestCounts { passed: before("passed"), failed: before("failed"), skipped }
}

#[tokio::test]
async fn a_published_packages_own_suite_runs_offline_with_the_counts_pytest_prints() -> Result<()> {
    let Some((base, _sources, python)) = published_package() else {
        skip::skip("pip cannot fetch the package");
        return Ok(());
    };
    let suite = "toolz/tests/test_utils.py";
    append(&base, suite, "\n\ndef test_planted():\n    assert 1 == 2\n");
    let path = python.path().join("bin");
    let others = environment("PATH");
    let path = std::env::join_paths(std::iter::once(path).chain(std::env::split_paths(&others)));
    let path: OsString = path.unwrap();
    let toolchains = detect_toolchains(Path::new(&environment("HOME")), &path);
    let sandbox = NativeSandbox::new(NativeConfig::default().toolchains(toolchains))?;
    let wish = || Wish {
        sandbox: Arc::new(sandbox.clone()),
        constraints: JobConstraints::default(),
        ..Wish::default()
    };

    let good = copy(&base);
    prepend(good.path(), suite, "\n\ndef test_added():\n    assert True\n\n\n");
    let tests = wish().verify(&base, good.path()).await?.named("python.test");
    eprintln!("{}: {}", PACKAGE.0, tests.summary);
    assert_eq!((tests.result, tests.passed), (CheckResult::Warned, true), "{tests:?}");
    only_planted_is_old(&tests, "test_planted");
    let outside = pytest(good.path(), python.path());
    assert!(outside.passed > 50 && outside.failed == 1, "{outside:?}");
    assert_eq!(tests.tests, Some(outside));

    let bad = copy(&base);
    append(bad.path(), suite, "\n\ndef test_new():\n    raise ValueError('new')\n");
    let tests = wish().verify(&base, bad.path()).await?.named("python.test");
    assert_eq!((tests.result, tests.passed), (CheckResult::Failed, false), "{tests:?}");
    only_planted_is_old(&tests, "test_planted");
    assert!(tests.findings[0].name.ends_with("test_new"), "{tests:?}");
    assert_eq!(tests.tests, Some(pytest(bad.path(), python.path())));
    Ok(())
}
