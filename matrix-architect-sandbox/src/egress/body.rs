//! Where a body ends, and passing it on up to there and not a byte further.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

use super::relay::{Flow, Source};

/// The longest line of a chunk's size or of a trailer.
const MAX_LINE: usize = 4096;

/// The longest sum of trailers.
const MAX_TRAILERS: usize = 16 << 10;

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none.
    Empty,
    /// After so many bytes.
    Length(u64),
    /// In chunks (RFC 9112, section 7.1).
    Chunked,
    /// With the connection; answers only.
    UntilEnd,
}

impl Framing {
    /// The header field that says so.
    pub(super) fn field(self) -> String {
        match self {
            Self::Empty | Self::UntilEnd => String::new(),
            Self::Length(length) => format!("content-length: {length}\r\n"),
            Self::Chunked => "transfer-encoding: chunked\r\n".to_owned(),
        }
    }

    /// Passes a body on. Chunks are written anew; their extensions and the trailers stay behind.
    pub(super) async fn pass_on<R, W>(
        self,
        from: &mut Source<R>,
        to: &mut W,
        flow: Flow<'_>,
    ) -> io::Result<()>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        match self {
            Self::Empty => Ok(()),
            Self::Length(length) => exactly(length, from, to, flow).await,
            Self::UntilEnd => flow.all(from, to).await,
            Self::Chunked => chunks(from, to, flow).await,
        }
    }
}

async fn exactly<R, W>(
    mut left: u64,
    from: &mut Source<R>,
    to: &mut W,
    flow: Flow<'_>,
) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(usize::MAX);
        let piece = from.piece(most).await?;
        if piece.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        left -= piece.len() as u64;
        flow.write(to, &piece).await?;
    }
    Ok(())
}

async fn chunks<R, W>(from: &mut Source<R>, to: &mut W, flow: Flow<'_>) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    loop {
        let size = size(&from.line(MAX_LINE).await?)?;
        if size == 0 {
            trailers(from).await?;
            flow.write(to, b"0\r\n\r\n").await?;
            return to.flush().await;
        }
        flow.write(to, format!("{size:x}\r\n").as_bytes()).await?;
        exactly(size, from, to, flow).await?;
        if !from.line(2).await?.is_empty() {
            return Err(malformed("a chunk is longer than its size"));
        }
        flow.write(to, b"\r\n").await?;
    }
}

/// Reads trailers up to the empty line.
async fn trailers<R: AsyncRead + Unpin>(from: &mut Source<R>) -> io::Result<()> {
    let mut read = 0;
    loop {
        let line = from.line(MAX_LINE).await?;
        if line.is_empty() {
            return Ok(());
        }
        read += line.len();
        if read > MAX_TRAILERS {
            return Err(malformed("the trailers are too long"));
        }
    }
}

/// A chunk's size: up to 16 hexadecimal digits, then perhaps extensions, which stay behind.
fn size(line: &[u8]) -> io::Result<u64> {
    let end = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
    let (digits, rest) = line.split_at(end);
    let extension = rest.trim_ascii_start();
    let visible = extension.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
    if !(1..=16).contains(&digits.len())
        || !(extension.is_empty() || extension[0] == b';')
        || !visible
    {
        return Err(malformed("a chunk's size is not a number"));
    }
    let text = std::str::from_utf8(digits).unwrap_or_default();
    u64::from_str_radix(text, 16).map_err(|_| malformed("a chunk's size is not a number"))
}

fn malformed(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn a_size_is_hexadecimal_digits_and_nothing_else() {
        assert_eq!(size(b"1aF").unwrap(), 0x1af);
        assert_eq!(size(b"0;name=\"value\"").unwrap(), 0);
        assert_eq!(size(b"5 ; a").unwrap(), 5);
        for wrong in
            [&b""[..], b"0x5", b"+5", b"-1", b"5 5", b" 5", b"5,", b"11111111111111111", b"5;\x01"]
        {
            assert!(size(wrong).is_err(), "{wrong:?}");
        }
    }
}
