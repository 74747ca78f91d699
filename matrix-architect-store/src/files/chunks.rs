//! Cutting a stream of pieces into chunks of one size.

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use matrix_architect_core::{error::Result, traits::ByteStream};

use super::format::CHUNK;

/// A stream in chunks of [`CHUNK`] bytes, of which only the last may be shorter.
pub(super) struct Chunks {
    pieces: ByteStream,
    piece: Bytes,
    chunk: BytesMut,
}

impl Chunks {
    pub(super) fn of(pieces: ByteStream) -> Self {
        Self { pieces, piece: Bytes::new(), chunk: BytesMut::new() }
    }

    /// The next chunk; `None` at the end, never an empty one.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        while self.chunk.len() < CHUNK {
            if self.chunk.is_empty() && self.piece.len() >= CHUNK {
                return Ok(Some(self.piece.split_to(CHUNK)));
            }
            if self.piece.is_empty() {
                let Some(piece) = self.pieces.next().await else { break };
                self.piece = piece?;
            } else {
                let wanted = (CHUNK - self.chunk.len()).min(self.piece.len());
                self.chunk.extend_from_slice(&self.piece.split_to(wanted));
            }
        }
        Ok((!self.chunk.is_empty()).then(|| self.chunk.split().freeze()))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn chunks_are_full_but_the_last_and_nothing_is_lost(
            lengths in proptest::collection::vec(0_usize..2 * CHUNK, 0..4),
        ) {
            let whole = b"never the same at a distance of 1 MiB".repeat(180_000);
            let whole = &whole[..lengths.iter().sum()];
            let mut rest = Bytes::copy_from_slice(whole);
            let pieces: Vec<_> =
                lengths.iter().map(|length| Ok(rest.split_to(*length))).collect();
            let mut chunks = Chunks::of(ByteStream::new(stream::iter(pieces)));
            let mut cut = Vec::new();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            while let Some(chunk) = runtime.block_on(chunks.next()).unwrap() {
                cut.push(chunk);
            }
            prop_assert!(cut.iter().rev().skip(1).all(|chunk| chunk.len() == CHUNK));
            prop_assert!(cut.iter().all(|chunk| !chunk.is_empty()));
            prop_assert!(cut.concat() == whole);
        }
    }
}
