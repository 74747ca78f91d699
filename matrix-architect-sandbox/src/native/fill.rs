//! Fills a session's tree, in which nothing runs yet.
//!
//! The session hands over the folder and the server writes into it, so that no process has to be made and
//! confined for that. The kernel resolves every path beneath the folder and follows no link. What is made
//! is given to the commands' user, in the space that bounds it.

use std::{
    io::{self, Read},
    os::fd::OwnedFd,
    sync::Arc,
};

use bytes::BytesMut;
use futures_util::{StreamExt as _, stream};
use matrix_architect_core::{
    error::{Error, Result},
    path::RelPath,
    traits::ByteStream,
};

use super::{fault::Fault, root::TREE};
use crate::workspace::{Archive, Beneath, MemberKind, TreeWriter, cut, read_by_thread};

/// Bytes of an archive that is written by whoever has it: a small file or two, which go into memory sooner
/// than a thread that may block would be woken.
const AT_ONCE: usize = 4 << 10;

/// Writes a packed tree into a folder, and gives it all to a user.
pub(super) async fn fill(folder: OwnedFd, user: Option<u32>, mut packed: ByteStream) -> Result<()> {
    let folder = Beneath::opened(folder, TREE.into(), user);
    let mut first = BytesMut::new();
    while let Some(piece) = packed.next().await.transpose()? {
        first.extend_from_slice(&piece);
        if first.len() > AT_ONCE {
            let all = stream::once(std::future::ready(Ok(first.freeze()))).chain(packed);
            return read_by_thread(ByteStream::new(all), move |packed| write(&folder, packed))
                .await;
        }
    }
    write(&folder, &first[..])
}

/// What may be in a tree is for those to say who make one; here it is only written where it belongs.
fn write(folder: &Arc<Beneath>, packed: impl Read) -> Result<()> {
    let mut writer = TreeWriter::new(Arc::clone(folder));
    let mut archive = Archive::new(packed);
    while let Some(member) = archive.next()? {
        let Some(path) = member.tree_path()? else { continue };
        match member.kind {
            MemberKind::Folder => {
                folder.make_folder(path.as_str()).map_err(|cause| failed(&cause.into(), &path))?;
            }
            MemberKind::File { executable, size } => {
                let mut file =
                    writer.file(&path, executable).map_err(|cause| failed(&cause, &path))?;
                archive.copy(size, &mut file).map_err(|cause| match cause.kind() {
                    io::ErrorKind::UnexpectedEof => cut(cause),
                    _ => failed(&cause, &path),
                })?;
            }
            MemberKind::Symlink { target } => {
                writer.link(&path, &target).map_err(|cause| failed(&cause, &path))?;
            }
        }
    }
    Ok(())
}

fn failed(cause: &io::Error, path: &RelPath) -> Error {
    Fault::new("unpacking the tree", cause).on(path).into_error()
}

#[cfg(test)]
mod tests;
