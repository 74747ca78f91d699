//! What happened at a target, one line each, for people and for the next deployer.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
};

use matrix_architect_core::{error::Result, tenant::JobRef, time::Timestamp, traits::Fence};
use serde::{Deserialize, Serialize};

use crate::disk;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Happening {
    /// A deployment is about to go live.
    Intended,
    /// It is live and healthy.
    Applied,
    /// It was not healthy, or was broken off, and was taken back.
    Failed,
    /// It was taken back on request.
    RolledBack,
}

/// A line of the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) at: Timestamp,
    pub(super) number: u64,
    pub(super) version: String,
    pub(super) happening: Happening,
    /// What serves afterwards.
    pub(super) serving: Option<String>,
    pub(super) job: JobRef,
    pub(super) fence: Fence,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) detail: String,
}

/// Adds a line, durably. What a crash left of a half-written one is cut off first.
pub(super) fn append(path: &Path, entry: &Entry) -> Result<()> {
    let failed = |e| disk::failed(e, "the history could not be written", path);
    let mut line = serde_json::to_vec(entry)
        .map_err(|e| disk::failed(e.into(), "the history could not be written", path))?;
    line.push(b'\n');
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(failed)?;
    let end = whole_lines(&mut file).map_err(failed)?;
    let written = file
        .seek(SeekFrom::Start(end))
        .and_then(|_| file.write_all(&line))
        .and_then(|()| file.sync_all());
    written.map_err(|error| {
        let _ = file.set_len(end);
        failed(error)
    })
}

/// The highest number of a deployment that was ever announced; 0 if there was none. Each is announced
/// with a higher number than all before it, so the last announcement tells.
pub(super) fn last_number(path: &Path) -> Result<u64> {
    let Some(history) = disk::read(path)? else { return Ok(0) };
    let entries = history.rsplit(|byte| *byte == b'\n');
    let mut entries = entries.filter_map(|line| serde_json::from_slice::<Entry>(line).ok());
    let announced = entries.find(|entry| entry.happening == Happening::Intended);
    Ok(announced.map_or(0, |entry| entry.number))
}

/// Cuts the file after its last whole line and returns its length.
fn whole_lines(file: &mut File) -> std::io::Result<u64> {
    let length = file.metadata()?.len();
    let tail = length.min(1 << 16);
    file.seek(SeekFrom::Start(length - tail))?;
    let mut bytes = Vec::new();
    file.take(tail).read_to_end(&mut bytes)?;
    let torn = bytes.iter().rev().take_while(|byte| **byte != b'\n').count() as u64;
    if torn > 0 {
        file.set_len(length - torn)?;
    }
    Ok(length - torn)
}

#[cfg(test)]
mod tests {
    use matrix_architect_core::fake::job_ref;

    use super::*;

    fn entry(number: u64) -> Entry {
        Entry {
            at: Timestamp::default(),
            number,
            version: "v".to_owned(),
            happening: Happening::Applied,
            serving: None,
            job: job_ref(1),
            fence: Fence(1),
            detail: String::new(),
        }
    }

    #[test]
    fn a_line_torn_by_a_crash_is_cut_off_and_counts_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        append(&path, &entry(1)).unwrap();
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&whole[..], b"{\"at\":\"2025-"].concat()).unwrap();
        append(&path, &entry(2)).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let announced = Entry { happening: Happening::Intended, ..entry(7) };
        append(&path, &announced).unwrap();
        append(&path, &entry(2)).unwrap();
        std::fs::write(&path, [&std::fs::read(&path).unwrap()[..], b"{\"at\":"].concat()).unwrap();
        assert_eq!(last_number(&path).unwrap(), 7, "a later line is about an earlier one");
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(last_number(&path).unwrap(), 0, "nothing was announced");
        let numbers: Vec<u64> =
            text.lines().map(|line| serde_json::from_str::<Entry>(line).unwrap().number).collect();
        assert_eq!(numbers, [1, 2]);
    }
}
