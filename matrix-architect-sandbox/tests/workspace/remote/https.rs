//! Over https: a token, an authority nobody knows, redirects.

use std::fs;

use matrix_architect_core::{ErrorKind, path::RelPath, plan::RepoSpec, traits::Workspace as _};
use matrix_architect_forge::Forge;
use matrix_architect_sandbox::workspace::{GitWorkspace, WorkspaceConfig};

use super::{at, checkout, desk_for, history, secrets, with_reference, without_secret};
use crate::repo::{Desk, text};

#[tokio::test]
async fn a_token_lets_git_in_and_every_reference_is_found() {
    let Some(forge) = Forge::find() else { return };
    let (server, (_, [first, second, third])) = (forge.https(), history(&forge));
    let (desk, _place) = desk_for(&[&server]);
    let spec = || at(server.url("app.git"));
    let ann = format!("ann:{}", server.token());
    let cases = [
        (spec(), &second, Some("main"), "two\n"),
        (with_reference(spec(), "side"), &third, Some("side"), "three\n"),
        (with_reference(spec(), "v1"), &first, None, "one\n"),
        (with_reference(spec(), &first), &first, None, "one\n"),
    ];
    for (spec, commit, branch, readme) in &cases {
        for way_in in [server.token(), &ann] {
            let done = checkout(&desk, spec, way_in).await.unwrap();
            assert_eq!(done.commit.as_ref().unwrap().as_str(), commit.as_str());
            assert_eq!(done.branch.as_deref(), *branch);
            assert_eq!(text(&*done.tree, "README").await.as_deref(), Some(*readme));
            assert!(!done.tree.local().unwrap().join(".git").exists());
        }
    }
    let RepoSpec::Git { url, credentials, .. } = spec() else { unreachable!() };
    let folder = Some(RelPath::new("project").unwrap());
    let project =
        RepoSpec::Git { url, reference: None, subfolder: folder, credentials, submodules: false };
    let done = checkout(&desk, &project, server.token()).await.unwrap();
    assert_eq!(done.tree.list().await.unwrap().len(), 1);
    assert_eq!(text(&*done.tree, "x").await.as_deref(), Some("x\n"));
    drop(done);
    assert!(desk.trees().is_empty());
    // The server did ask for it.
    assert!(server.seen().iter().any(|seen| seen.status == "401"));
}

#[tokio::test]
async fn a_wrong_token_is_refused_and_named_nowhere() {
    let Some(forge) = Forge::find() else { return };
    let (server, _repository) = (forge.https(), history(&forge));
    let (desk, _place) = desk_for(&[&server]);
    let spec = at(server.url("app.git"));
    for spec in [spec.clone(), without_secret(spec)] {
        let error = checkout(&desk, &spec, "ann:hunter2").await.unwrap_err();
        assert_eq!((error.kind(), error.code_str()), (ErrorKind::Denied, "authentication_failed"));
        assert!(error.advice_str().unwrap().contains("secret"));
        let said = format!("{error:?} {error}");
        assert!(!said.contains("hunter2") && !said.contains("aHVudGVyMg"), "{said}");
    }
    let error = checkout(&desk, &at(server.url("none.git")), server.token()).await.unwrap_err();
    assert_eq!(error.code_str(), "repository_not_found", "{error}");
    assert!(desk.trees().is_empty());
}

#[tokio::test]
async fn a_server_by_an_authority_nobody_named_is_told_nothing() {
    let Some(forge) = Forge::find() else { return };
    let (server, other, _repository) = (forge.https(), forge.https(), history(&forge));
    for desk in [Desk::new(), desk_for(&[&other]).0] {
        let error = checkout(&desk, &at(server.url("app.git")), server.token()).await.unwrap_err();
        assert_eq!((error.kind(), error.code_str()), (ErrorKind::Denied, "untrusted_certificate"));
        assert!(error.advice_str().unwrap().contains("ca_file"), "{error}");
    }
    assert_eq!(server.seen(), []);
}

