//! Servers that do not end, and somebody who does not want to wait.

use std::time::Duration;

use matrix_architect_core::ErrorKind;
use matrix_architect_forge::Forge;

use super::{all_of, at, checkout, history, processes};
use crate::repo::Desk;

#[tokio::test]
async fn a_server_that_never_ends_is_given_up_with_all_that_was_started() {
    let Some(forge) = Forge::find() else { return };
    let (https, ssh, _repository) = (forge.https(), forge.ssh(), history(&forge));
    let place = tempfile::tempdir().unwrap();
    let (ca_file, known) = (all_of(&place, &[&https]), ssh.known_hosts());
    let desk = Desk::with(|config| {
        config.access.ca_file = Some(ca_file);
        config.access.ssh_known_hosts = Some(known);
        config.access.max_seconds = 2;
    });
    for (url, way_in) in [
        (https.odd_url("forever/app.git"), https.token()),
        (https.odd_url("drip/app.git"), https.token()),
        (ssh.url("silent.git"), ssh.key()),
    ] {
        let error = checkout(&desk, &at(&url), way_in).await.unwrap_err();
        assert_eq!((error.kind(), error.code_str()), (ErrorKind::Timeout, "git_too_slow"), "{url}");
        processes::vanish(url.rsplit_once('/').unwrap().0).await;
    }
    assert!(desk.trees().is_empty());
}

#[tokio::test]
async fn a_cancel_ends_git_and_what_it_started_and_no_secret_showed_meanwhile() {
    let Some(forge) = Forge::find() else { return };
    let (https, ssh, _repository) = (forge.https(), forge.ssh(), history(&forge));
    let place = tempfile::tempdir().unwrap();
    let (ca_file, known) = (all_of(&place, &[&https]), ssh.known_hosts());
    let key_line = ssh.key().lines().nth(3).unwrap().to_owned();
    for (url, way_in, shown, program) in [
        (https.odd_url("drip/app.git"), https.token(), https.token(), "git-remote-http"),
        (ssh.url("silent.git"), ssh.key(), key_line.as_str(), "ssh"),
    ] {
        let desk = Desk::with(|config| {
            config.access.ca_file = Some(ca_file.clone());
            config.access.ssh_known_hosts = Some(known.clone());
        });
        let cancel = desk.cancel.clone();
        let (spec, way_in) = (at(&url), way_in.to_owned());
        let waiting = tokio::spawn(async move {
            let error = checkout(&desk, &spec, &way_in).await.unwrap_err();
            (error, desk.trees())
        });
        // What ssh is told of the URL is its path.
        let needle = if program == "ssh" { "silent.git" } else { url.as_str() };
        processes::appear(program, needle).await;
        assert!(!processes::ever_show(shown).await, "{url}");
        cancel.cancel();
        let (error, trees) = tokio::time::timeout(Duration::from_mins(1), waiting)
            .await
            .expect("it does not wait for the server")
            .unwrap();
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
        assert!(trees.is_empty(), "{trees:?}");
        processes::vanish(needle).await;
    }
}

#[tokio::test]
async fn a_repository_larger_than_allowed_is_refused() {
    let Some(forge) = Forge::find() else { return };
    let (server, repository) = (forge.https(), forge.repository("large.git"));
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        // Marsaglia's xorshift: text that no compression makes small.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        format!("{state:016x}")
    });
    repository.commit("main", &[("noise", &noise.take(1 << 18).collect::<String>())]);
    let place = tempfile::tempdir().unwrap();
    let ca_file = all_of(&place, &[&server]);
    for (max_bytes, fits) in [(1 << 20, false), (16 << 20, true)] {
        let desk = Desk::with(|config| {
            config.access.ca_file = Some(ca_file.clone());
            config.access.max_bytes = max_bytes;
        });
        let done = checkout(&desk, &at(server.url("large.git")), server.token()).await;
        match done {
            Ok(_) => assert!(fits),
            Err(error) => assert!(!fits && error.code_str() == "too_large", "{error}"),
        }
    }
}
