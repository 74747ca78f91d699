//! Streams that a thread writes.

use std::io::{self, Write};

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use matrix_architect_core::{Error, error::Result, traits::ByteStream};
use tokio::sync::mpsc;

const PIECE: usize = 64 * 1024;

/// What the thread sends; without `End` the stream is cut.
enum Message {
    Piece(Bytes),
    Failed(Error),
    End,
}

/// What `write` writes, as a stream. It runs on a thread of its own, and its writer fails as soon
/// as the stream is dropped.
pub(crate) fn written(
    write: impl FnOnce(&mut Pieces) -> Result<()> + Send + 'static,
) -> ByteStream {
    let (sender, mut receiver) = mpsc::channel(4);
    tokio::task::spawn_blocking(move || {
        let mut pieces = Pieces { sender, buffer: BytesMut::with_capacity(PIECE) };
        let last = match write(&mut pieces) {
            Ok(()) => Message::End,
            Err(error) => Message::Failed(error),
        };
        // Nobody listens any more if the stream was dropped.
        let _ = pieces.sender.blocking_send(last);
    });
    let mut ended = false;
    ByteStream::new(stream::poll_fn(move |cx| {
        if ended {
            return std::task::Poll::Ready(None);
        }
        receiver.poll_recv(cx).map(|message| match message {
            Some(Message::Piece(piece)) => Some(Ok(piece)),
            Some(Message::End) => {
                ended = true;
                None
            }
            Some(Message::Failed(error)) => {
                ended = true;
                Some(Err(error))
            }
            None => {
                ended = true;
                Some(Err(Error::unexpected("the thread that writes a stream ended early")))
            }
        })
    }))
}

/// Collects what is written into pieces and sends them off. To be flushed at the end.
#[derive(Debug)]
pub(crate) struct Pieces {
    sender: mpsc::Sender<Message>,
    buffer: BytesMut,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = self.buffer.split().freeze();
        self.sender
            .blocking_send(Message::Piece(piece))
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}