#[tokio::test]
async fn a_file_of_trust_that_cannot_be_read_is_named_at_once() {
    let place = tempfile::tempdir().unwrap();
    let mut config = WorkspaceConfig::new(place.path().join("work"));
    config.access.ca_file = Some(place.path().join("nowhere.pem"));
    let error = GitWorkspace::open(config).unwrap_err();
    assert_eq!(error.context_value("field"), Some("ca_file"), "{error}");

    let Some(forge) = Forge::find() else { return };
    let (server, _repository) = (forge.https(), history(&forge));
    let junk = place.path().join("junk.pem");
    fs::write(&junk, "no certificate\n").unwrap();
    let desk = Desk::with(|config| config.access.ca_file = Some(junk));
    let error = checkout(&desk, &at(server.url("app.git")), server.token()).await.unwrap_err();
    let code = error.code_str();
    assert!(["unusable_ca_file", "untrusted_certificate"].contains(&code), "{error}");
    assert_eq!(server.seen(), []);
}

#[tokio::test]
async fn a_redirect_is_followed_with_the_secret_only_on_the_same_server() {
    let Some(forge) = Forge::find() else { return };
    let (server, other, _repository) = (forge.https(), forge.https(), history(&forge));
    let (desk, _place) = desk_for(&[&server, &other]);
    // Before it asks for a secret, and after.
    let moved = [server.open_url("moved/app.git"), server.odd_url("moved/app.git")].map(at);
    server.send_to(&format!("https://{}/git", server.host()));
    checkout(&desk, &moved[0], server.token()).await.unwrap();

    // Another port, and the same machine by another name.
    let port = other.host().rsplit_once(':').unwrap().1.to_owned();
    let hosts = [other.host(), format!("localhost:{port}")];
    for (host, moved) in hosts.iter().flat_map(|host| moved.each_ref().map(|moved| (host, moved))) {
        server.send_to(&format!("https://{host}/git"));
        let before = other.seen().len();
        let error = checkout(&desk, moved, server.token()).await.unwrap_err();
        assert_eq!((error.kind(), error.code_str()), (ErrorKind::Denied, "authentication_failed"));
        let seen = other.seen();
        assert!(seen.len() > before, "it was asked");
        assert!(seen.iter().all(|seen| seen.authorization == "-"), "{seen:?}");
    }
}

#[tokio::test]
async fn a_redirect_out_of_https_is_refused() {
    let Some(forge) = Forge::find() else { return };
    let (server, (repository, _)) = (forge.https(), history(&forge));
    let (desk, _place) = desk_for(&[&server]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let plain = format!("http://{}", listener.local_addr().unwrap());
    let file = format!("file://{}", repository.path().parent().unwrap().display());
    for place in [plain, file] {
        server.send_to(&place);
        let error = checkout(&desk, &at(server.odd_url("moved/app.git")), server.token()).await;
        let error = error.unwrap_err();
        assert_eq!((error.kind(), error.code_str()), (ErrorKind::Denied, "transport_refused"));
    }
    assert!(listener.accept().is_err(), "nobody came");
}

#[tokio::test]
async fn what_a_branch_adds_is_read_from_the_server() {
    let Some(forge) = Forge::find() else { return };
    let (server, (repository, _)) = (forge.https(), history(&forge));
    repository.git(&["branch", "feature", "main"]);
    repository.commit("feature", &[("new", "new\n")]);
    let (desk, _place) = desk_for(&[&server]);
    let (spec, secrets) = (at(server.url("app.git")), secrets(server.token()));
    let request = desk.request(&spec, &secrets);
    let base = desk.workspace.checkout(&request).await.unwrap();
    let change = matrix_architect_core::plan::Change::Branch("feature".to_owned());
    let plan = desk.workspace.resolve(&request, &base, &change).await.unwrap();
    let applied = desk.workspace.apply(&*base.tree, &plan).await.unwrap();
    assert_eq!(text(&*applied.tree, "new").await.as_deref(), Some("new\n"));
    assert_eq!(text(&*applied.tree, "README").await.as_deref(), Some("two\n"));
}
