//! Tests that are taken away, switched off or emptied.

use super::case::{Case, case};

const RUST: &str = "#[test]\nfn a() {\n    assert_eq!(x(), 1);\n    assert!(y());\n}\n\n#[test]\nfn b() {\n    assert!(z());\n}\n";
const PYTHON: &str =
    "def test_a():\n    assert x() == 1\n    assert y()\n\ndef test_b():\n    assert z()\n";

fn edit(label: &'static str, path: &str, text: &str, from: &str, to: &str) -> Case {
    assert!(text.contains(from), "{label}");
    case(label).edit(path, text, &text.replacen(from, to, 1))
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
pub(crate) fn cases() -> Vec<Case> {
    let (gone, skipped, emptied): (&[_], &[_], &[_]) =
        (&["tests_deleted"], &["tests_skipped"], &["assertions_removed"]);
    vec![
        edit("a Rust test goes", "src/a.rs", RUST, "#[test]\nfn b() {\n    assert!(z());\n}\n", "")
            .expects(gone),
        edit(
            "a Python test goes",
            "tests/test_a.py",
            PYTHON,
            "def test_b():\n    assert z()\n",
            "",
        )
        .expects(gone),
        case("a file of tests goes").delete("tests/test_a.py", PYTHON).expects(gone),
        case("a fixture goes").delete("tests/data/a.json", "{}\n").expects(gone),
        case("tests move to another file")
            .edit("src/a.rs", &format!("x();\n{RUST}"), "x();\n")
            .add("src/b.rs", RUST),
        edit("a test is ignored", "src/a.rs", RUST, "#[test]", "#[test]\n#[ignore]")
            .expects(skipped),
        edit(
            "a Python test is skipped",
            "tests/test_a.py",
            PYTHON,
            "def test_a",
            "@pytest.mark.skip\ndef test_a",
        )
        .expects(skipped),
        edit(
            "a Python test may fail",
            "tests/test_a.py",
            PYTHON,
            "def test_a",
            "@pytest.mark.xfail\ndef test_a",
        )
        .expects(skipped),
        case("a JavaScript test is skipped")
            .edit("web/a.test.ts", "it(\"a\", () => {})\n", "it.skip(\"a\", () => {})\n")
            .expects(&["tests_skipped", "tests_deleted"]),
        case("a Go test is skipped")
            .edit(
                "a_test.go",
                "func TestA(t *testing.T) {\n}\n",
                "func TestA(t *testing.T) {\n\tt.Skip(\"later\")\n}\n",
            )
            .expects(skipped),
        edit(
            "an ignored test runs again",
            "src/a.rs",
            &RUST.replacen("#[test]", "#[test]\n#[ignore]", 1),
            "\n#[ignore]",
            "",
        ),
        edit("an assertion goes", "src/a.rs", RUST, "    assert!(y());\n", "").expects(emptied),
        edit("a Python assertion goes", "tests/test_a.py", PYTHON, "    assert y()\n", "")
            .expects(emptied),
        edit("an assertion becomes hollow", "src/a.rs", RUST, "assert!(y())", "assert!(true)")
            .expects(emptied),
        edit(
            "a Python assertion becomes hollow",
            "tests/test_a.py",
            PYTHON,
            "assert y()",
            "assert True",
        )
        .expects(emptied),
        edit("an assertion is sharpened", "src/a.rs", RUST, "assert!(y())", "assert_eq!(y(), 2)"),
        edit(
            "a test is added",
            "src/a.rs",
            RUST,
            "#[test]\nfn b",
            "#[test]\nfn c() { assert!(c()); }\n\n#[test]\nfn b",
        ),
    ]
}
