//! Which checks a project gets.

use std::{collections::BTreeSet, process::Command};

use super::{super::check::Planned, *};

fn lines(planned: &[Planned]) -> Vec<String> {
    let line = |planned: &Planned| match planned {
        Planned::Run(check) => format!("{}: {}", check.name, check.line()),
        Planned::Undecided { name, required, why, .. } => format!("{name}? {required}: {why}"),
    };
    planned.iter().map(line).collect()
}

fn modules(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn a_project_is_what_the_files_in_its_root_say() {
    let detect = |paths: &[&str]| {
        let files: Vec<_> = paths.iter().map(|path| (*path, "")).collect();
        Suite::detect(&Base::of(&files))
    };
    assert_eq!(detect(&["Cargo.toml", "src/lib.rs"]), [Suite::Rust]);
    assert_eq!(detect(&["setup.py"]), [Suite::Python]);
    assert_eq!(detect(&["Cargo.toml", "pyproject.toml"]), [Suite::Rust, Suite::Python]);
    assert_eq!(detect(&["package.json", "go.mod"]), [Suite::Node, Suite::Go]);
    assert_eq!(detect(&["docs/Cargo.toml", "README.md"]), []);
}

#[test]
fn a_lock_file_is_obeyed_where_there_is_one() {
    let with = lines(&rust::checks(&Base::of(&[("Cargo.toml", ""), ("Cargo.lock", "")])));
    let without = lines(&rust::checks(&Base::of(&[("Cargo.toml", "")])));
    assert_eq!(
        with.last().unwrap(),
        "rust.test: cargo test --no-fail-fast --workspace --offline --locked"
    );
    assert_eq!(
        without.last().unwrap(),
        "rust.test: cargo test --no-fail-fast --workspace --offline"
    );
    assert_eq!(with[0], "rust.fmt: cargo fmt --all --check -- --color never");
}

#[test]
fn a_plain_python_project_is_tested_with_what_python_brings() {
    let base = Base::of(&[("setup.py", ""), ("tests/test_a.py", "")]);
    let plain = lines(&python::checks(&base, &modules(&[]), false));
    assert_eq!(plain, ["python.test: python3 -m unittest discover -v -s tests"]);
    let with = lines(&python::checks(&base, &modules(&["pytest"]), true));
    assert_eq!(with.len(), 2);
    assert!(with[0].starts_with("python.ruff: ruff check"));
    assert!(with[1].contains("-m pytest") && with[1].contains("--junitxml="));
}

#[test]
fn a_configured_tool_is_asked_for_even_where_it_is_missing() {
    let text = "[tool.ruff]\nline-length = 80\n[tool.pytest.ini_options]\n";
    let base = Base::of(&[("pyproject.toml", text)]);
    let names = lines(&python::checks(&base, &modules(&[]), false));
    assert!(names[0].starts_with("python.ruff") && names[1].starts_with("python.format"));
    assert!(names[2].contains("-m pytest"));
}

#[test]
fn a_wheel_is_built_only_where_its_backend_is_there() {
    let text = "[build-system]\nrequires = []\nbuild-backend = 'setuptools.build_meta'\n";
    let base = Base::of(&[("pyproject.toml", text)]);
    let last =
        |names: &[&str]| lines(&python::checks(&base, &modules(names), false)).pop().unwrap();
    assert!(last(&["pip"]).starts_with("python.build? false: not built: setuptools, which"));
    assert!(last(&["pip", "setuptools"]).starts_with("python.build? false: not built: wheel"));
    assert!(last(&["pip", "setuptools", "wheel"]).contains("-m pip wheel --no-deps"));
    assert!(last(&["build", "setuptools", "wheel"]).contains("-m build --no-isolation --wheel"));
    let wants = python::modules_of_interest(&base);
    assert!(wants.contains(&"setuptools".to_owned()), "{wants:?}");
}

#[test]
fn modules_are_found_without_importing_them() {
    let mut python = Command::new("python3");
    python.args(["-I", "-c", python::FIND_MODULES]);
    python.args(["", "json", "json.decoder", "json.nothing", "nothing", "nothing.at.all", ""]);
    let Ok(output) = python.output() else {
        let ci = std::env::var_os("ARCHITECT_CI").is_some_and(|set| !set.is_empty());
        assert!(!ci, "must not be skipped here: python3 is not installed");
        eprintln!("SKIPPED: python3 is not installed");
        return;
    };
    assert_eq!(String::from_utf8_lossy(&output.stdout), "json\njson.decoder\n");
}

#[test]
fn a_node_project_is_tested_as_its_script_says() {
    let of = |files: &[(&str, &str)]| lines(&node::checks(&Base::of(files)));
    let script = |script: &str| format!("{{\"scripts\": {{\"test\": \"{script}\"}}}}");
    assert!(of(&[("package.json", "{}"), ("index.js", "")]).is_empty());
    assert_eq!(of(&[("package.json", "{}"), ("a.test.js", "")]), ["node.test: node --test"]);
    let default = script("echo no test specified && exit 1");
    assert!(of(&[("package.json", &default)]).is_empty());
    assert_eq!(of(&[("package.json", &script("node --test"))]), ["node.test: npm test --silent"]);
    assert!(of(&[("package.json", &script("vitest"))])[0].contains("vitest run --reporter=junit"));
    let all = of(&[
        ("package.json", "{\"scripts\": {\"build\": \"tsc\"}}"),
        ("tsconfig.json", ""),
        ("eslint.config.mjs", ""),
    ]);
    assert_eq!(all.len(), 3);
    assert!(all[0].contains("eslint --format json") && all[1].contains("tsc --noEmit"), "{all:?}");
}

#[test]
fn a_go_project_gets_what_go_brings() {
    let all = lines(&go::checks());
    assert_eq!(all[1], "go.vet: go vet ./...");
    assert_eq!(all[3], "go.test: go test -json ./...");
    assert!(all[0].starts_with("go.fmt: ") && all[2].starts_with("go.build: "));
}
