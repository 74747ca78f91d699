//! Checkouts of real repositories: what is asked for, and nothing else runs.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use matrix_architect_core::{
    ErrorKind,
    fake::NoSecrets,
    path::RelPath,
    plan::RepoSpec,
    traits::{EntryKind, Workspace as _},
};
use matrix_architect_sandbox::workspace::DirTree;

use crate::repo::{Desk, Repo, contents, git, text};

fn in_folder(spec: RepoSpec, folder: &str) -> RepoSpec {
    let folder = Some(RelPath::new(folder).unwrap());
    match spec {
        RepoSpec::Local { path, reference, .. } => {
            RepoSpec::Local { path, reference, subfolder: folder }
        }
        RepoSpec::Git { url, reference, credentials, submodules, .. } => {
            RepoSpec::Git { url, reference, subfolder: folder, credentials, submodules }
        }
        other @ RepoSpec::Github { .. } => other,
    }
}

#[tokio::test]
async fn a_checkout_is_the_committed_tree() {
    let (Some(repo), desk) = (Repo::sample(), Desk::new()) else { return };
    let commit = repo.git(&["rev-parse", "HEAD"]);
    for spec in [repo.local(), repo.url(None)] {
        let checkout = desk.checkout(&spec).await.unwrap();
        assert_eq!(checkout.commit.unwrap().as_str(), commit);
        assert_eq!(checkout.branch.as_deref(), Some("main"));
        assert!(!checkout.uncommitted);
        let expected = contents(&DirTree::open(repo.path()).unwrap()).await;
        assert_eq!(contents(&*checkout.tree).await, expected);
        assert_eq!(expected["run.sh"].0, EntryKind::Executable);
        assert_eq!(expected["link"].0, EntryKind::Symlink);
        assert!(!checkout.tree.local().unwrap().join(".git").exists());
    }
    assert!(desk.trees().is_empty());
}

#[tokio::test]
async fn a_reference_is_a_branch_a_tag_or_a_commit() {
    let (Some(repo), desk) = (Repo::sample(), Desk::new()) else { return };
    let first = repo.git(&["rev-parse", "HEAD"]);
    repo.git(&["tag", "-a", "v1", "-m", "one"]);
    repo.git(&["branch", "side"]);
    repo.write("second.txt", "2\n");
    let second = repo.commit("second");
    let cases = [
        (None, &second, Some("main")),
        (Some("HEAD"), &second, Some("main")),
        (Some("main"), &second, Some("main")),
        (Some("refs/heads/side"), &first, Some("side")),
        (Some("side"), &first, Some("side")),
        (Some("v1"), &first, None),
        (Some("refs/tags/v1"), &first, None),
        (Some(first.as_str()), &first, None),
    ];
    for (reference, commit, branch) in cases {
        for spec in [repo.at(reference), repo.url(reference)] {
            let checkout = desk.checkout(&spec).await.unwrap();
            assert_eq!(checkout.commit.as_ref().unwrap().as_str(), commit, "{spec:?}");
            assert_eq!(checkout.branch.as_deref(), branch, "{spec:?}");
            let head = desk.workspace.head(&desk.request(&spec, &NoSecrets)).await.unwrap();
            assert_eq!(head, checkout.commit, "{spec:?}");
        }
    }
    repo.git(&["checkout", "--quiet", "--detach", &first]);
    let checkout = desk.checkout(&repo.local()).await.unwrap();
    assert_eq!((checkout.commit.unwrap().as_str(), checkout.branch), (first.as_str(), None));
}

#[tokio::test]
async fn what_is_not_there_is_said_with_a_remedy() {
    let (Some(repo), Some(empty), desk) = (Repo::sample(), Repo::empty(), Desk::new()) else {
        return;
    };
    let nowhere = RepoSpec::Local { path: "/no/such".into(), reference: None, subfolder: None };
    let absent = "0123456789012345678901234567890123456789";
    let gone = match repo.url(None) {
        RepoSpec::Git { url, .. } => RepoSpec::Git {
            url: format!("{url}-gone"),
            reference: None,
            subfolder: None,
            credentials: None,
            submodules: false,
        },
        other @ (RepoSpec::Github { .. } | RepoSpec::Local { .. }) => other,
    };
    let cases = [
        (nowhere, "repository_not_found"),
        (gone, "repository_not_found"),
        (repo.at(Some("nope")), "ref_not_found"),
        (repo.url(Some("nope")), "ref_not_found"),
        (repo.at(Some(absent)), "ref_not_found"),
        (empty.local(), "empty_repository"),
        (empty.url(None), "empty_repository"),
        (in_folder(repo.local(), "nope"), "subfolder_not_found"),
        (in_folder(repo.local(), "README.md"), "subfolder_not_found"),
    ];
    for (spec, code) in cases {
        let error = desk.checkout(&spec).await.unwrap_err();
        assert_eq!(
            (error.code_str(), error.kind()),
            (code, ErrorKind::NotFound),
            "{spec:?}: {error}"
        );
        assert!(error.advice_str().is_some(), "{error}");
    }
    assert!(desk.checkout(&repo.at(Some("--upload-pack=x"))).await.is_err());
    assert!(desk.trees().is_empty());
}

