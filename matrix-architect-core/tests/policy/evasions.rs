//! Ways to make a risky change look harmless, each of which passed once or nearly did.

use matrix_architect_core::patch::{ChangeKind, FileChange};

use super::case::{Case, case, file};

pub(crate) fn edit(
    label: &'static str,
    path: &str,
    from: &str,
    to: &str,
    expected: &[&'static str],
) -> Case {
    case(label).edit(path, from, to).expects(expected)
}

pub(crate) fn cases() -> Vec<Case> {
    [hidden(), super::spellings::cases(), tests(), commands(), databases(), kept()].concat()
}

/// What a diff does not show.
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn hidden() -> Vec<Case> {
    let unread = |path| FileChange { binary: true, ..file(path, ChangeKind::Modified) };
    let module = |lines: &str| format!("diff --git a/lib/x b/lib/x\n{lines}");
    let pointer =
        "--- a/lib/x\n+++ b/lib/x\n@@ -1 +1 @@\n-Subproject commit a\n+Subproject commit b\n";
    let moved =
        FileChange { added_lines: 1, removed_lines: 1, ..file("lib/x", ChangeKind::Modified) };
    let part =
        "diff --git a/src/a.rs b/src/a.rs\n--- a/src/a.rs\n+++ b/src/a.rs\n@@ -1 +1 @@\n-a\n+b\n";
    let twice = FileChange { path: "src/a.rs".parse().unwrap(), ..moved.clone() };
    let mut silent = case("another content without a line").edit("src/a.rs", "a\n", "b\n");
    silent.patch.files[0].added_lines = 0;
    silent.patch.files[0].removed_lines = 0;
    silent.patch.diff.clear();
    let unreadable: &[_] = &["binary_file", "unreadable_input"];
    vec![
        case("a byte that is no UTF-8 hides a module")
            .with(unread("src/a.rs"), "")
            .expects(unreadable),
        case("a byte that is no UTF-8 hides a lockfile")
            .with(unread("Cargo.lock"), "")
            .edit("Cargo.toml", "# a\n", "# b\n")
            .expects(unreadable),
        case("a Makefile that is no text").with(unread("Makefile"), "").expects(&[
            "binary_file",
            "build_script",
            "unreadable_input",
        ]),
        case("another commit of a submodule")
            .with(moved.clone(), &module(&format!("index 0a..1b 160000\n{pointer}")))
            .expects(&["unreadable_input"]),
        case("another target of a link")
            .with(moved, &module(&format!("index 0a..1b 120000\n{pointer}")))
            .expects(&["symlink"]),
        case("a part of a diff that hides another")
            .with(twice, &format!("{part}{part}"))
            .expects(&["unreadable_input"]),
        silent.expects(&["unreadable_input"]),
        edit(
            "a setting behind a line break that is none to Git",
            ".golangci.yml",
            "run:\n",
            "run:\n  # why\r  tests: false\n",
            &["deceptive_text"],
        ),
        edit("code behind a comment", "src/a.js", "a\n", "// a\u{2028}b()\n", &["deceptive_text"]),
        edit("line ends of another system", "src/a.js", "a\n", "b\r\n", &[]),
        edit(
            "a script whose name is spelt in escapes",
            "package.json",
            "{\n}\n",
            "{\n  \"\\u0070ostinstall\": \"x\"\n}\n",
            &["deceptive_text"],
        ),
        edit(
            "an escape that is none of a letter",
            "package.json",
            "{\n}\n",
            "{\n  \"description\": \"a \\u003c b\"\n}\n",
            &[],
        ),
        edit(
            "a folder that looks like another",
            "src/\u{430}uth/x.rs",
            "a\n",
            "b\n",
            &["deceptive_text", "touches_auth"],
        ),
        edit(
            "a folder with a letter nobody sees",
            ".mat\u{200b}rix/x",
            "a\n",
            "b\n",
            &["deceptive_text", "touches_judge"],
        ),
        edit("a name in another language", "src/größe.rs", "a\n", "b\n", &[]),
        edit("a decomposed name in another language", "src/gro\u{308}ße.rs", "a\n", "b\n", &[]),
        edit("a name in another script", "docs/привет.md", "a\n", "b\n", &[]),
        edit("a folder in capitals", "SRC/AUTH/x.rs", "a\n", "b\n", &["touches_auth"]),
    ]
}

/// Tests that no longer run although none of their lines goes.
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn tests() -> Vec<Case> {
    let rust = "#[test]\nfn a() {\n    assert!(y());\n}\n";
    let commented = "// #[test]\n// fn a() {\n//     assert!(y());\n// }\n";
    let python = "def test_a():\n    assert y()\n";
    let (gone, skipped): (&[_], &[_]) = (&["tests_deleted"], &["tests_skipped"]);
    vec![
        edit("a test is commented out", "src/a.rs", rust, commented, gone),
        edit("a commented test comes back", "src/a.rs", commented, rust, &[]),
        edit("a test within a comment", "src/a.rs", rust, &format!("/*\n{rust}*/\n"), skipped),
        edit(
            "a test within a string",
            "tests/test_a.py",
            python,
            &format!("\"\"\"\n{python}\"\"\"\n"),
            skipped,
        ),
        edit("a long comment is added", "src/a.rs", rust, &format!("/*\n * why\n */\n{rust}"), &[]),
        edit(
            "a docstring is added",
            "tests/test_a.py",
            python,
            "def test_a():\n    \"\"\"\n    Why.\n    \"\"\"\n    assert y()\n",
            &[],
        ),
        edit(
            "a module of tests is not compiled",
            "src/lib.rs",
            "mod a;\n#[cfg(test)]\nmod tests;\n",
            "mod a;\n",
            gone,
        ),
        case("a module of tests is renamed").edit(
            "src/lib.rs",
            "#[cfg(test)]\nmod tests;\n",
            "#[cfg(test)]\nmod unit_tests;\n",
        ),
        case("a test gets a name that is not collected")
            .rename("tests/test_a.py", "tests/a.py")
            .expects(gone),
        case("a test of Go gets a name that is not collected")
            .rename("a_test.go", "a_tests.go")
            .expects(gone),
        case("a test gets another name").rename("tests/test_a.py", "tests/test_b.py"),
        edit(
            "all other tests are left out",
            "web/a.test.ts",
            "it(\"a\", f)\n",
            "it.only(\"a\", f)\n",
            &["tests_skipped", "tests_deleted"],
        ),
        edit(
            "a test ends the run",
            "tests/a.rs",
            rust,
            &rust.replace("    assert", "    std::process::exit(0);\n    assert"),
            skipped,
        ),
        edit(
            "a file of tests is not compiled",
            "tests/a.rs",
            rust,
            &format!("#![cfg(any())]\n{rust}"),
            skipped,
        ),
        edit("a program ends", "src/main.rs", "a();\n", "std::process::exit(0);\n", &[]),
        edit(
            "another lint is silenced",
            "src/a.rs",
            "#[allow(dead_code)]\nfn a() {}\n",
            "#[allow(unsafe_code)]\nfn a() {}\n",
            &["checks_suppressed"],
        ),
        edit(
            "a warning is silenced in capitals",
            "a.py",
            "import a\n",
            "import a  # NOQA\n",
            &["checks_suppressed"],
        ),
    ]
}

/// What checks no longer do.
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn commands() -> Vec<Case> {
    let make = "test:\n\tcargo test\n\tcargo clippy\n";
    let (built, looser): (&[_], &[_]) =
        (&["build_script", "checks_loosened"], &["checks_loosened", "touches_tool_configuration"]);
    vec![
        edit("a check goes from a Makefile", "Makefile", make, "test:\n\tcargo test\n", built),
        edit("a check becomes nothing", "Makefile", make, "test:\n\ttrue\n\tcargo clippy\n", built),
        edit(
            "a check gets an option",
            "Makefile",
            make,
            &make.replace("test\n\t", "test --all\n\t"),
            &["build_script"],
        ),
        edit(
            "a rule is off in part of the code",
            "mypy.ini",
            "[mypy]\n",
            "[mypy]\n[mypy-a.*]\ndisallow_untyped_defs = False\n",
            looser,
        ),
        edit(
            "a switch in capitals that lets nothing pass",
            "mypy.ini",
            "[mypy]\n",
            "[mypy]\nignore_errors = False\n",
            &["touches_tool_configuration"],
        ),
        edit(
            "the workspace's lints",
            "Cargo.toml",
            "[lints]\nworkspace = true\n",
            "[lints]\nrust.a = \"warn\"\n",
            looser,
        ),
        edit(
            "a member goes",
            "Cargo.toml",
            "[workspace]\nmembers = [\"a\", \"b\"]\n",
            "[workspace]\nmembers = [\"a\"]\n",
            looser,
        ),
        edit(
            "a member comes",
            "Cargo.toml",
            "[workspace]\nmembers = [\"a\"]\n",
            "[workspace]\nmembers = [\"a\", \"b\"]\n",
            &["touches_tool_configuration"],
        ),
        edit(
            "a type check that minds less",
            "pyrightconfig.json",
            "{\n  \"typeCheckingMode\": \"strict\"\n}\n",
            "{\n  \"typeCheckingMode\": \"basic\"\n}\n",
            looser,
        ),
        edit(
            "secrets that are let pass",
            ".gitleaks.toml",
            "[allowlist]\n",
            "[allowlist]\npaths = [\"a\"]\n",
            looser,
        ),
    ]
}

/// Databases in one spelling or another.
fn databases() -> Vec<Case> {
    let (one_way, there): (&[_], &[_]) = (&["migration", "migration_irreversible"], &["migration"]);
    let sql = |label, text: &str, expected: &[&'static str]| {
        case(label).add("migrations/1.sql", text).expects(expected)
    };
    vec![
        sql("a table goes over two lines", "DROP\n  TABLE a;\n", one_way),
        sql("a table goes around a comment", "drop/* a */table a;\n", one_way),
        sql("a table goes below a mark that is none", "-- down\ndrop table a;\n", one_way),
        sql("rows go", "DELETE FROM a;\n", one_way),
        sql("a view goes", "drop view a;\n", one_way),
        sql("a column comes", "alter table a add column b int;\n", there),
        sql("a column is renamed", "alter table a\n  rename column b to c;\n", one_way),
        case("a field of Django goes")
            .add(
                "app/migrations/2.py",
                "        migrations.RemoveField(model_name=\"a\", name=\"b\"),\n",
            )
            .expects(one_way),
    ]
}

/// What is kept here for others.
fn kept() -> Vec<Case> {
    vec![
        edit("vendored code", "vendor/a/x.rs", "a\n", "b\n", &["vendored_code"]),
        edit("code of a third party", "third_party/a/x.c", "a\n", "b\n", &["vendored_code"]),
        edit("a licence", "LICENSE-MIT", "a\n", "b\n", &["touches_licence"]),
        edit("terms further down", "crates/a/NOTICE.md", "a\n", "b\n", &["touches_licence"]),
        edit("a module about licences", "src/license.rs", "a\n", "b\n", &[]),
    ]
}
