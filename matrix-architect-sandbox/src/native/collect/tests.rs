//! What commands leave to be collected is whole or an error, and takes no more than it may.

use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};

use super::*;

fn request(pattern: &str) -> CollectRequest {
    CollectRequest { patterns: vec![pattern.to_owned()], max_bytes: 1 << 20, max_entries: 10 }
}

fn collected(root: &Path, pattern: &str) -> Result<Vec<(String, String)>, Stop> {
    let archive = tempfile::tempfile().unwrap();
    collect(root, &request(pattern), archive.try_clone().unwrap().into())?;
    io::Seek::rewind(&mut &archive).unwrap();
    let mut archive = tar::Archive::new(archive);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        (entry.path().unwrap().display().to_string(), text)
    });
    Ok(entries.collect())
}

fn too_large(outcome: Result<Vec<(String, String)>, Stop>) -> &'static str {
    match outcome {
        Err(Stop::TooLarge { what, .. }) => what,
        other => panic!("{other:?}"),
    }
}

/// Makes folders in one another, and a file in the last, which no single path may lead to.
fn dig(root: &Path, name: &str, levels: usize) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut folder = rustix::fs::open(root, flags, Mode::empty()).unwrap();
    for _ in 0..levels {
        rustix::fs::mkdirat(&folder, name, Mode::from_raw_mode(0o755)).unwrap();
        folder = rustix::fs::openat(&folder, name, flags, Mode::empty()).unwrap();
    }
    let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
    rustix::fs::openat(&folder, "file", flags, Mode::from_raw_mode(0o644)).unwrap();
}

#[test]
fn what_matches_is_collected_in_path_order() {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in [("dist/b/deep", "1"), ("dist/a", "2"), ("other/a", "3"), ("dist.txt", "4")]
    {
        std::fs::create_dir_all(root.path().join(path).parent().unwrap()).unwrap();
        std::fs::write(root.path().join(path), text).unwrap();
    }
    std::os::unix::fs::symlink("a", root.path().join("dist/link")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", root.path().join("dist/out")).unwrap();
    let fifo = root.path().join("dist/fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0)
        .unwrap();
    assert!(fifo.metadata().unwrap().file_type().is_fifo());
    let entry = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    let expected = [entry("dist/a", "2"), entry("dist/b/deep", "1"), entry("dist/link", "")];
    assert_eq!(collected(root.path(), "dist").unwrap(), expected);
    for number in 0..10 {
        std::fs::write(root.path().join(format!("n{number}")), "").unwrap();
    }
    assert_eq!(collected(root.path(), "n*").unwrap().len(), 10, "as many as may be");
    assert_eq!(too_large(collected(root.path(), "**")), "entries");
}

#[test]
fn trees_deeper_than_any_build_are_refused() {
    let root = tempfile::tempdir().unwrap();
    dig(root.path(), "d", MOST_LEVELS - 1);
    assert_eq!(collected(root.path(), "**").unwrap().len(), 1);
    let root = tempfile::tempdir().unwrap();
    dig(root.path(), "d", MOST_LEVELS);
    assert_eq!(too_large(collected(root.path(), "**")), "levels of folders");
    let root = tempfile::tempdir().unwrap();
    dig(root.path(), &"d".repeat(255), 16);
    assert_eq!(too_large(collected(root.path(), "**")), "bytes of a path");
}

#[test]
fn a_folder_that_cannot_be_read_is_an_error_and_not_left_out() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("closed")).unwrap();
    std::fs::write(root.path().join("closed/file"), "text").unwrap();
    let close = |mode| std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(root.path().join("closed"), close(0o000)).unwrap();
    if rustix::process::geteuid().is_root() {
        // Root reads it all the same.
        assert_eq!(collected(root.path(), "**").unwrap().len(), 1);
    } else {
        let Err(Stop::Io { cause, path }) = collected(root.path(), "**") else {
            panic!("left out")
        };
        assert_eq!((cause.kind(), path), (io::ErrorKind::PermissionDenied, "closed".into()));
    }
    std::fs::set_permissions(root.path().join("closed"), close(0o755)).unwrap();
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    assert!(limit.current.is_none_or(|most| most > MOST_LEVELS as u64), "{limit:?}");
}

#[test]
fn a_file_that_became_shorter_is_an_error_and_not_a_shorter_entry() {
    let text = |left| {
        let mut text = String::new();
        Whole { file: &b"four"[..], left }.read_to_string(&mut text).map(|_| text)
    };
    assert_eq!(
        (text(4).unwrap(), text(2).unwrap(), text(0).unwrap()),
        ("four".to_owned(), "fo".to_owned(), String::new())
    );
    assert_eq!(text(5).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}
