//! Rules as projects write them.

use super::*;

/// The whole example of the documentation.
fn documented() -> String {
    let page = include_str!("../../../docs/architect-toml.md");
    let begin = page.find("```toml\n").unwrap() + 8;
    page[begin..begin + page[begin..].find("```").unwrap()].to_owned()
}

#[test]
fn the_documented_example_is_read_as_documented() {
    let rules = ProjectRules::parse(&documented()).unwrap();
    assert_eq!(rules.verify.suites, Some(vec![Suite::Rust]));
    let clippy = rules.builtin("rust.clippy");
    assert_eq!((clippy.enabled, clippy.required, clippy.timeout_seconds), (true, false, Some(300)));
    assert_eq!(rules.builtin("rust.test"), BuiltinRules::default());
    let check = rules.verify.check[0].check();
    assert_eq!((check.name.as_str(), check.kind), ("web.unit", EvidenceKind::TestResults));
    assert_eq!(check.argv, ["sh", "-c", "npm test --silent"]);
    assert_eq!(check.timeout, Some(Duration::from_mins(2)));
    assert_eq!((check.services.as_slice(), clippy.services.len()), (&["db".to_owned()][..], 0));
    let [db] = &rules.verify.service[..] else { panic!("{:?}", rules.verify.service) };
    assert_eq!((db.service().patience, db.data), (Duration::from_secs(30), true));
    assert_eq!(rules.release.include, ["target/release/app"]);
    assert_eq!(rules.scan.exclude, ["tests/fixtures/**"]);
}

#[test]
fn every_field_is_documented() {
    let page = include_str!("../../../docs/architect-toml.md");
    for field in [
        "suites",
        "enabled",
        "required",
        "timeout_seconds",
        "name",
        "run",
        "command",
        "parser",
        "report",
        "kind",
        "env",
        "services",
        "ready",
        "after",
        "data",
        "include",
        "max_bytes",
        "allow",
        "exclude",
    ] {
        assert!(page.contains(&format!("{field} =")), "{field}");
    }
    for parser in [
        "exit-code",
        "libtest",
        "junit",
        "unittest",
        "ruff",
        "cargo-json",
        "cargo-build",
        "rustfmt",
        "format-diff",
        "lcov",
        "cobertura",
    ] {
        assert!(page.contains(&format!("`{parser}`")), "{parser}");
        let text = format!("[[verify.check]]\nname = 'a'\nrun = 'b'\nparser = '{parser}'\n");
        assert!(ProjectRules::parse(&text).is_ok(), "{parser}");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_line_or_its_check() {
    let cases = [
        ("[verify]\nsuits = []\n", "line", "2"),
        ("[verify]\nsuites = ['cobol']\n", "line", "2"),
        ("\n\n[deploy]\n", "line", "3"),
        ("[verify\n", "line", "1"),
        ("[[verify.check]]\nname = 'a'\nrun = 'b'\nparsr = 'junit'\n", "line", "4"),
        ("[[verify.check]]\nname = 'A b'\nrun = 'b'\n", "check", "A b"),
        ("[[verify.check]]\nname = 'a'\n", "check", "a"),
        ("[[verify.check]]\nname = 'a'\nrun = 'b'\ncommand = ['c']\n", "check", "a"),
        ("[[verify.check]]\nname = 'rust.test'\nrun = 'true'\n", "check", "rust.test"),
        ("[[verify.check]]\nname = 'a'\nrun = 'b'\ntimeout_seconds = 0\n", "check", "a"),
        (
            "[[verify.check]]\nname = 'a'\nrun = 'b'\n[[verify.check]]\nname = 'a'\nrun = 'b'\n",
            "check",
            "a",
        ),
        ("[release]\ninclude = ['a[']\n", "glob", "a["),
        ("[scan]\nexclude = ['a[']\n", "glob", "a["),
    ];
    for (text, key, value) in cases {
        let error = ProjectRules::parse(text).unwrap_err();
        assert_eq!(error.code_str(), "bad_rules", "{text}");
        assert_eq!(error.context_value(key), Some(value), "{text}: {error}");
        assert!(error.advice_str().is_some());
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}

#[test]
fn a_report_outside_the_tree_is_refused() {
    for path in ["../out.xml", "/tmp/out.xml", ""] {
        let text = format!("[[verify.check]]\nname = 'a'\nrun = 'b'\nreport = '{path}'\n");
        assert!(ProjectRules::parse(&text).is_err(), "{path}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_panics_the_reader(text in "\\PC{0,200}") {
        let _ = ProjectRules::parse(&text);
    }
}