#[tokio::test]
async fn a_machine_without_git_is_told_so() {
    let Some(repo) = Repo::sample() else { return };
    let desk = Desk::with(|config| config.access.program = "/no/such/git".into());
    let error = desk.checkout(&repo.local()).await.unwrap_err();
    assert_eq!((error.kind(), error.code_str()), (ErrorKind::Unsupported, "git_missing"));
    assert!(error.advice_str().unwrap().contains("install git"));
}

#[tokio::test]
async fn a_plain_folder_has_no_commit_and_a_subfolder_can_be_taken() {
    let (Some(repo), desk) = (Repo::sample(), Desk::new()) else { return };
    fs::remove_dir_all(repo.path().join(".git")).unwrap();
    repo.write("nested/.git/config", "[core]\n");
    let checkout = desk.checkout(&repo.local()).await.unwrap();
    assert_eq!((checkout.commit, checkout.branch), (None, None));
    assert_eq!(contents(&*checkout.tree).await.len(), 4);
    // It is a copy: what happens in the folder afterwards does not show.
    repo.write("README.md", "other\n");
    assert!(text(&*checkout.tree, "README.md").await.unwrap().starts_with("# Sample"));
    let below = desk.checkout(&in_folder(repo.local(), "src")).await.unwrap();
    assert!(text(&*below.tree, "lib.rs").await.is_some());
    assert!(desk.checkout(&repo.at(Some("main"))).await.is_err());
    let head = desk.workspace.head(&desk.request(&repo.local(), &NoSecrets)).await.unwrap();
    assert_eq!(head, None);
}

#[tokio::test]
async fn a_subfolder_of_a_commit_is_a_tree_of_its_own() {
    let (Some(repo), desk) = (Repo::sample(), Desk::new()) else { return };
    repo.write("a/b/c.txt", "c\n");
    repo.commit("deeper");
    for spec in [repo.local(), repo.url(None)] {
        let checkout = desk.checkout(&in_folder(spec, "a/b")).await.unwrap();
        let paths: Vec<_> = contents(&*checkout.tree).await.into_keys().collect();
        assert_eq!(paths, ["c.txt"]);
    }
}

#[tokio::test]
async fn edits_that_are_not_committed_are_left_out_and_told() {
    let (Some(repo), desk) = (Repo::sample(), Desk::new()) else { return };
    repo.write("new.txt", "not added\n");
    assert!(!desk.checkout(&repo.local()).await.unwrap().uncommitted);
    repo.write("README.md", "# Edited\n");
    let checkout = desk.checkout(&repo.local()).await.unwrap();
    assert!(checkout.uncommitted);
    assert!(text(&*checkout.tree, "README.md").await.unwrap().starts_with("# Sample"));
    assert!(text(&*checkout.tree, "new.txt").await.is_none());
    assert!(!desk.checkout(&repo.at(Some("main"))).await.unwrap().uncommitted);
    repo.git(&["checkout", "--quiet", "README.md"]);
    fs::remove_file(repo.path().join("run.sh")).unwrap();
    assert!(desk.checkout(&repo.local()).await.unwrap().uncommitted);
}

