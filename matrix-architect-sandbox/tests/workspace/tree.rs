//! Trees in directories: listed, packed, unpacked, and gone when nobody holds them.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    sync::Arc,
};

use bytes::Bytes;
use matrix_architect_core::{
    error::Result,
    id::Digest,
    path::RelPath,
    traits::{ByteStream, EntryKind, Tree},
};
use matrix_architect_sandbox::workspace::{DirTree, Scratch, TreeLimits, unpack};
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

fn write(root: &Path, path: &str, content: &[u8]) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn sample() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "src/lib.rs", b"pub fn answer() -> u8 { 42 }\n");
    write(root.path(), "src-gen/a.txt", b"a\n");
    write(root.path(), "run.sh", b"#!/bin/sh\n");
    fs::set_permissions(root.path().join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    write(root.path(), &format!("{}/long.txt", "n".repeat(200)), b"long\n");
    write(root.path(), &format!("deep/{}x", "d/".repeat(200)), b"deep\n");
    write(root.path(), "größe/日本.txt", "日本\n".as_bytes());
    write(root.path(), ".git/config", b"[core]\n");
    write(root.path(), "sub/.GIT/hooks/x", b"evil\n");
    write(root.path(), "blob.bin", &(0..=255).collect::<Vec<u8>>().repeat(1000));
    symlink("src/lib.rs", root.path().join("link")).unwrap();
    symlink(format!("../{}/long.txt", "n".repeat(200)), root.path().join("src/far")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        root.path().join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o644),
        0,
    )
    .unwrap();
    root
}

fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

async fn packed(tree: &dyn Tree) -> Bytes {
    tree.pack().await.unwrap().collect(64 << 20).await.unwrap()
}

async fn contents(tree: &dyn Tree) -> BTreeMap<String, (EntryKind, Option<Digest>)> {
    let mut all = BTreeMap::new();
    for entry in tree.list().await.unwrap() {
        let content = tree.read(&entry.path).await.unwrap();
        all.insert(entry.path.to_string(), (entry.kind, content.map(Digest::of)));
    }
    all
}

fn scratch() -> (TempDir, Arc<Scratch>) {
    let root = tempfile::tempdir().unwrap();
    let scratch = Scratch::open(root.path()).unwrap();
    (root, scratch)
}

/// The tree, and the directory its scratch space is in.
async fn unpack_bytes(bytes: Vec<u8>) -> Result<(TempDir, DirTree)> {
    let (root, scratch) = scratch();
    let tree = unpack(&scratch, ByteStream::once(bytes), &TreeLimits::default()).await?;
    Ok((root, tree))
}

#[tokio::test]
async fn a_list_is_in_path_order_and_without_gits_folder() {
    let root = sample();
    let tree = DirTree::open(root.path()).unwrap();
    let paths: Vec<String> =
        tree.list().await.unwrap().into_iter().map(|entry| entry.path.into()).collect();
    let mut sorted = paths.clone();
    sorted.sort();
    assert_eq!(paths, sorted);
    assert_eq!(paths.len(), 9);
    // By bytes '-' comes before '/', so a folder-by-folder walk alone is not path order.
    let place = |wanted: &str| paths.iter().position(|path| path == wanted).unwrap();
    assert!(place("src-gen/a.txt") < place("src/lib.rs"));
    assert!(!paths.iter().any(|path| path.to_lowercase().contains(".git") || path == "pipe"));
}

#[tokio::test]
async fn a_read_follows_no_link_and_takes_only_files() {
    let root = sample();
    symlink("src", root.path().join("folder-link")).unwrap();
    let tree = DirTree::open(root.path()).unwrap();
    assert!(tree.read(&path("src/lib.rs")).await.unwrap().is_some());
    for nothing in ["link", "folder-link/lib.rs", "src", "absent", "src/lib.rs/x", "pipe"] {
        assert_eq!(tree.read(&path(nothing)).await.unwrap(), None, "{nothing}");
    }
}

