//! What will be deployed: what the base's rules collect from the sandbox after the checks, else the
//! changed tree itself. Never what a build happened to leave behind.

use std::io::SeekFrom;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use matrix_architect_core::{
    error::{Error, Result},
    traits::{ByteStream, Collect, Tree},
};
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _},
};

use super::{room::Room, rules::ReleaseRules};

const PIECE: usize = 64 << 10;

/// The release, as a tar archive that outlives the session it was built in.
pub(super) async fn bundle(
    release: &ReleaseRules,
    tree: &dyn Tree,
    room: &Room<'_>,
) -> Result<ByteStream> {
    if release.include.is_empty() {
        return tree.pack().await;
    }
    let mut what = Collect::new(&release.include);
    what.max_bytes = release.max_bytes.unwrap_or(what.max_bytes);
    let include = release.include.join(" ");
    let (file, first) = spool(room.collect(&what).await?)
        .await
        .map_err(|error| error.operation("verify.bundle").context("include", &include))?;
    // An archive without an entry is nothing but zeros.
    if first.iter().all(|byte| *byte == 0) {
        return Err(Error::invalid("nothing in the sandbox matches the release's rules")
            .code("empty_release")
            .context("include", include)
            .advice("correct [release] include in .matrix/architect.toml on the base branch"));
    }
    Ok(stream(file))
}

/// Copies a stream to a file without a name and returns it with its first block.
async fn spool(mut archive: ByteStream) -> Result<(File, Bytes)> {
    let io = |source: std::io::Error| {
        Error::new(matrix_architect_core::ErrorKind::Unavailable, "the release cannot be kept")
            .advice("see that the temporary folder has room")
            .source(source)
    };
    let mut file = File::from_std(tempfile::tempfile().map_err(io)?);
    let mut first = Vec::new();
    while let Some(piece) = archive.next().await {
        let piece = piece?;
        let missing = 512_usize.saturating_sub(first.len()).min(piece.len());
        first.extend_from_slice(&piece[..missing]);
        file.write_all(&piece).await.map_err(io)?;
    }
    file.flush().await.map_err(io)?;
    file.seek(SeekFrom::Start(0)).await.map_err(io)?;
    Ok((file, first.into()))
}

fn stream(file: File) -> ByteStream {
    ByteStream::new(stream::try_unfold(file, |mut file| async move {
        let mut piece = vec![0; PIECE];
        let read = file.read(&mut piece).await.map_err(|source| {
            Error::unexpected("the release cannot be read back").source(source)
        })?;
        piece.truncate(read);
        Ok((read > 0).then(|| (Bytes::from(piece), file)))
    }))
}
