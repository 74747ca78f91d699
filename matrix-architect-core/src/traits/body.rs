//! Bytes on their way.

use std::{
    fmt::{self, Debug},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};

use crate::error::{Error, ErrorKind, Result};

/// Bytes that come in pieces. After an error nothing more comes.
pub struct ByteStream(Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>);

impl ByteStream {
    /// A stream of pieces.
    pub fn new(pieces: impl Stream<Item = Result<Bytes>> + Send + 'static) -> Self {
        Self(Box::pin(pieces))
    }

    /// A stream of one piece that is at hand.
    pub fn once(bytes: impl Into<Bytes>) -> Self {
        Self::new(stream::iter([Ok(bytes.into())]))
    }

    /// All pieces together.
    ///
    /// # Errors
    /// `Invalid` with code `too_large` beyond `cap` bytes, or whatever the stream meets.
    pub async fn collect(mut self, cap: usize) -> Result<Bytes> {
        let mut all = Vec::new();
        while let Some(piece) = self.next().await {
            let piece = piece?;
            if all.len() + piece.len() > cap {
                return Err(Error::new(ErrorKind::Invalid, "the content is too large")
                    .code("too_large")
                    .context("cap", cap));
            }
            all.extend_from_slice(&piece);
        }
        Ok(all.into())
    }
}

impl Stream for ByteStream {
    type Item = Result<Bytes>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl Debug for ByteStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByteStream(..)")
    }
}

/// Bytes that can be read from the start more than once, so that a failed upload can be repeated.
pub trait Body: Debug + Send + Sync {
    /// A stream from the start.
    fn open(&self) -> ByteStream;
}

impl Body for Bytes {
    fn open(&self) -> ByteStream {
        ByteStream::once(self.clone())
    }
}

impl Body for Vec<u8> {
    fn open(&self) -> ByteStream {
        ByteStream::once(self.clone())
    }
}

impl Body for String {
    fn open(&self) -> ByteStream {
        ByteStream::once(self.clone())
    }
}