#[tokio::test]
async fn the_same_tree_packs_to_the_same_bytes() {
    let (one, two) = (sample(), sample());
    // Neither times nor the order of creation nor the group's and others' modes count.
    fs::set_permissions(two.path().join("src/lib.rs"), fs::Permissions::from_mode(0o600)).unwrap();
    let one = packed(&DirTree::open(one.path()).unwrap()).await;
    let two = packed(&DirTree::open(two.path()).unwrap()).await;
    assert_eq!(one, two);
}

#[tokio::test]
async fn an_unpacked_tree_equals_the_packed_one() {
    let root = sample();
    let tree = DirTree::open(root.path()).unwrap();
    let bytes = packed(&tree).await;
    let (_space, copy) = unpack_bytes(bytes.to_vec()).await.unwrap();
    assert_eq!(contents(&copy).await, contents(&tree).await);
    assert_eq!(packed(&copy).await, bytes);
}

fn gnu_tar(args: &[&str]) -> Vec<u8> {
    let done = std::process::Command::new("tar").args(args).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    done.stdout
}

#[tokio::test]
async fn gnu_tar_reads_what_is_packed_and_we_read_what_it_packs() {
    let root = sample();
    let tree = DirTree::open(root.path()).unwrap();
    let work = tempfile::tempdir().unwrap();
    let archive = work.path().join("tree.tar");
    fs::write(&archive, packed(&tree).await).unwrap();
    let out = work.path().join("out");
    fs::create_dir(&out).unwrap();
    gnu_tar(&["-xf", archive.to_str().unwrap(), "-C", out.to_str().unwrap()]);
    let theirs = DirTree::open(&out).unwrap();
    assert_eq!(contents(&theirs).await, contents(&tree).await);
    for format in ["--format=gnu", "--format=pax"] {
        let bytes = gnu_tar(&[format, "-C", out.to_str().unwrap(), "-cf", "-", "."]);
        let (_space, ours) = unpack_bytes(bytes).await.unwrap();
        assert_eq!(contents(&ours).await, contents(&tree).await, "{format}");
    }
}

#[tokio::test]
async fn a_tree_is_gone_when_its_last_handle_is() {
    let root = sample();
    let (space, scratch) = scratch();
    let stream = DirTree::open(root.path()).unwrap().pack().await.unwrap();
    let tree = unpack(&scratch, stream, &TreeLimits::default()).await.unwrap();
    let place = tree.local().unwrap().to_owned();
    let clone = tree.clone();
    drop(tree);
    assert!(place.is_dir());
    drop(clone);
    assert!(!place.exists());
    drop(scratch);
    let left: Vec<_> =
        fs::read_dir(space.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, [".lock"]);
}

#[tokio::test]
async fn a_dropped_pack_stops_its_thread_and_frees_the_tree() {
    let (_space, scratch) = scratch();
    let directory = scratch.directory().unwrap();
    fs::write(directory.path().join("large"), vec![7; 32 << 20]).unwrap();
    let place = directory.path().to_owned();
    let tree = DirTree::owned(directory).unwrap();
    let stream = tree.pack().await.unwrap();
    drop(tree);
    drop(stream);
    for _ in 0..200 {
        if !place.exists() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the packing thread still holds the tree");
}

/// One header with whatever is asked of it, valid checksum included.
fn entry(builder: &mut Builder<Vec<u8>>, (kind, name, link, data): Entry<'_>) {
    let mut header = Header::new_gnu();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name);
    header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link);
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(data.len() as u64);
    header.set_cksum();
    builder.append(&header, data).unwrap();
}

type Entry<'a> = (EntryType, &'a [u8], &'a [u8], &'a [u8]);

fn archive(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for one in entries {
        entry(&mut builder, *one);
    }
    builder.into_inner().unwrap()
}

