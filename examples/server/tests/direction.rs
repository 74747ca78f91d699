//! Who may depend on whom: core ← sandbox, store, deploy ← examples, benches.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::Value;

const CORE: &str = "matrix-architect-core";
/// Servers for tests; they know none of the others.
const SERVERS: [&str; 2] = ["matrix-architect-cluster", "matrix-architect-forge"];
const BACKENDS: [&str; 3] =
    ["matrix-architect-sandbox", "matrix-architect-store", "matrix-architect-deploy"];

/// What cargo says about the members of the workspace.
fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--no-deps", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    serde_json::from_value(metadata["packages"].take()).unwrap()
}

fn name(value: &Value) -> String {
    value["name"].as_str().unwrap().to_owned()
}

/// What each member depends on, dependencies for tests and builds included.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let all =
        |package: &Value| package["dependencies"].as_array().unwrap().iter().map(name).collect();
    packages().iter().map(|package| (name(package), all(package))).collect()
}

/// Which of these rules the members break, as sentences.
fn breaches(members: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut found = Vec::new();
    for (package, dependencies) in members {
        for other in dependencies.iter().filter(|other| members.contains_key(*other)) {
            let allowed = match package.as_str() {
                name if name == CORE || SERVERS.contains(&name) => false,
                backend if BACKENDS.contains(&backend) => {
                    other == CORE || SERVERS.contains(&other.as_str())
                }
                // Examples and benches build on the libraries, and benches on the server too.
                _ => {
                    other == CORE
                        || BACKENDS.contains(&other.as_str())
                        || SERVERS.contains(&other.as_str())
                        || other == "matrix-architect-server"
                }
            };
            if !allowed {
                found.push(format!("{package} must not depend on {other}"));
            }
        }
    }
    found
}

#[test]
fn dependencies_point_towards_core() {
    let members = dependencies();
    for library in [CORE].iter().chain(&BACKENDS) {
        assert!(members.contains_key(*library), "{library} is no member of the workspace");
    }
    assert_eq!(breaches(&members), [""; 0]);
}

/// What is there for tests is in no library that is published.
#[test]
fn only_tests_use_the_servers_for_tests() {
    for package in packages() {
        for dependency in package["dependencies"].as_array().unwrap() {
            let is_for_tests = dependency["kind"] == "dev";
            let is_server = SERVERS.contains(&name(dependency).as_str());
            assert!(!is_server || is_for_tests, "{} needs it", name(&package));
        }
    }
}

#[test]
fn a_dependency_in_the_wrong_direction_is_noticed() {
    let wrong = [
        (CORE, "matrix-architect-store"),
        ("matrix-architect-store", "matrix-architect-sandbox"),
        ("matrix-architect-deploy", "matrix-architect-server"),
        ("matrix-architect-sandbox", "embed"),
        ("matrix-architect-cluster", "matrix-architect-core"),
        ("matrix-architect-forge", "matrix-architect-core"),
    ];
    for (package, other) in wrong {
        let mut members = dependencies();
        members.get_mut(package).unwrap().insert(other.to_owned());
        assert_eq!(breaches(&members), [format!("{package} must not depend on {other}")]);
    }
}

/// Core makes no network, SQL or file system call, so it has no need of what can; its tests and
/// its conformance suites, which are optional, may.
#[test]
fn core_depends_on_nothing_that_does_input_and_output() {
    let packages = packages();
    let core = packages.iter().find(|package| name(package) == CORE).unwrap();
    let always =
        |dependency: &&Value| dependency["kind"].is_null() && dependency["optional"] == false;
    let dependencies = core["dependencies"].as_array().unwrap().iter();
    let core: BTreeSet<String> = dependencies.filter(always).map(name).collect();
    assert!(core.contains("tokio"));
    for crate_name in ["sqlx", "reqwest", "hyper", "axum", "rustix", "libc", "tempfile", "zstd"] {
        assert!(!core.contains(crate_name), "core depends on {crate_name}");
    }
}
