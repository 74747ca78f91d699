//! Streams for a thread that reads.

use std::{
    fmt::Debug,
    io::{self, Read},
    pin::Pin,
};

use bytes::{Buf as _, Bytes};
use futures_util::{Stream, StreamExt as _};
use tokio::runtime::Handle;

type Pieces<E> = Pin<Box<dyn Stream<Item = Result<Bytes, E>> + Send>>;

/// A stream whose pieces are waited for by the thread that reads it, which must not be one that
/// drives a runtime. What the stream fails with is inside the reader's error.
pub(super) struct Pulled<E> {
    handle: Handle,
    stream: Pieces<E>,
    piece: Bytes,
}

impl<E> Debug for Pulled<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pulled(..)")
    }
}

impl<E> Pulled<E> {
    /// A stream of the runtime that this is called in.
    pub(super) fn new(stream: impl Stream<Item = Result<Bytes, E>> + Send + 'static) -> Self {
        Self::by(Handle::current(), stream)
    }

    pub(super) fn by(
        handle: Handle,
        stream: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    ) -> Self {
        Self { handle, stream: Box::pin(stream), piece: Bytes::new() }
    }
}

impl<E: std::error::Error + Send + Sync + 'static> Read for Pulled<E> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.handle.block_on(self.stream.next()) {
                Some(piece) => self.piece = piece.map_err(io::Error::other)?,
                None => return Ok(0),
            }
        }
        let count = self.piece.len().min(buffer.len());
        self.piece.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}
