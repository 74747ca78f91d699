//! Over ssh: a key, host keys, passphrases, an old server.

use std::fs;

use matrix_architect_core::ErrorKind;
use matrix_architect_forge::Forge;

use super::{at, checkout, desk_with, history, with_reference, without_secret};
use crate::repo::{Desk, text};

#[tokio::test]
async fn a_key_lets_git_in_and_every_reference_is_found() {
    let Some(forge) = Forge::find() else { return };
    let (_, [first, second, third]) = history(&forge);
    // The old-fashioned server gives out nothing but tips, and `first` is none.
    for server in [forge.ssh(), forge.old_fashioned_ssh()] {
        let (desk, _place) = desk_with(&[&server]);
        let spec = || at(server.url("app.git"));
        let cases = [
            (spec(), &second, Some("main"), "two\n"),
            (with_reference(spec(), "side"), &third, Some("side"), "three\n"),
            (with_reference(spec(), "v1"), &first, None, "one\n"),
            (with_reference(spec(), &first), &first, None, "one\n"),
        ];
        for (spec, commit, branch, readme) in &cases {
            let done = checkout(&desk, spec, server.key()).await.unwrap();
            assert_eq!(done.commit.as_ref().unwrap().as_str(), commit.as_str());
            assert_eq!(done.branch.as_deref(), *branch);
            assert_eq!(text(&*done.tree, "README").await.as_deref(), Some(*readme));
        }
        assert!(desk.trees().is_empty());
    }
}

#[tokio::test]
async fn a_host_key_that_is_not_known_or_has_changed_is_refused_and_not_learnt() {
    let Some(forge) = Forge::find() else { return };
    let (server, _repository) = (forge.ssh(), history(&forge));
    let place = tempfile::tempdir().unwrap();
    let empty = place.path().join("known_hosts");
    fs::write(&empty, "").unwrap();
    let changed = server.changed_known_hosts();
    for (file, code, advice) in
        [(empty, "unknown_host_key", "known hosts"), (changed, "host_key_changed", "fingerprint")]
    {
        let before = fs::read(&file).unwrap();
        let desk = Desk::with(|config| config.access.ssh_known_hosts = Some(file.clone()));
        let error = checkout(&desk, &at(server.url("app.git")), server.key()).await.unwrap_err();
        assert_eq!((error.kind(), error.code_str()), (ErrorKind::Denied, code), "{error}");
        assert!(error.advice_str().unwrap().contains(advice), "{error}");
        assert_eq!(fs::read(&file).unwrap(), before, "nothing was added");
        if code == "host_key_changed" {
            assert!(error.context_value("git").unwrap().contains("SHA256:"), "{error}");
        }
    }
    // The connection's last line: whatever was shown stands before it.
    assert!(server.logs("[preauth]"));
    let log = server.log();
    assert!(log.contains("Connection from") && !log.contains("publickey"), "{log}");
}

#[tokio::test]
async fn a_key_that_lets_nobody_in_is_refused_without_a_question() {
    let Some(forge) = Forge::find() else { return };
    let (server, _repository) = (forge.ssh(), history(&forge));
    let (desk, _place) = desk_with(&[&server]);
    let spec = at(server.url("app.git"));
    let error = checkout(&desk, &spec, &server.other_key("")).await.unwrap_err();
    assert_eq!((error.kind(), error.code_str()), (ErrorKind::Denied, "authentication_failed"));
    assert!(server.logs("Failed publickey"));

    let asked = server.connections();
    for (way_in, code) in
        [(server.other_key("a passphrase"), "locked_key"), ("a token".into(), "no_private_key")]
    {
        let error = checkout(&desk, &spec, &way_in).await.unwrap_err();
        assert_eq!((error.kind(), error.code_str()), (ErrorKind::Invalid, code), "{error}");
        assert!(error.advice_str().is_some());
        assert!(!format!("{error:?}").contains(way_in.lines().last().unwrap()));
    }
    assert_eq!(server.connections(), asked, "the server was not even asked");
}

#[tokio::test]
async fn without_a_secret_no_key_is_offered() {
    let Some(forge) = Forge::find() else { return };
    let (server, _repository) = (forge.ssh(), history(&forge));
    let (desk, _place) = desk_with(&[&server]);
    let spec = without_secret(at(server.url("app.git")));
    let error = checkout(&desk, &spec, "").await.unwrap_err();
    assert_eq!((error.kind(), error.code_str()), (ErrorKind::Denied, "authentication_failed"));
    // The connection's last line: whatever was shown stands before it.
    assert!(server.logs("[preauth]"));
    let log = server.log();
    assert!(log.contains("Connection from") && !log.contains("publickey"), "{log}");
}
