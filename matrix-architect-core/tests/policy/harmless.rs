//! Changes nobody has to look at, some of which look as if somebody had to.

use super::case::{Case, case};

#[expect(clippy::too_many_lines, reason = "it is a table")]
pub(crate) fn cases() -> Vec<Case> {
    vec![
        case("nothing changes"),
        case("a typo in the manual").edit("README.md", "Helo\n", "Hello\n"),
        case("one line of Rust").edit("src/lib.rs", "let a = 1;\n", "let a = 2;\n"),
        case("one line of Python").edit("app/sums.py", "x = 1\n", "x = 2\n"),
        case("a new function").edit(
            "src/lib.rs",
            "pub fn a() {}\n",
            "pub fn a() {}\npub fn b() {}\n",
        ),
        case("a new test").edit(
            "tests/sums.rs",
            "#[test]\nfn a() { assert!(x()); }\n",
            "#[test]\nfn a() { assert!(x()); }\n#[test]\nfn b() { assert!(y()); }\n",
        ),
        case("a test that moved").delete("tests/old.rs", "").expects(&["tests_deleted"]),
        case("a file that moved").rename("src/old.rs", "src/new.rs"),
        case("a private function goes").edit("src/lib.rs", "fn a() {}\nlet x;\n", "let x;\n"),
        case("a crate's own function goes").edit(
            "src/lib.rs",
            "pub(crate) fn a() {}\nlet x;\n",
            "let x;\n",
        ),
        case("a public function moves")
            .edit("src/a.rs", "pub fn a() {}\nlet x;\n", "let x;\n")
            .edit("src/b.rs", "let y;\n", "let y;\npub fn a() {}\n"),
        case("a private Python function goes").edit(
            "app/x.py",
            "def _a():\n    pass\nx = 1\n",
            "x = 1\n",
        ),
        case("an example's function goes").edit("examples/a.rs", "pub fn a() {}\nx();\n", "x();\n"),
        case("an author, not authentication").edit("src/author.rs", "let a;\n", "let b;\n"),
        case("a word that looks like a test").edit("src/a.rs", "emit(x);\n", "submit(y);\n"),
        case("a word in a comment that looks like a test").edit(
            "app/x.py",
            "# sign it(first)\nx = 1\n",
            "x = 1\n",
        ),
        case("words that look like assertions").edit("data/words-15000", "assert\nb\n", "b\n"),
        case("a bench's function goes").edit("bench/src/a.rs", "pub fn a() {}\nx();\n", "x();\n"),
        case("a class of tests is renamed").edit(
            "tests.py",
            "class A(TestCase):\n",
            "class B(TestCase):\n",
        ),
        case("a crate's version").edit(
            "Cargo.toml",
            "[package]\nname = \"app\"\nversion = \"0.1.0\"\n",
            "[package]\nname = \"app\"\nversion = \"0.1.1\"\n",
        ),
        case("a version of package.json").edit(
            "package.json",
            "{\n  \"version\": \"1.0.0\"\n}\n",
            "{\n  \"version\": \"1.0.1\"\n}\n",
        ),
        case("a script of package.json that runs when asked").edit(
            "package.json",
            "{\n  \"scripts\": {\n    \"lint\": \"x\"\n  }\n}\n",
            "{\n  \"scripts\": {\n    \"lint\": \"x\",\n    \"build\": \"y\"\n  }\n}\n",
        ),
        case("a query that selects").add("queries/all.sql", "select * from a;\n"),
        case("a removed line that looks like a header").edit(
            "notes/a.txt",
            "-- a/src/auth/x.rs\nb\n",
            "++ b/.github/workflows/x.yml\nb\n",
        ),
        case("a plan by a person").edit("src/a.rs", "a\n", "b\n").author("human"),
        case("a deployment to staging").edit("src/a.rs", "a\n", "b\n").deploy("staging"),
        case("a deployment to a place called pre-prod-like")
            .edit("src/a.rs", "a\n", "b\n")
            .deploy("prod-like"),
        case("a program that was executable already").edit("tool.sh", "a\n", "b\n"),
    ]
}
