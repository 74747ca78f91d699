//! An archive that was kept in a file, on its way out.

use std::fs::File;

use bytes::BytesMut;
use matrix_architect_core::{
    error::{Error, ErrorKind},
    traits::ByteStream,
};
use tokio::io::AsyncReadExt as _;

/// What a file holds from where it stands.
pub(crate) fn file_stream(file: File) -> ByteStream {
    let file = tokio::fs::File::from_std(file);
    ByteStream::new(futures_util::stream::try_unfold(file, |mut file| async {
        let mut piece = BytesMut::with_capacity(64 << 10);
        let read = file.read_buf(&mut piece).await.map_err(|cause| {
            Error::new(ErrorKind::Unavailable, "the archive broke off").source(cause)
        })?;
        Ok((read > 0).then(|| (piece.freeze(), file)))
    }))
}