/// What is left in the only scratch space under `root`.
fn leftovers(root: &Path) -> Vec<std::ffi::OsString> {
    let mut spaces = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let space = spaces.find(|path| path.is_dir()).unwrap();
    let names = fs::read_dir(space).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name != "lock").collect()
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
#[tokio::test]
async fn hostile_archives_are_refused() {
    use EntryType as T;
    const FILE: EntryType = EntryType::Regular;
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().to_str().unwrap().as_bytes();
    let cases: &[(&str, &str, &[Entry<'_>])] = &[
        ("absolute path", "unsafe_path", &[(FILE, b"/tmp/x", b"", b"x")]),
        ("parent", "unsafe_path", &[(FILE, b"../x", b"", b"x")]),
        ("parent inside", "unsafe_path", &[(FILE, b"a/../../x", b"", b"x")]),
        ("dot inside", "unsafe_path", &[(FILE, b"a/./x", b"", b"x")]),
        ("empty component", "unsafe_path", &[(FILE, b"a//x", b"", b"x")]),
        ("backslash", "unsafe_path", &[(FILE, b"a\\x", b"", b"x")]),
        ("control character", "unsafe_path", &[(FILE, b"a\nx", b"", b"x")]),
        ("not UTF-8", "unsafe_path", &[(FILE, b"a\xffx", b"", b"x")]),
        ("hard link", "unsafe_path", &[(FILE, b"a", b"", b"x"), (T::Link, b"b", b"a", b"")]),
        ("hard link out", "unsafe_path", &[(T::Link, b"b", b"/etc/passwd", b"")]),
        ("character device", "unsafe_path", &[(T::Char, b"null", b"", b"")]),
        ("block device", "unsafe_path", &[(T::Block, b"sda", b"", b"")]),
        ("pipe", "unsafe_path", &[(T::Fifo, b"p", b"", b"")]),
        ("sparse", "unsafe_path", &[(T::GNUSparse, b"s", b"", b"")]),
        ("absolute link", "unsafe_path", &[(T::Symlink, b"l", target, b"")]),
        ("link out", "unsafe_path", &[(T::Symlink, b"d/l", b"../../x", b"")]),
        ("empty link", "unsafe_path", &[(T::Symlink, b"l", b"", b"")]),
        (
            "link out through another",
            "unsafe_path",
            &[(T::Symlink, b"d/e/up", b"../..", b""), (T::Symlink, b"x", b"d/e/up/../y", b"")],
        ),
        (
            "write through a link",
            "duplicate_entry",
            &[(T::Symlink, b"l", b"d", b""), (FILE, b"l/x", b"", b"x")],
        ),
        ("two files", "duplicate_entry", &[(FILE, b"a", b"", b"1"), (FILE, b"a", b"", b"2")]),
        (
            "file and link",
            "duplicate_entry",
            &[(FILE, b"a", b"", b"1"), (T::Symlink, b"a", b"b", b"")],
        ),
        (
            "file as folder",
            "duplicate_entry",
            &[(FILE, b"a", b"", b"1"), (FILE, b"a/b", b"", b"2")],
        ),
        (
            "folder as file",
            "duplicate_entry",
            &[(FILE, b"a/b", b"", b"1"), (FILE, b"a", b"", b"2")],
        ),
        ("git folder", "unsafe_path", &[(FILE, b".git/hooks/x", b"", b"x")]),
        ("git folder below", "unsafe_path", &[(FILE, b"a/.GiT/config", b"", b"x")]),
        ("git folder of NTFS", "unsafe_path", &[(FILE, b"git~1/config", b"", b"x")]),
        ("git folder of HFS", "unsafe_path", &[(FILE, ".g\u{200c}it/x".as_bytes(), b"", b"x")]),
        ("link named git", "unsafe_path", &[(T::Symlink, b".git", b"a", b"")]),
        ("link into git", "unsafe_path", &[(T::Symlink, b"a", b".git/config", b"")]),
        (
            "pax size",
            "malformed_archive",
            &[(T::XHeader, b"", b"", b"11 size=99\n"), (FILE, b"a", b"", b"x")],
        ),
        (
            "pax path out",
            "unsafe_path",
            &[(T::XHeader, b"", b"", b"14 path=../xy\n"), (FILE, b"a", b"", b"x")],
        ),
        (
            "pax broken",
            "malformed_archive",
            &[(T::XHeader, b"", b"", b"99 path=x\n"), (FILE, b"a", b"", b"x")],
        ),
        (
            "long name out",
            "unsafe_path",
            &[(T::GNULongName, b"", b"", b"../../x\0"), (FILE, b"a", b"", b"x")],
        ),
        ("content of a link", "malformed_archive", &[(T::Symlink, b"l", b"a", b"x")]),
    ];
    for (name, code, entries) in cases {
        let (space, scratch) = scratch();
        let stream = ByteStream::once(archive(entries));
        let error = unpack(&scratch, stream, &TreeLimits::default()).await.expect_err(name);
        assert_eq!(error.code_str(), *code, "{name}: {error}");
        assert!(leftovers(space.path()).is_empty(), "{name}");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0, "{name}");
    }
}

#[tokio::test]
async fn an_archive_cut_anywhere_is_refused() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "a.txt", b"some text");
    write(root.path(), &format!("b/{}", "n".repeat(150)), b"more");
    let bytes = packed(&DirTree::open(root.path()).unwrap()).await;
    for end in (0..bytes.len()).step_by(64) {
        let error = unpack_bytes(bytes[..end].to_vec()).await.expect_err("cut");
        assert_eq!(error.code_str(), "malformed_archive", "cut at {end}");
    }
}

