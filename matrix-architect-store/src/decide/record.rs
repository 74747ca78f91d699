//! Whether a record may be written.

use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    pipeline::Version,
    traits::RecordKey,
};

/// Whether a record whose version is `current` may be written by who expects `expected`.
pub(crate) fn put(
    key: &RecordKey,
    current: Option<Version>,
    expected: Option<Version>,
) -> Result<()> {
    if current == expected { Ok(()) } else { Err(moved(key, current, expected)) }
}

/// Whether a record whose version is `current` may be deleted by who expects `expected`.
pub(crate) fn delete(key: &RecordKey, current: Option<Version>, expected: Version) -> Result<()> {
    if current.is_none() {
        return Err(Error::not_found("no such record")
            .context("kind", &key.kind)
            .context("key", &key.key));
    }
    put(key, current, Some(expected))
}

fn moved(key: &RecordKey, current: Option<Version>, expected: Option<Version>) -> Error {
    let text = |version: Option<Version>| {
        version.map_or_else(|| "absent".to_owned(), |version| version.0.to_string())
    };
    Error::new(ErrorKind::Conflict, "the record's version moved")
        .code("version_moved")
        .context("kind", &key.kind)
        .context("key", &key.key)
        .context("expected", text(expected))
        .context("version", text(current))
        .advice("read the record and write it again")
}
