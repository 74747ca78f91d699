//! A changed tree as input of git-fast-import(1). Pure: archive in, text and bytes out.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{self, Read, Write},
};

use matrix_architect_core::{
    error::{Error, Result},
    path::RelPath,
};
use tar::EntryType;

/// The commit that is made.
#[derive(Clone, Debug)]
pub(super) struct Commit<'a> {
    /// The commit it stands on.
    pub(super) base: &'a str,
    /// `Name <address>`.
    pub(super) author: &'a str,
    /// Seconds since 1970, in UTC.
    pub(super) seconds: i64,
    /// The whole message.
    pub(super) message: &'a str,
    /// The folder of the repository that is the project.
    pub(super) subfolder: Option<&'a RelPath>,
    /// Submodules by path: the tree cannot tell their commits, so they stay as they are.
    pub(super) submodules: &'a BTreeMap<String, String>,
}

/// The branch the commit is made on, in our own repository.
pub(super) const BRANCH: &str = "refs/heads/publish";

/// Writes the commit of `tree`, a tar archive, to `out`.
///
/// # Errors
/// `Invalid` with code `hostile_tree` for anything in it that has no place in a commit.
pub(super) fn write(commit: &Commit<'_>, tree: impl Read, out: &mut impl Write) -> Result<()> {
    let text = head(commit);
    out.write_all(text.as_bytes()).map_err(unwritable)?;
    let mut archive = tar::Archive::new(tree);
    for entry in archive.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let kind = entry.header().entry_type();
        if matches!(kind, EntryType::Directory | EntryType::XGlobalHeader) {
            continue;
        }
        let path = place(commit, &entry.path_bytes())?;
        let Some(path) = path else { continue };
        let executable = entry.header().mode().unwrap_or(0) & 0o111 != 0;
        match kind {
            EntryType::Regular | EntryType::Continuous => {
                let mode = if executable { "100755" } else { "100644" };
                let size = entry.size();
                file(out, mode, &path, size).map_err(unwritable)?;
                let copied = io::copy(&mut entry, out).map_err(unreadable)?;
                if copied != size {
                    return Err(unreadable(io::ErrorKind::UnexpectedEof.into()));
                }
            }
            EntryType::Symlink => {
                let target = entry.link_name_bytes().ok_or_else(|| hostile("a link to nothing"))?;
                file(out, "120000", &path, target.len() as u64).map_err(unwritable)?;
                out.write_all(&target).map_err(unwritable)?;
            }
            _ => return Err(hostile("neither a file nor a symbolic link").context("path", &path)),
        }
        out.write_all(b"\n").map_err(unwritable)?;
    }
    out.write_all(b"done\n").map_err(unwritable)
}

fn head(commit: &Commit<'_>) -> String {
    let Commit { base, author, seconds, message, subfolder, submodules } = commit;
    let mut text = format!(
        "feature done\ncommit {BRANCH}\nauthor {author} {seconds} +0000\n\
         committer {author} {seconds} +0000\ndata {}\n{message}\nfrom {base}\n",
        message.len(),
    );
    match subfolder {
        Some(folder) => {
            let _ = writeln!(text, "D {}", quote(folder.as_str()));
        }
        None => text.push_str("deleteall\n"),
    }
    for (path, oid) in *submodules {
        let _ = writeln!(text, "M 160000 {oid} {}", quote(path));
    }
    text
}

/// Where an entry goes in the repository; `None` if it belongs to a submodule.
fn place(commit: &Commit<'_>, bytes: &[u8]) -> Result<Option<String>> {
    let text = std::str::from_utf8(bytes).map_err(|_| hostile("a path that is not UTF-8"))?;
    let path = RelPath::new(text.strip_prefix("./").unwrap_or(text))?;
    if path.components().any(|part| part.eq_ignore_ascii_case(".git")) {
        return Err(hostile("git's own folder").context("path", &path));
    }
    let path = match commit.subfolder {
        Some(folder) => format!("{folder}/{path}"),
        None => path.as_str().to_owned(),
    };
    let is_below = |root: &String| {
        path.strip_prefix(root.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    Ok(if commit.submodules.keys().any(is_below) { None } else { Some(path) })
}

fn file(out: &mut impl Write, mode: &str, path: &str, size: u64) -> io::Result<()> {
    write!(out, "M {mode} inline {}\ndata {size}\n", quote(path))
}

/// A path in double quotes; the other characters that would need care are in no [`RelPath`].
fn quote(path: &str) -> String {
    format!("\"{}\"", path.replace('"', "\\\""))
}

fn hostile(what: &'static str) -> Error {
    Error::invalid(format!("the changed tree was refused: {what}")).code("hostile_tree")
}

fn unreadable(source: io::Error) -> Error {
    Error::invalid("the changed tree is not a whole tar archive").code("bad_tree").source(source)
}

fn unwritable(source: io::Error) -> Error {
    crate::disk::failed(source, "the commit could not be written", &std::env::temp_dir())
}