#[tokio::test]
async fn caps_hold_and_a_failed_stream_leaves_nothing() {
    const FILE: EntryType = EntryType::Regular;
    const FOLDER: EntryType = EntryType::Directory;
    let limits =
        TreeLimits { max_entries: 2, max_bytes: 10, max_file_bytes: 6, ..TreeLimits::default() };
    let cases: &[&[Entry<'_>]] = &[
        &[(FILE, b"a", b"", b""), (FILE, b"b", b"", b""), (FILE, b"c", b"", b"")],
        &[(FILE, b"a", b"", b"123456"), (FILE, b"b", b"", b"12345")],
        &[(FILE, b"a", b"", b"1234567")],
        &[(FOLDER, b"a/", b"", b""), (FOLDER, b"b/", b"", b""), (FILE, b"c", b"", b"")],
    ];
    let (space, scratch) = scratch();
    for entries in cases {
        let stream = ByteStream::once(archive(entries));
        let error = unpack(&scratch, stream, &limits).await.unwrap_err();
        assert_eq!(error.code_str(), "too_large");
    }
    let failing = ByteStream::new(futures_util::stream::iter([
        Ok(Bytes::from(vec![0; 2048])),
        Err(matrix_architect_core::Error::unexpected("the line went dead")),
    ]));
    let error = unpack(&scratch, failing, &limits).await.unwrap_err();
    assert_eq!(error.message(), "the line went dead");
    assert!(leftovers(space.path()).is_empty());
}

#[test]
fn what_a_dead_process_left_is_removed_and_a_living_ones_is_kept() {
    let root = tempfile::tempdir().unwrap();
    let living = Scratch::open(root.path()).unwrap();
    let kept = living.directory().unwrap();
    // As a killed process leaves it: the directory, trees in it, and a lock nobody holds.
    write(root.path(), "4194000-123-0/lock", b"");
    write(root.path(), "4194000-123-0/d0/half/written.txt", b"half");
    write(root.path(), "4194001-9-0/d0/x", b"died before its lock was made");
    write(root.path(), "notes/mine.txt", b"not ours to remove");
    let next = Scratch::open(root.path()).unwrap();
    assert!(!root.path().join("4194000-123-0").exists());
    assert!(!root.path().join("4194001-9-0").exists());
    assert!(root.path().join("notes/mine.txt").exists());
    assert!(kept.path().is_dir());
    drop((kept, living, next));
}
