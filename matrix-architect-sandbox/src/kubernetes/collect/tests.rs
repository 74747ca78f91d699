//! Archives as a hostile `tar` would make them.

use super::*;

fn packed(build: impl FnOnce(&mut tar::Builder<File>)) -> File {
    let mut builder = tar::Builder::new(spool().unwrap());
    build(&mut builder);
    builder.into_inner().unwrap()
}

/// An entry with any name at all: the library refuses to write some of these.
fn entry(kind: EntryType, name: &str, link: &str, content: &[u8]) -> (tar::Header, Vec<u8>) {
    let mut header = header(kind, true);
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
    header.set_size(content.len() as u64);
    header.set_cksum();
    (header, content.to_vec())
}

fn kept(patterns: &[&str], entries: &[(tar::Header, Vec<u8>)]) -> Result<Vec<(String, String)>> {
    let file = packed(|builder| {
        for (header, content) in entries {
            builder.append(header, &content[..]).unwrap();
        }
    });
    let what = Collect::new(patterns.iter().copied());
    kept_of(file, &what)
}

fn kept_of(file: File, what: &Collect) -> Result<Vec<(String, String)>> {
    let globs = patterns(&what.patterns).unwrap();
    let mut archive = tar::Archive::new(rewrite(file, what, &globs)?);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        let link = entry.link_name().unwrap().map(|link| format!("-> {}", link.display()));
        (entry.path().unwrap().display().to_string(), link.unwrap_or(text))
    });
    Ok(entries.collect())
}

fn file(name: &str, content: &str) -> (tar::Header, Vec<u8>) {
    entry(EntryType::Regular, name, "", content.as_bytes())
}

#[test]
fn names_that_leave_the_tree_are_left_out() {
    let entries =
        ["/etc/passwd", "../up", "a/../../b", "./a", "a/./b", "."].map(|name| file(name, "x"));
    let kept = kept(&["**"], &entries).unwrap();
    assert_eq!(kept, [("a".to_owned(), "x".to_owned()), ("a/b".to_owned(), "x".to_owned())]);
}

#[test]
fn links_that_leave_the_tree_and_what_is_no_file_are_left_out() {
    let entries = vec![
        entry(EntryType::Symlink, "out", "/etc/passwd", b""),
        entry(EntryType::Symlink, "up", "../x", b""),
        entry(EntryType::Symlink, "in", "deep/x", b""),
        entry(EntryType::Link, "hard", "/etc/passwd", b""),
        entry(EntryType::Char, "device", "", b""),
        entry(EntryType::Fifo, "pipe", "", b""),
        entry(EntryType::Directory, "folder", "", b""),
    ];
    assert_eq!(kept(&["**"], &entries).unwrap(), [("in".to_owned(), "-> deep/x".to_owned())]);
}

#[test]
fn only_what_was_named_comes_out_and_once() {
    let entries = vec![file("b", "1"), file("a", "2"), file("c", "3"), file("a", "later")];
    let kept = kept(&["a", "b"], &entries).unwrap();
    assert_eq!(kept, [("a".to_owned(), "2".to_owned()), ("b".to_owned(), "1".to_owned())]);
}

#[test]
fn a_second_name_has_the_content_of_the_first() {
    let entries = vec![file("./first", "same"), entry(EntryType::Link, "./second", "./first", b"")];
    let kept = kept(&["second", "first"], &entries).unwrap();
    assert_eq!(
        kept,
        [("first".to_owned(), "same".to_owned()), ("second".to_owned(), "same".to_owned())]
    );
}

#[test]
fn more_than_was_asked_for_is_refused() {
    let many = || (0..5).map(|number| file(&format!("f{number}"), "12345678")).collect::<Vec<_>>();
    let mut what = Collect::new(["**"]);
    let archive = || {
        packed(|builder| {
            for (header, content) in many() {
                builder.append(&header, &content[..]).unwrap();
            }
        })
    };
    assert_eq!(kept_of(archive(), &what).unwrap().len(), 5);
    what.max_bytes = 39;
    assert_eq!(kept_of(archive(), &what).unwrap_err().code_str(), "too_large");
    what.max_bytes = 40;
    what.max_entries = 4;
    assert_eq!(kept_of(archive(), &what).unwrap_err().code_str(), "too_large");
}

#[test]
fn a_size_that_is_a_lie_is_an_error_and_no_hang() {
    let (mut header, content) = file("a", "short");
    header.set_size(1 << 40);
    header.set_cksum();
    let mut what = Collect::new(["**"]);
    what.max_bytes = u64::MAX;
    let lie = packed(|builder| builder.append(&header, &content[..]).unwrap());
    assert_eq!(kept_of(lie, &what).unwrap_err().code_str(), "no_archive");
}

#[test]
fn what_is_no_archive_is_an_error() {
    use std::io::Write as _;
    let mut noise = spool().unwrap();
    noise.write_all(&[b'x'; 4096]).unwrap();
    let error = kept_of(noise, &Collect::new(["**"])).unwrap_err();
    assert_eq!(error.code_str(), "no_archive");
}
