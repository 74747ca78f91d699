//! A stream for a thread that reads.

use std::io::{self, Read};

use bytes::{Buf as _, Bytes};
use futures_util::StreamExt as _;
use matrix_architect_core::{
    Error,
    error::{ErrorKind, Result},
    traits::ByteStream,
};
use tokio::sync::{mpsc, oneshot};

/// The stream's pieces, one after the other. Dropped before its end, the stream is not read on.
#[derive(Debug)]
pub(crate) struct Incoming {
    receiver: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

/// Has a thread of its own read a stream. What the stream meets is the answer before what the thread
/// makes of a stream that was cut there.
///
/// Not one of the runtime's: whoever packs a tree has one of those until the last piece is taken, and
/// where they are all taken so, nobody would be left to take any.
pub(crate) async fn read_by_thread<T: Send + 'static>(
    mut stream: ByteStream,
    read: impl FnOnce(Incoming) -> Result<T> + Send + 'static,
) -> Result<T> {
    let (sender, receiver) = mpsc::channel(4);
    let (done, answer) = oneshot::channel();
    let reader = move || {
        // Nobody waits if the caller was dropped.
        let _ = done.send(read(Incoming { receiver, piece: Bytes::new() }));
    };
    std::thread::Builder::new().name("stream-reader".to_owned()).spawn(reader).map_err(
        |cause| Error::new(ErrorKind::Unavailable, "no thread to read a stream").source(cause),
    )?;
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
    let answer = answer.await.map_err(|source| {
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
