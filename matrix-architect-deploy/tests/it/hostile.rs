//! Bundles that try to get out.

use std::fs;

use matrix_architect_core::conformance::deployer::Target as _;
use tar::{EntryType, Header};

use crate::{
    deploying::Deploying,
    service::{Folder, listing},
};

/// An archive of one entry whose header says whatever it is told to, checked by nobody.
fn archive(path: &str, kind: EntryType, link: &str, content: &str) -> Vec<u8> {
    let mut header = Header::new_gnu();
    let raw = header.as_old_mut();
    raw.name[..path.len()].copy_from_slice(path.as_bytes());
    raw.linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o4777);
    header.set_size(content.len() as u64);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(content.as_bytes());
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn together(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = entries.concat();
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

fn corpus() -> Vec<(&'static str, Vec<u8>)> {
    use EntryType::{Block, Char, Directory, Fifo, GNUSparse, Link, Regular, Symlink};
    let file = |path| archive(path, Regular, "", "x");
    let link = |path, target| archive(path, Symlink, target, "");
    let one = |entry: Vec<u8>| together(&[entry]);
    vec![
        ("absolute", one(file("/etc/architect-was-here"))),
        ("up", one(file("../escaped"))),
        ("up in the middle", one(file("a/../../escaped"))),
        ("dot", one(file("a/./b"))),
        ("empty part", one(file("a//b"))),
        ("backslash", one(file("a\\..\\b"))),
        ("control character", one(file("a\nb"))),
        ("hard link", one(archive("a", Link, "/etc/passwd", ""))),
        ("device", one(archive("a", Char, "", ""))),
        ("block device", one(archive("a", Block, "", ""))),
        ("fifo", one(archive("a", Fifo, "", ""))),
        ("sparse", one(archive("a", GNUSparse, "", ""))),
        ("link out", one(link("a", "/etc"))),
        ("link up", one(link("a", "../x"))),
        ("link up from a folder", one(link("d/a", "../../x"))),
        ("link up after a name", one(link("d/a", "b/../../../x"))),
        ("link through a link", together(&[link("d/l", ".."), link("m", "d/l/../x")])),
        ("link to nothing", one(link("a", ""))),
        ("file through a link", together(&[link("l", "d"), file("l/x")])),
        ("folder over a link", together(&[link("l", "d"), archive("l/", Directory, "", "")])),
        ("file over a link", together(&[link("l", "x"), file("l")])),
        ("twice", together(&[file("a"), file("a")])),
        ("file as a folder", together(&[file("a"), file("a/b")])),
        ("cut", together(&[archive("a", Regular, "", &"x".repeat(2000))])[..1024].to_vec()),
        ("no archive", vec![7; 2048]),
    ]
}

#[tokio::test]
async fn a_hostile_bundle_leaves_no_trace_and_the_old_release_live() {
    let folder = Folder::new();
    let deploying = Deploying::on(&folder);
    deploying.healthy(1, "one").await.unwrap();
    let before = listing(folder.path());
    for (number, (name, bundle)) in corpus().into_iter().enumerate() {
        let number = number as u64 + 2;
        let answer = deploying.apply_bundle(number, bundle).await;
        let error = answer.err().unwrap_or_else(|| panic!("{name} was deployed"));
        let code = error.code_str();
        let known = ["hostile_bundle", "bad_bundle", "unsafe_path"].contains(&code);
        assert!(known, "{name}: {error:?}");
        let after = listing(folder.path());
        let (lock, history) = (folder.place("staging").join(".lock"), "history.jsonl");
        let other: Vec<_> = after
            .iter()
            .filter(|(path, content)| before.get(*path) != Some(content))
            .filter(|(path, _)| **path != lock && !path.ends_with(history))
            .collect();
        assert!(other.is_empty() && after.len() == before.len(), "{name} left {other:?}");
    }
    assert_eq!(folder.serving("staging").await.as_deref(), Some("one"));
    assert!(!fs::exists("/etc/architect-was-here").unwrap());
}

#[tokio::test]
async fn special_bits_are_not_taken_over() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let deploying = Deploying::on(&folder);
    let bundle = together(&[archive("bin/tool", EntryType::Regular, "", "x")]);
    let mut request = deploying.request(1, bundle).await;
    for setting in ["restart", "stop", "health"] {
        request.config.config.remove(setting);
    }
    let release = deploying.apply(1, &request).await.unwrap();
    let path = folder.place("staging").join("current/bin/tool");
    assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o7777, 0o755);
    assert_eq!(release.health.unwrap().detail, "no health check was asked for");
}
