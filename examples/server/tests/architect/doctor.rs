//! `architect doctor` for each sandbox: the layer that is broken, by name, with what to do.
#![cfg(all(feature = "docker", feature = "kubernetes"))]

use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt as _, chown},
        net::UnixListener,
    },
    process::Command,
};

use serde_json::Value;

use crate::support::{Bench, Ended, inside, skip};

const DIGEST: &str =
    "builder@sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// What was found of a layer of the sandbox.
#[track_caller]
fn layer(ended: &Ended, name: &str) -> Value {
    let findings = ended.json();
    let name = format!("sandbox: {name}");
    let found = findings.as_array().unwrap().iter().find(|finding| finding["name"] == *name);
    found.unwrap_or_else(|| panic!("{name} is not in {findings:#}")).clone()
}

/// Demands that the layer is missing and that the remedy says so.
#[track_caller]
fn missing(ended: &Ended, name: &str, remedy: &str) {
    let found = layer(ended, name);
    assert_eq!(found["state"], "missing", "{found:#}");
    assert!(found["remedy"].as_str().unwrap().contains(remedy), "{found:#}");
    assert_eq!(layer(ended, "sessions")["state"], "missing");
}

#[test]
fn an_engine_without_a_socket_is_told_in_words_and_in_json() {
    let bench = Bench::new();
    let socket = bench.path("docker.sock").display().to_string();
    let words =
        ["doctor", "--sandbox", "docker", "--sandbox-image", "any", "--sandbox-socket", &socket];
    let page = bench.run(&words).expect(1).stdout;
    assert!(page.contains("sandbox: socket: install Docker and start it"), "{page}");
    let json = bench.run(&[&words[..], &["--json"]].concat()).expect(1);
    missing(&json, "socket", "install Docker");
}

#[test]
fn a_socket_that_may_not_be_used_is_told_apart() {
    let bench = Bench::new();
    let socket = bench.path("docker.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o600)).unwrap();
    let socket = socket.display().to_string();
    let words =
        ["doctor", "--json", "--sandbox", "docker", "--sandbox-image", "any", "--sandbox-socket"];
    let command = bench.architect(&[&words[..], &[&socket]].concat());
    let output = as_somebody_else(&bench, &command);
    drop(listener);
    let Some(ended) = output else { return };
    missing(&ended.expect(1), "socket", "group docker");
}

/// Runs the command as a user who owns nothing but a home; `None` where only root could.
fn as_somebody_else(bench: &Bench, command: &Command) -> Option<Ended> {
    if !rustix::process::geteuid().is_root() {
        skip("only root can become somebody whom a socket is closed to");
        return None;
    }
    fs::set_permissions(bench.root_path(), fs::Permissions::from_mode(0o755)).unwrap();
    // The build directory may be closed to others.
    let program = bench.path("architect");
    fs::copy(command.get_program(), &program).unwrap();
    fs::create_dir_all(bench.data()).unwrap();
    chown(bench.data(), Some(65534), Some(65534)).unwrap();
    let mut inner = Command::new(program);
    inner.args(command.get_args()).env("ARCHITECT_HOME", bench.data());
    let mut outer = Command::new("setpriv");
    outer.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).current_dir("/");
    Some(inside(outer, &inner).output().expect("setpriv runs").into())
}

#[test]
fn a_cluster_that_cannot_be_found_is_told() {
    let bench = Bench::new();
    let nowhere = bench.path("kubeconfig").display().to_string();
    let words = ["doctor", "--json", "--sandbox", "kubernetes", "--sandbox-image", DIGEST];
    let ended = bench.run(&[&words[..], &["--kubeconfig", &nowhere]].concat()).expect(1);
    missing(&ended, "kubeconfig", "kubeconfig");
}

#[test]
fn bubblewrap_is_looked_at_layer_by_layer() {
    if !fs::exists("/usr/bin/bwrap").unwrap() {
        return skip("bubblewrap is not installed");
    }
    let bench = Bench::new();
    let ended = bench.run(&["doctor", "--json", "--sandbox", "bwrap"]);
    for name in ["mounts", "network", "seccomp", "capabilities"] {
        assert_eq!(layer(&ended, name)["state"], "good", "{ended:?}");
    }
    let natively = bench.run(&["doctor", "--json"]);
    assert!(natively.stdout.contains("sandbox: landlock"), "{natively:?}");
    assert!(!ended.stdout.contains("landlock"), "it has none: {ended:?}");
}

#[test]
fn bubblewrap_that_is_missing_is_told_with_the_package() {
    const HIDDEN: &str = "mount --bind /dev/null /usr/bin/bwrap && exec \"$@\"";
    let bench = Bench::new();
    let mut outer = Command::new("unshare");
    outer.args(["--user", "--map-root-user", "--mount", "sh", "-c", HIDDEN, "sh"]);
    let doctor = bench.architect(&["doctor", "--json", "--sandbox", "bwrap"]);
    if fs::exists("/usr/bin/bwrap").unwrap() {
        let ended = Ended::from(inside(outer, &doctor).output().expect("unshare runs"));
        if !ended.stderr.is_empty() {
            return skip(&format!("no mount namespace can be made here: {}", ended.stderr));
        }
        return missing(&ended.expect(1), "program", "install the package bubblewrap");
    }
    missing(
        &bench.run(&["doctor", "--json", "--sandbox", "bwrap"]).expect(1),
        "program",
        "install",
    );
}
