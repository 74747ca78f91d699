//! How content is laid out in a file.
//!
//! ```text
//! chunk*  record*  trailer
//! record  = stored length (u32) | codec (u32) | checksum of the stored bytes (u64)
//! trailer = content length (u64) | records (u64) | checksum of all records and the two (u64)
//!           | "MxArtif1"
//! ```
//!
//! Numbers are little-endian. The table stands at the end so that a file is written in one go. A
//! checksum is CRC-64/XZ: it finds every change of up to three bits and every burst up to 64 bits;
//! against anything else stands the SHA-256 in the file's name.

use crc::{CRC_64_XZ, Crc, Table};

/// Bytes of content in a chunk; only the last may have fewer.
pub(super) const CHUNK: usize = 1 << 20;
/// Bytes of a record.
pub(super) const RECORD: usize = 16;
/// Bytes of the trailer.
pub(super) const TRAILER: usize = 32;

const MAGIC: &[u8; 8] = b"MxArtif1";
static CRC: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_XZ);

/// The checksum of stored bytes.
pub(super) fn checksum(bytes: &[u8]) -> u64 {
    CRC.checksum(bytes)
}

/// How a chunk is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    /// As it is.
    Plain,
    /// As one frame of Zstandard ([RFC 8878](https://www.rfc-editor.org/rfc/rfc8878)).
    Zstd,
}

/// One chunk's entry in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) stored: u32,
    pub(super) codec: Codec,
    pub(super) checksum: u64,
}

impl Record {
    fn encode(self) -> [u8; RECORD] {
        let codec: u32 = match self.codec {
            Codec::Plain => 0,
            Codec::Zstd => 1,
        };
        let mut bytes = [0; RECORD];
        bytes[..4].copy_from_slice(&self.stored.to_le_bytes());
        bytes[4..8].copy_from_slice(&codec.to_le_bytes());
        bytes[8..].copy_from_slice(&self.checksum.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let codec = match u32_at(bytes, 4)? {
            0 => Codec::Plain,
            1 => Codec::Zstd,
            _ => return None,
        };
        Some(Self { stored: u32_at(bytes, 0)?, codec, checksum: u64_at(bytes, 8)? })
    }
}

/// The table and the trailer of content with these chunks.
pub(super) fn encode(records: &[Record], size: u64) -> Vec<u8> {
    let mut bytes: Vec<u8> = records.iter().flat_map(|record| record.encode()).collect();
    bytes.extend(size.to_le_bytes());
    bytes.extend((records.len() as u64).to_le_bytes());
    bytes.extend(checksum(&bytes).to_le_bytes());
    bytes.extend(MAGIC);
    bytes
}

/// How many bytes of content and how many records a trailer speaks of.
pub(super) fn trailer(bytes: &[u8; TRAILER]) -> Option<(u64, u64)> {
    let parts = (u64_at(bytes, 0)?, u64_at(bytes, 8)?);
    (bytes.ends_with(MAGIC) && parts.1 == parts.0.div_ceil(CHUNK as u64)).then_some(parts)
}

/// The records of a table with its trailer.
pub(super) fn decode(table: &[u8]) -> Option<Vec<Record>> {
    let (summed, tail) = table.split_at_checked(table.len().checked_sub(TRAILER - 16)?)?;
    if u64_at(tail, 0)? != checksum(summed) || !tail.ends_with(MAGIC) {
        return None;
    }
    let records = &summed[..summed.len().checked_sub(16)?];
    records.chunks(RECORD).map(Record::decode).collect()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}
