//! A tree is written as it is, as the commands' user, and nowhere but into its folder.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
};

use matrix_architect_core::traits::Tree as _;
use tar::{Builder, EntryType, Header};

use super::*;
use crate::{
    native::{confine, sys},
    workspace::DirTree,
};

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

fn filled_for(user: Option<u32>, folder: &Path, archive: &[u8]) -> Result<()> {
    write(&Beneath::opened(fs::File::open(folder).unwrap().into(), TREE.into(), user), archive)
}

fn filled(folder: &Path, archive: &[u8]) -> Result<()> {
    filled_for(None, folder, archive)
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
fn what_is_written_is_the_users() {
    if !confine::is_privileged() {
        eprintln!("SKIPPED: only root gives files away");
        return;
    }
    let somebody = 2_100_000_001;
    let folder = tempfile::tempdir().unwrap();
    filled_for(Some(somebody), folder.path(), &packed(&TREE_OF_ALL)).unwrap();
    for path in ["empty", "deep", "deep/er", "deep/er/run.sh", "link", "deep/up", "read.me"] {
        let found = fs::symlink_metadata(folder.path().join(path)).unwrap();
        assert_eq!((found.uid(), found.gid()), (somebody, somebody), "{path}");
    }
}

/// In a runtime with one thread for what may block, which whoever packs the tree has.
#[test]
fn a_tree_of_any_size_comes_whole_with_few_threads() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.max_blocking_threads(1).build().unwrap();
    for size in [0, 1, 3 << 10, 5 << 10, 3 << 20] {
        let (source, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let content: Vec<u8> = (0..size).map(|at: u32| at.to_le_bytes()[1]).collect();
        fs::write(source.path().join("content"), &content).unwrap();
        runtime.block_on(async {
            let packed = DirTree::open(source.path()).unwrap().pack().await.unwrap();
            fill(fs::File::open(folder.path()).unwrap().into(), None, packed).await.unwrap();
        });
        assert!(fs::read(folder.path().join("content")).unwrap() == content, "{size}");
    }
}
