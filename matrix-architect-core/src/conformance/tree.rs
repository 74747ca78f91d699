//! A tree of files, wherever it is: every promise of [`Tree`].
#![expect(
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "a case fails in either way where the backend breaks its word"
)]

use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    error::Result,
    path::RelPath,
    traits::{EntryKind, Tree},
};

/// Expands to one test per promise of [`Tree`](crate::traits::Tree). The expression makes a harness
/// that is [`Plants`](crate::conformance::tree::Plants).
#[macro_export]
macro_rules! tree_suite {
    ($harness:expr) => {
        $crate::__conformance_tests!(
            tree,
            $harness,
            [
                a_list_is_in_path_order_and_names_every_entry_once,
                a_read_of_what_is_no_file_is_none,
                the_same_tree_packs_to_the_same_bytes,
                a_pack_tells_nothing_but_the_tree,
                gits_own_folder_is_no_part_of_a_tree,
            ]
        );
    };
}

/// One entry that a harness is to make.
#[derive(Clone, Copy, Debug)]
pub struct Planted<'a> {
    /// Where, relative to the root.
    pub path: &'a str,
    /// What.
    pub kind: EntryKind,
    /// A file's content, or a symbolic link's target.
    pub content: &'a [u8],
}

impl<'a> Planted<'a> {
    /// A plain file.
    pub const fn file(path: &'a str, content: &'a [u8]) -> Self {
        Self { path, kind: EntryKind::File, content }
    }

    /// A symbolic link.
    pub const fn link(path: &'a str, target: &'a str) -> Self {
        Self { path, kind: EntryKind::Symlink, content: target.as_bytes() }
    }
}

/// A harness that can make a tree of given entries, in the order given.
#[async_trait]
pub trait Plants: Debug + Send + Sync {
    /// A new tree.
    async fn plant(&mut self, entries: &[Planted<'_>]) -> Arc<dyn Tree>;
}

/// One of everything, and two names whose order a walk folder by folder gets wrong.
pub(super) const SAMPLE: [Planted<'static>; 6] = [
    Planted::file("src/lib.rs", b"pub fn answer() -> u8 {\n    42\n}\n"),
    Planted::file("src-gen/table.bin", b"\x00\xff\xfe"),
    Planted { path: "run.sh", kind: EntryKind::Executable, content: b"#!/bin/sh\n" },
    Planted::link("link", "src/lib.rs"),
    Planted::file("empty", b""),
    Planted::link("folder", "src"),
];

pub(super) async fn packed(tree: &dyn Tree) -> Result<Bytes> {
    tree.pack().await?.collect(1 << 30).await
}

/// Promise 1.
pub async fn a_list_is_in_path_order_and_names_every_entry_once(
    mut harness: impl Plants,
) -> Result<()> {
    let tree = harness.plant(&SAMPLE).await;
    let found: Vec<_> = tree.list().await?.into_iter().map(|e| (e.path, e.kind, e.size)).collect();
    let mut expected = Vec::new();
    for one in &SAMPLE {
        expected.push((RelPath::new(one.path)?, one.kind, one.content.len() as u64));
    }
    expected.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(found, expected);
    Ok(())
}

/// Promise 2.
pub async fn a_read_of_what_is_no_file_is_none(mut harness: impl Plants) -> Result<()> {
    let tree = harness.plant(&SAMPLE).await;
    for path in ["link", "folder", "folder/lib.rs", "src", "absent", "empty/x"] {
        assert_eq!(tree.read(&RelPath::new(path)?).await?, None, "{path}");
    }
    for one in SAMPLE.iter().filter(|one| one.kind != EntryKind::Symlink) {
        let content = tree.read(&RelPath::new(one.path)?).await?;
        assert_eq!(content.as_deref(), Some(one.content), "{}", one.path);
    }
    Ok(())
}

/// Promise 3.
pub async fn the_same_tree_packs_to_the_same_bytes(mut harness: impl Plants) -> Result<()> {
    let mut reversed = SAMPLE;
    reversed.reverse();
    let (one, other) = (harness.plant(&SAMPLE).await, harness.plant(&reversed).await);
    assert_eq!(packed(&*one).await?, packed(&*other).await?);
    assert_eq!(packed(&*one).await?, packed(&*one).await?);
    Ok(())
}

/// Promise 3.
pub async fn a_pack_tells_nothing_but_the_tree(mut harness: impl Plants) -> Result<()> {
    let tree = harness.plant(&SAMPLE).await;
    let archive = packed(&*tree).await?;
    let mut expected = SAMPLE;
    expected.sort_by_key(|one| one.path);
    let mut at = 0;
    for one in expected {
        let header = &archive[at..at + 512];
        let field = |from: usize, to: usize| {
            let field = header[from..to].split(|byte| *byte == 0).next().unwrap_or_default();
            String::from_utf8_lossy(field).trim().to_owned()
        };
        let octal = |from, to| u64::from_str_radix(&field(from, to), 8).unwrap_or(u64::MAX);
        let (mode, size) = match one.kind {
            EntryKind::File => (0o644, one.content.len()),
            EntryKind::Executable => (0o755, one.content.len()),
            EntryKind::Symlink => (0o777, 0),
        };
        assert_eq!((field(0, 100).as_str(), &field(257, 262)), (one.path, &"ustar".to_owned()));
        assert_eq!(octal(100, 108), mode, "{}", one.path);
        assert_eq!([octal(108, 116), octal(116, 124), octal(136, 148)], [0; 3], "{}", one.path);
        assert_eq!(octal(124, 136), size as u64, "{}", one.path);
        at += 512 + size.div_ceil(512) * 512;
    }
    assert!(archive[at..].len() >= 1024 && archive[at..].iter().all(|byte| *byte == 0));
    Ok(())
}

/// Promise 4.
pub async fn gits_own_folder_is_no_part_of_a_tree(mut harness: impl Plants) -> Result<()> {
    let entries = [
        Planted::file(".git/config", b"[core]\n"),
        Planted::file("sub/.git", b"gitdir: ../.git/modules/sub\n"),
        Planted::file(".gitignore", b"target\n"),
    ];
    let tree = harness.plant(&entries).await;
    let paths: Vec<String> = tree.list().await?.into_iter().map(|e| e.path.into()).collect();
    assert_eq!(paths, [".gitignore"]);
    let archive = packed(&*tree).await?;
    assert!(!archive.windows(7).any(|window| window == b"gitdir:" || window == b"[core]\n"));
    Ok(())
}
