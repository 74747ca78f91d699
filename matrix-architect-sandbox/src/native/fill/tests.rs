//! A tree is written as it is, as the commands' user, and nowhere but into its folder.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
};

use tar::{Builder, EntryType, Header};

use super::*;
use crate::native::confine;

/// One member: kind, path, mode, and content or target.
type Entry<'a> = (EntryType, &'a str, u32, &'a str);

/// An archive with those names, whatever they are.
fn packed(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut archive = Builder::new(Vec::new());
    for (kind, path, mode, content) in entries {
        let mut header = Header::new_ustar();
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(*mode);
        let is_file = *kind == EntryType::Regular;
        if !is_file {
            header.set_link_name_literal(content).unwrap();
        }
        let content = if is_file { content.as_bytes() } else { b"" };
        header.set_size(content.len() as u64);
        header.set_cksum();
        archive.append(&header, content).unwrap();
    }
    archive.into_inner().unwrap()
}

fn filled(folder: &Path, archive: &[u8]) -> Result<()> {
    write(&Beneath::opened(fs::File::open(folder).unwrap().into(), TREE.into()), archive)
}

const TREE_OF_ALL: [Entry<'_>; 5] = [
    (EntryType::Directory, "empty/", 0o755, ""),
    (EntryType::Regular, "deep/er/run.sh", 0o755, "#!/bin/sh\n"),
    (EntryType::Symlink, "link", 0o777, "/nowhere/at all"),
    (EntryType::Symlink, "deep/up", 0o777, "../read.me"),
    (EntryType::Regular, "read.me", 0o644, "hello"),
];

#[test]
fn it_is_written_as_it_is_whatever_the_umask() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_owned();
    let writing = std::thread::spawn(move || {
        // A umask of this thread's own.
        sys::unshare(libc::CLONE_FS).unwrap();
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
        filled(&root, &packed(&TREE_OF_ALL))
    });
    writing.join().unwrap().unwrap();
    let mode = |path: &str| fs::metadata(folder.path().join(path)).unwrap().permissions().mode();
    for (path, wanted) in
        [("empty", 0o755), ("deep", 0o755), ("deep/er/run.sh", 0o755), ("read.me", 0o644)]
    {
        assert_eq!(mode(path) & 0o7777, wanted, "{path}");
    }
    assert_eq!(fs::read_link(folder.path().join("link")).unwrap(), Path::new("/nowhere/at all"));
    assert_eq!(fs::read_to_string(folder.path().join("deep/up")).unwrap(), "hello");
}

#[test]
fn nothing_is_written_outside_and_nothing_through_a_link() {
    let above = tempfile::tempdir().unwrap();
    let folder = above.path().join("tree");
    let file = |path| (EntryType::Regular, path, 0o644, "x");
    let outside = above.path().join("outside").display().to_string();
    fs::create_dir(above.path().join("elsewhere")).unwrap();
    let attempts: [&[Entry<'_>]; 8] = [
        &[file("../outside")],
        &[file("a/../../outside")],
        &[file(&outside)],
        &[(EntryType::Directory, "../outside", 0o755, "")],
        &[(EntryType::Symlink, "../outside", 0o777, "x")],
        &[(EntryType::Symlink, "a", 0o777, "../elsewhere"), file("a/outside")],
        &[file("a"), (EntryType::Link, "b", 0o644, "a")],
        &[(EntryType::Fifo, "pipe", 0o644, "")],
    ];
    for attempt in attempts {
        fs::create_dir(&folder).unwrap();
        assert!(filled(&folder, &packed(attempt)).is_err(), "{attempt:?}");
        assert!(!Path::new(&outside).exists(), "{attempt:?}");
        assert_eq!(fs::read_dir(above.path().join("elsewhere")).unwrap().count(), 0);
        fs::remove_dir_all(&folder).unwrap();
    }
}

#[test]
fn a_cut_archive_is_no_tree() {
    let whole = packed(&TREE_OF_ALL);
    for length in (0..whole.len() - 512).step_by(256) {
        let folder = tempfile::tempdir().unwrap();
        let error = filled(folder.path(), &whole[..length]).unwrap_err();
        assert_eq!(error.code_str(), "malformed_archive", "{length}: {error}");
    }
}

#[test]
fn what_is_written_is_the_users_and_so_are_the_rights() {
    if !confine::is_privileged() {
        eprintln!("SKIPPED: only root writes as somebody else");
        return;
    }
    let somebody = 2_100_000_001;
    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("roots");
    fs::create_dir(&roots).unwrap();
    std::os::unix::fs::chown(folder.path(), Some(somebody), Some(somebody)).unwrap();
    let as_somebody = sys::FilesAs::new(somebody).unwrap();
    filled(folder.path(), &packed(&TREE_OF_ALL)).unwrap();
    let refused = filled(&roots, &packed(&TREE_OF_ALL)).unwrap_err();
    drop(as_somebody);
    for path in ["empty", "deep", "deep/er/run.sh", "link", "deep/up", "read.me"] {
        let found = fs::symlink_metadata(folder.path().join(path)).unwrap();
        assert_eq!((found.uid(), found.gid()), (somebody, somebody), "{path}");
    }
    assert!(refused.to_string().contains("unpacking the tree"), "{refused}");
    filled(&roots, &packed(&TREE_OF_ALL)).unwrap();
    assert_eq!(fs::symlink_metadata(roots.join("read.me")).unwrap().uid(), 0, "root again");
}