#[tokio::test]
async fn bare_linked_shallow_packed_and_sha256_repositories_are_read() {
    let (Some(repo), desk) = (Repo::sample(), Desk::new()) else { return };
    repo.write("second.txt", "2\n");
    let commit = repo.commit("second");
    repo.git(&["gc", "--quiet", "--aggressive"]);
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name).display().to_string();
    let url = format!("file://{}", repo.path().display());
    git(place.path(), &["clone", "--quiet", "--bare", &url, "bare"]);
    git(place.path(), &["clone", "--quiet", "--depth=1", &url, "shallow"]);
    repo.git(&["worktree", "add", "--quiet", "-b", "linked", &at("linked")]);
    for name in ["bare", "shallow", "linked"] {
        let spec = RepoSpec::Local { path: at(name), reference: None, subfolder: None };
        let checkout = desk.checkout(&spec).await.unwrap();
        assert_eq!(checkout.commit.unwrap().as_str(), commit, "{name}");
        assert_eq!(contents(&*checkout.tree).await.len(), 5, "{name}");
        let branch = if name == "linked" { "linked" } else { "main" };
        assert_eq!(checkout.branch.as_deref(), Some(branch));
    }
    let newer = tempfile::tempdir().unwrap();
    git(newer.path(), &["init", "--quiet", "--object-format=sha256", "-b", "main"]);
    fs::write(newer.path().join("a.txt"), "a\n").unwrap();
    git(newer.path(), &["add", "."]);
    git(newer.path(), &["commit", "--quiet", "-m", "one"]);
    let path = newer.path().display().to_string();
    for spec in [
        RepoSpec::Local { path: path.clone(), reference: None, subfolder: None },
        RepoSpec::Git {
            url: format!("file://{path}"),
            reference: None,
            subfolder: None,
            credentials: None,
            submodules: false,
        },
    ] {
        let checkout = desk.checkout(&spec).await.unwrap();
        assert_eq!(checkout.commit.unwrap().as_str().len(), 64);
        assert_eq!(text(&*checkout.tree, "a.txt").await.as_deref(), Some("a\n"));
    }
}

/// A repository that tries to make whoever touches it run `marker`.
fn booby_trapped(marker: &Path) -> Option<Repo> {
    let repo = Repo::sample()?;
    repo.write(".gitattributes", "* filter=evil text eol=crlf diff=evil export-subst ident\n");
    repo.write("subst.txt", "$Format:%H$ $Id$\n");
    repo.write("ignored.txt", "kept\n");
    repo.write(".lfsconfig", "[lfs]\n\turl = ext::evil\n");
    repo.commit("attributes");
    repo.set_traps(marker);
    Some(repo)
}

#[tokio::test]
async fn nothing_of_a_hostile_repository_runs() {
    let place = tempfile::tempdir().unwrap();
    let marker = place.path().join("ran");
    let Some(repo) = booby_trapped(&marker) else { return };
    let desk = Desk::new();
    // A repository that makes git read a file which is no configuration fails; the same is tried
    // without it.
    let file = repo.path().join(".git/config");
    let harmless = fs::read_to_string(&file).unwrap();
    for round in 0..2 {
        let path = if round == 0 { "path = /etc/passwd" } else { "path = /dev/null" };
        fs::write(&file, harmless.replace("path = /dev/null", path)).unwrap();
        for spec in [repo.local(), repo.url(None), repo.at(Some("main"))] {
            let answer = desk.checkout(&spec).await;
            let _ = desk.workspace.head(&desk.request(&spec, &NoSecrets)).await;
            assert!(!marker.exists(), "{}", fs::read_to_string(&marker).unwrap());
            if round == 1 {
                let tree = answer.unwrap().tree;
                // As stored: no filter, no line-ending rule, no substitution.
                let stored = text(&*tree, "subst.txt").await;
                assert_eq!(stored.as_deref(), Some("$Format:%H$ $Id$\n"));
            }
        }
    }
    // The trap is a trap: a git that trusts the repository falls into it.
    let _ = std::process::Command::new("git").arg("status").current_dir(repo.path()).output();
    assert!(marker.exists());
}

#[tokio::test]
async fn links_and_names_that_lead_out_are_refused() {
    let desk = Desk::new();
    for target in ["/etc/passwd", "../../outside", ".git/config"] {
        let Some(repo) = Repo::sample() else { return };
        std::os::unix::fs::symlink(target, repo.path().join("out")).unwrap();
        repo.commit("out");
        let error = desk.checkout(&repo.local()).await.unwrap_err();
        assert_eq!(error.code_str(), "unsafe_path", "{target}: {error}");
    }
    // Git itself refuses to add such names, so the tree is made by hand.
    for name in [".GIT", "git~1", ".git.", ".g\u{200c}it", "a\\b", "a\x01b"] {
        let Some(repo) = Repo::sample() else { return };
        let blob = repo.git(&["hash-object", "-w", "README.md"]);
        let file = repo.path().join("tree.txt");
        fs::write(&file, format!("100644 blob {blob}\t{name}\0")).unwrap();
        let made = std::process::Command::new("git")
            .args(["mktree", "-z"])
            .current_dir(repo.path())
            .stdin(fs::File::open(&file).unwrap())
            .output()
            .unwrap();
        let tree = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        assert!(!tree.is_empty(), "{}", String::from_utf8_lossy(&made.stderr));
        let commit = repo.git(&["commit-tree", &tree, "-m", "hostile"]);
        repo.git(&["update-ref", "refs/heads/main", &commit]);
        let error = desk.checkout(&repo.local()).await.unwrap_err();
        assert_eq!(error.code_str(), "unsafe_path", "{name}: {error}");
    }
    assert!(desk.trees().is_empty());
}

