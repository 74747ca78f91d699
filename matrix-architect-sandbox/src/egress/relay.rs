//! Bytes from one side to the other, counted and watched.

use std::{
    io,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::Instant,
};

use super::ledger::{Direction, Ledger, Record};

/// How much is read at once.
const PIECE: usize = 32 << 10;

/// A reader with what was read too far.
#[derive(Debug)]
pub(super) struct Source<R> {
    reader: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Source<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, buffer: BytesMut::with_capacity(PIECE) }
    }

    async fn fill(&mut self) -> io::Result<usize> {
        self.buffer.reserve(PIECE);
        self.reader.read_buf(&mut self.buffer).await
    }

    /// Some bytes, at most so many; none at the end.
    pub(super) async fn piece(&mut self, most: usize) -> io::Result<Bytes> {
        if self.buffer.is_empty() {
            self.fill().await?;
        }
        Ok(self.buffer.split_to(self.buffer.len().min(most)).freeze())
    }

    /// Whether nothing ever came.
    pub(super) fn is_silent(&self) -> bool {
        self.buffer.is_empty()
    }

    /// A head up to its empty line, or `None` where the other side ended before the first byte.
    pub(super) async fn head(&mut self, most: usize) -> io::Result<Option<Bytes>> {
        let mut searched = 0_usize;
        loop {
            let from = searched.saturating_sub(3);
            if let Some(at) = find(&self.buffer[from..], b"\r\n\r\n") {
                return Ok(Some(self.buffer.split_to(from + at + 4).freeze()));
            }
            searched = self.buffer.len();
            if searched > most {
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the head is too long"));
            }
            if self.fill().await? == 0 {
                return match searched {
                    0 => Ok(None),
                    _ => Err(io::ErrorKind::UnexpectedEof.into()),
                };
            }
        }
    }

    /// A line without its CR LF.
    pub(super) async fn line(&mut self, most: usize) -> io::Result<Bytes> {
        loop {
            let end = self.buffer.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            match end {
                Some(end) if self.buffer[end..].starts_with(b"\r\n") => {
                    let line = self.buffer.split_to(end).freeze();
                    let _ = self.buffer.split_to(2);
                    return Ok(line);
                }
                Some(end) if self.buffer[end] == b'\n' || self.buffer.len() > end + 1 => {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "a line ends in something else than CR LF",
                    ));
                }
                _ if self.buffer.len() > most => {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is too long"));
                }
                _ => {}
            }
            if self.fill().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// One way of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flow<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) record: &'a Record,
    pub(super) direction: Direction,
    pub(super) activity: &'a Activity,
}

impl Flow<'_> {
    /// Writes bytes that may go.
    pub(super) async fn write(
        self,
        to: &mut (impl AsyncWrite + Unpin),
        bytes: &[u8],
    ) -> io::Result<()> {
        if !self.ledger.take(self.record, self.direction, bytes.len() as u64) {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        self.activity.stir();
        to.write_all(bytes).await?;
        self.activity.stir();
        Ok(())
    }

    /// Passes everything on and then tells the other side that this is all.
    pub(super) async fn all<R: AsyncRead + Unpin>(
        self,
        from: &mut Source<R>,
        to: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<()> {
        loop {
            let piece = from.piece(PIECE).await?;
            if piece.is_empty() {
                // A side that is gone has heard it.
                let _ = to.shutdown().await;
                return Ok(());
            }
            self.write(to, &piece).await?;
        }
    }
}

/// When a connection last moved.
#[derive(Debug)]
pub(super) struct Activity(Mutex<Instant>);

impl Activity {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    fn stir(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Returns when nothing has moved for so long.
    pub(super) async fn still_for(&self, long: Duration) {
        loop {
            let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner) + long;
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }
}
