//! Submodules: from the same server with the secret, from any other without.

use std::{fs, os::unix::fs::PermissionsExt as _};

use matrix_architect_core::ErrorKind;
use matrix_architect_forge::Forge;

use super::{at, checkout, desk_for, desk_with};
use crate::repo::text;

fn modules(entries: &[(&str, &str)]) -> String {
    let text = entries
        .iter()
        .map(|(path, url)| format!("[submodule \"{path}\"]\n\tpath = {path}\n\turl = {url}\n"));
    text.collect()
}

/// A library with a library of its own, whose first commits are what others ask for.
fn library(forge: &Forge) -> String {
    let inner = forge.repository("inner.git");
    let oldest = inner.commit("main", &[("inner.txt", "inner\n")]);
    inner.commit("main", &[("inner.txt", "newer\n")]);
    let library = forge.repository("lib.git");
    let modules = modules(&[("deep", "../inner.git")]);
    let commit = format!("commit:{oldest}");
    let first = library
        .commit("main", &[("lib.txt", "lib\n"), (".gitmodules", &modules), ("deep", &commit)]);
    library.commit("main", &[("lib.txt", "newer\n")]);
    first
}

#[tokio::test]
async fn submodules_of_the_same_server_come_by_the_same_secret() {
    let Some(forge) = Forge::find() else { return };
    let commit = format!("commit:{}", library(&forge));
    let (https, ssh, old) = (forge.https(), forge.ssh(), forge.old_fashioned_ssh());
    for (name, url, way_in) in [
        ("a.git", https.url("lib.git"), https.token()),
        ("b.git", ssh.url("lib.git"), ssh.key()),
        ("c.git", old.url("lib.git"), old.key()),
    ] {
        let app = forge.repository(name);
        let modules = modules(&[("libs/near", "../lib.git"), ("libs/far", &url)]);
        app.commit(
            "main",
            &[(".gitmodules", &modules), ("libs/near", &commit), ("libs/far", &commit)],
        );
        let (desk, _place) =
            if name == "a.git" { desk_for(&[&https]) } else { desk_with(&[&ssh, &old]) };
        let done = checkout(&desk, &at(url.replace("lib.git", name)), way_in).await.unwrap();
        for folder in ["libs/near", "libs/far"] {
            for (file, content) in [("lib.txt", "lib\n"), ("deep/inner.txt", "inner\n")] {
                let found = text(&*done.tree, &format!("{folder}/{file}")).await;
                assert_eq!(found.as_deref(), Some(content), "{name} {folder}/{file}");
            }
        }
    }
}

#[tokio::test]
async fn another_server_is_asked_without_the_secret() {
    let Some(forge) = Forge::find() else { return };
    let commit = format!("commit:{}", library(&forge));
    let app = forge.repository("app.git");
    let (https, other_https) = (forge.https(), forge.https());
    let (ssh, other_ssh) = (forge.ssh(), forge.ssh());

    let elsewhere = modules(&[("lib", &other_https.url("lib.git"))]);
    app.commit("main", &[(".gitmodules", &elsewhere), ("lib", &commit)]);
    let (desk, _place) = desk_for(&[&https, &other_https]);
    let error = checkout(&desk, &at(https.url("app.git")), https.token()).await.unwrap_err();
    assert_eq!((error.kind(), error.code_str()), (ErrorKind::Denied, "authentication_failed"));
    assert_eq!(error.context_value("submodule"), Some("lib"));
    let seen = other_https.seen();
    assert!(!seen.is_empty() && seen.iter().all(|seen| seen.authorization == "-"), "{seen:?}");

    let elsewhere = modules(&[("lib", &other_ssh.url("lib.git"))]);
    app.commit("main", &[(".gitmodules", &elsewhere)]);
    let (desk, _place) = desk_with(&[&ssh, &other_ssh]);
    let error = checkout(&desk, &at(ssh.url("app.git")), ssh.key()).await.unwrap_err();
    assert_eq!((error.kind(), error.code_str()), (ErrorKind::Denied, "authentication_failed"));
    assert!(other_ssh.logs("[preauth]"));
    let log = other_ssh.log();
    assert!(log.contains("Connection from") && !log.contains("publickey"), "{log}");
}

#[tokio::test]
async fn a_submodule_that_reads_runs_or_reaches_what_it_must_not_is_refused() {
    let Some(forge) = Forge::find() else { return };
    let commit = format!("commit:{}", library(&forge));
    let app = forge.repository("app.git");
    let server = forge.https();
    let (desk, place) = desk_for(&[&server]);
    let (marker, evil) = (place.path().join("ran"), place.path().join("evil"));
    fs::write(&evil, format!("#!/bin/sh\ntouch {}\n", marker.display())).unwrap();
    fs::set_permissions(&evil, fs::Permissions::from_mode(0o755)).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let here = listener.local_addr().unwrap();
    for url in [
        // Nothing but its scheme speaks against it.
        format!("ext::{}", evil.display()),
        format!("ext::touch% {}", marker.display()),
        format!("file://{}", forge.repositories().join("lib.git").display()),
        forge.repositories().join("lib.git").display().to_string(),
        format!("git://{here}/lib.git"),
        format!("http://{here}/lib.git"),
        format!("ssh://-oProxyCommand=touch${{IFS}}{}/lib.git", marker.display()),
        format!("fd::17/{here}"),
    ] {
        app.commit("main", &[(".gitmodules", &modules(&[("lib", &url)])), ("lib", &commit)]);
        let spec = at(server.url("app.git"));
        let error = checkout(&desk, &spec, server.token()).await.unwrap_err();
        let kind = error.kind();
        assert!(matches!(kind, ErrorKind::Denied | ErrorKind::Invalid), "{url}: {error}");
        assert_eq!(error.context_value("submodule"), Some("lib"), "{url}: {error}");
    }
    assert!(!marker.exists());
    assert!(listener.accept().is_err(), "nobody came");
    // What nobody asks for is not fetched.
    let matrix_architect_core::plan::RepoSpec::Git { url, credentials, .. } =
        at(server.url("app.git"))
    else {
        return;
    };
    let plain = matrix_architect_core::plan::RepoSpec::Git {
        url,
        reference: None,
        subfolder: None,
        credentials,
        submodules: false,
    };
    checkout(&desk, &plain, server.token()).await.unwrap();
}
