//! A stream for a thread that reads.

use std::io::{self, Read};

use bytes::{Buf as _, Bytes};
use futures_util::StreamExt as _;
use matrix_architect_core::{Error, error::Result, traits::ByteStream};
use tokio::sync::mpsc;

/// The stream's pieces, one after the other. Dropped before its end, the stream is not read on.
#[derive(Debug)]
pub(crate) struct Incoming {
    receiver: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

/// Has a thread that may block read a stream. What the stream meets is the answer before what the
/// thread makes of a stream that was cut there.
pub(crate) async fn read_by_thread<T: Send + 'static>(
    mut stream: ByteStream,
    read: impl FnOnce(Incoming) -> Result<T> + Send + 'static,
) -> Result<T> {
    let (sender, receiver) = mpsc::channel(4);
    let reader =
        tokio::task::spawn_blocking(move || read(Incoming { receiver, piece: Bytes::new() }));
    let mut failed = None;
    while let Some(piece) = stream.next().await {
        match piece {
            Ok(piece) => {
                // A reader that stopped has its answer already.
                if sender.send(piece).await.is_err() {
                    break;
                }
            }
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    drop(sender);
    let answer = reader.await.map_err(|source| {
        Error::unexpected("the reading of a stream did not end").source(source)
    })?;
    failed.map_or(answer, Err)
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let count = self.piece.len().min(buffer.len());
        self.piece.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}
