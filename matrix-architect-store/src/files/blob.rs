//! Reading content, and never serving what is damaged.

use std::{
    fs::File,
    io::{ErrorKind as IoKind, Result as IoResult},
    ops::Range,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use futures_util::stream;
use matrix_architect_core::{
    error::{Error, Result},
    id::{Digest, DigestHasher},
    traits::{ByteStream, ScrubReport},
};

use super::{
    fault,
    format::{self, CHUNK, Codec, RECORD, Record, TRAILER},
    place::{self, Place},
};
use crate::blocking::blocking;

/// A file that is being read; what it holds stays readable when it is deleted meanwhile.
#[derive(Debug)]
pub(super) struct Blob {
    path: PathBuf,
    file: File,
    digest: Digest,
    size: u64,
    chunks: Vec<Stored>,
}

/// Where a chunk begins in the file, and its record.
type Stored = (u64, Record);

impl Blob {
    /// Opens the file and reads its table; `None` if there is no such file.
    pub(super) fn open(path: &Path, digest: Digest) -> Result<Option<Self>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(source) if source.kind() == IoKind::NotFound => return Ok(None),
            Err(source) => return Err(fault::at(path, "cannot open the artifact", source)),
        };
        let (size, chunks) = table(&file)
            .map_err(|source| fault::at(path, "cannot read the artifact", source))?
            .ok_or_else(|| fault::damaged(path, "a broken table of chunks"))?;
        Ok(Some(Self { path: path.to_owned(), file, digest, size, chunks }))
    }

    /// Bytes of content.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// The content, or a range of it that is cut to what there is.
    pub(super) fn read(self, range: Option<Range<u64>>) -> Result<ByteStream> {
        let range = range.unwrap_or(0..self.size);
        if range.start > self.size || range.end < range.start {
            return Err(Error::invalid("the range is not within the artifact")
                .context("range", format!("{}..{}", range.start, range.end))
                .context("size", self.size));
        }
        let reader = Reader::new(self, range);
        let pieces = stream::try_unfold(reader, |mut reader| {
            blocking(move || Ok(reader.next()?.map(|piece| (piece, reader))))
        });
        Ok(ByteStream::new(pieces))
    }

    /// Reads all of it and compares.
    pub(super) fn check(self) -> Result<()> {
        let size = self.size;
        let mut reader = Reader::new(self, 0..size);
        while reader.next()?.is_some() {}
        Ok(())
    }

    fn chunk(&self, index: usize) -> Result<Bytes> {
        let (offset, record) = self.chunks[index];
        let mut stored = vec![0; record.stored as usize];
        self.file
            .read_exact_at(&mut stored, offset)
            .map_err(|source| fault::at(&self.path, "cannot read the artifact", source))?;
        if format::checksum(&stored) != record.checksum {
            return Err(fault::damaged(&self.path, "a chunk with a wrong checksum"));
        }
        let length = (self.size - (index * CHUNK) as u64).min(CHUNK as u64);
        let content = match record.codec {
            Codec::Plain => Some(stored),
            Codec::Zstd => zstd::bulk::decompress(&stored, CHUNK).ok(),
        };
        content
            .filter(|content| content.len() as u64 == length)
            .map(Bytes::from)
            .ok_or_else(|| fault::damaged(&self.path, "a chunk that cannot be unpacked"))
    }
}

/// The size of the content and where its chunks are; `None` if that makes no sense.
fn table(file: &File) -> IoResult<Option<(u64, Vec<Stored>)>> {
    let length = file.metadata()?.len();
    let Some(trailer_at) = length.checked_sub(TRAILER as u64) else { return Ok(None) };
    let mut trailer = [0; TRAILER];
    file.read_exact_at(&mut trailer, trailer_at)?;
    let Some((size, count)) = format::trailer(&trailer) else { return Ok(None) };
    // A damaged count must not become a huge allocation.
    let table_at = count.checked_mul(RECORD as u64).and_then(|table| trailer_at.checked_sub(table));
    let Some(table_at) = table_at else { return Ok(None) };
    let mut table = vec![0; usize::try_from(length - table_at).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut table, table_at)?;
    let Some(records) = format::decode(&table) else { return Ok(None) };
    let mut chunks = Vec::with_capacity(records.len());
    let mut offset = 0;
    for record in records {
        chunks.push((offset, record));
        offset += u64::from(record.stored);
    }
    Ok((offset == table_at).then_some((size, chunks)))
}

/// Reads a range chunk by chunk.
struct Reader {
    blob: Arc<Blob>,
    range: Range<u64>,
    /// Hashes whole content; a range is checked by its chunks' checksums alone.
    hasher: Option<DigestHasher>,
}

impl Reader {
    fn new(blob: Blob, range: Range<u64>) -> Self {
        let range = range.start..range.end.min(blob.size);
        let whole = range == (0..blob.size);
        Self { hasher: whole.then(Digest::hasher), blob: Arc::new(blob), range }
    }

    /// The next piece. The last one comes only if the whole is right.
    fn next(&mut self) -> Result<Option<Bytes>> {
        if self.range.is_empty() {
            return self.compare().map(|()| None);
        }
        let (start, chunk) = (self.range.start, CHUNK as u64);
        let index = usize::try_from(start / chunk).unwrap_or(usize::MAX);
        let mut piece = self.blob.chunk(index)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&piece);
        }
        let end = self.range.end.min((start / chunk + 1) * chunk);
        let within = |place: u64| usize::try_from(place - start / chunk * chunk).unwrap_or(0);
        piece = piece.slice(within(start)..within(end));
        self.range.start = end;
        if self.range.is_empty() {
            self.compare()?;
        }
        Ok(Some(piece))
    }

    fn compare(&mut self) -> Result<()> {
        match self.hasher.take().map(DigestHasher::finish) {
            Some(digest) if digest != self.blob.digest => {
                Err(fault::damaged(&self.blob.path, "content with another digest"))
            }
            _ => Ok(()),
        }
    }
}

/// Reads every artifact of every tenant.
pub(super) fn scrub(place: &Place) -> Result<ScrubReport> {
    let mut report = ScrubReport::default();
    for tenant in place::entries(&place.tenants())? {
        for shard in place::entries(&tenant)? {
            for path in place::entries(&shard)? {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let Ok(digest) = format!("sha256:{name}").parse() else {
                    tracing::warn!(path = %path.display(), "a file that is no artifact");
                    continue;
                };
                match Blob::open(&path, digest).and_then(|blob| blob.map(Blob::check).transpose()) {
                    // It was deleted meanwhile.
                    Ok(None) => continue,
                    Ok(Some(())) => {}
                    Err(error) if error.code_str() == "damaged_artifact" => {
                        tracing::warn!(%digest, path = %path.display(), "a damaged artifact");
                        report.corrupt.push(digest);
                    }
                    Err(error) => return Err(error),
                }
                report.checked += 1;
            }
        }
    }
    Ok(report)
}