#[tokio::test]
async fn content_under_another_objects_name_is_found_out() {
    let (Some(repo), desk) = (Repo::sample(), Desk::new()) else { return };
    let good = repo.git(&["rev-parse", "HEAD:README.md"]);
    repo.write("evil.txt", "evil\n");
    let evil = repo.git(&["hash-object", "-w", "evil.txt"]);
    let object = |oid: &str| repo.path().join(".git/objects").join(&oid[..2]).join(&oid[2..]);
    fs::remove_file(object(&good)).unwrap();
    fs::copy(object(&evil), object(&good)).unwrap();
    let error = desk.checkout(&repo.local()).await.unwrap_err();
    assert_eq!(error.code_str(), "corrupt_repository", "{error}");
}

#[tokio::test]
async fn submodules_come_when_asked_for() {
    let (Some(library), Some(repo), desk) = (Repo::sample(), Repo::sample(), Desk::new()) else {
        return;
    };
    let Some(inner) = Repo::sample() else { return };
    let url = |repo: &Repo| format!("file://{}", repo.path().display());
    library.git(&["submodule", "--quiet", "add", &url(&inner), "inner"]);
    library.commit("inner");
    repo.git(&["submodule", "--quiet", "add", &url(&library), "libs/x"]);
    repo.commit("library");
    let with = |submodules| RepoSpec::Git {
        url: url(&repo),
        reference: None,
        subfolder: None,
        credentials: None,
        submodules,
    };
    let without = desk.checkout(&with(false)).await.unwrap();
    assert!(text(&*without.tree, "libs/x/README.md").await.is_none());
    let all = desk.checkout(&with(true)).await.unwrap();
    assert!(text(&*all.tree, "libs/x/README.md").await.is_some());
    assert!(text(&*all.tree, "libs/x/inner/src/lib.rs").await.is_some());
    let below = desk.checkout(&in_folder(with(true), "libs")).await.unwrap();
    assert!(text(&*below.tree, "x/inner/run.sh").await.is_some());
    assert!(!below.tree.local().unwrap().join("x/.git").exists());
}

#[tokio::test]
async fn a_cancelled_checkout_stops_git_and_all_it_started() {
    let place = tempfile::tempdir().unwrap();
    let pids = place.path().join("pids");
    let slow = place.path().join("git");
    let script = format!("#!/bin/sh\nsleep 600 &\necho $! $$ > {}\nwait\n", pids.display());
    fs::write(&slow, script).unwrap();
    fs::set_permissions(&slow, fs::Permissions::from_mode(0o755)).unwrap();
    let Some(repo) = Repo::sample() else { return };
    let desk = Desk::with(|config| config.access.program.clone_from(&slow));
    let cancel = desk.cancel.clone();
    let said = pids.clone();
    tokio::spawn(async move {
        while !fs::read_to_string(&said).is_ok_and(|pids| pids.ends_with('\n')) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        cancel.cancel();
    });
    let error = desk.checkout(&repo.local()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    let lives = |pid: &str| {
        let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !status.is_empty() && !status.contains(") Z ")
    };
    for pid in fs::read_to_string(&pids).unwrap().split_whitespace() {
        // What was killed may need a moment to be gone; what was not lives for ten minutes.
        for _ in 0..6000 {
            if !lives(pid) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(!lives(pid), "{pid} lives");
    }
    assert!(desk.trees().is_empty());
}

#[tokio::test]
async fn urls_with_credentials_options_or_strange_transports_are_refused() {
    let desk = Desk::new();
    for url in [
        "https://user:password@host.example/x",
        "https://token@host.example/x",
        "http://host.example/x",
        "ext::sh -c evil",
        "git://host.example/x",
        "ftp://host.example/x",
        "--upload-pack=evil",
        "ssh://-oProxyCommand=evil/x",
        "ssh://user:password@host.example/x",
        "-oProxyCommand=evil@host:x",
        "host.example:x",
        "https:///x",
        "file://host/x",
        "https://host.example/x\nevil",
        "",
    ] {
        let spec = RepoSpec::Git {
            url: url.to_owned(),
            reference: None,
            subfolder: None,
            credentials: None,
            submodules: false,
        };
        let error = desk.checkout(&spec).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Denied), "{url}: {error}");
    }
    let spec = RepoSpec::Github {
        owner: "../x".into(),
        repo: "y".into(),
        reference: None,
        subfolder: None,
    };
    assert_eq!(desk.checkout(&spec).await.unwrap_err().kind(), ErrorKind::Invalid);
}
