//! How large a tree and a change may be.

use matrix_architect_core::{
    Error,
    error::{ErrorKind, Result},
};
use serde::{Deserialize, Serialize};

/// Caps on what is unpacked, checked out and applied. Beyond one, the call fails with code
/// `too_large` and nothing is kept.
///
/// ```
/// use matrix_architect_sandbox::workspace::TreeLimits;
///
/// let limits = TreeLimits { max_entries: 1_000, ..TreeLimits::default() };
/// assert_eq!(limits.max_file_bytes, 1 << 30);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TreeLimits {
    /// Files and links of a tree. Default 500,000.
    pub max_entries: u64,
    /// Bytes of all files of a tree. Default 8 GiB.
    pub max_bytes: u64,
    /// Bytes of one file. Default 1 GiB.
    pub max_file_bytes: u64,
    /// Operations of one plan. Default 10,000.
    pub max_operations: u64,
    /// Bytes a plan writes. Default 256 MiB; they are held in memory.
    pub max_change_bytes: u64,
}

impl Default for TreeLimits {
    fn default() -> Self {
        Self {
            max_entries: 500_000,
            max_bytes: 8 << 30,
            max_file_bytes: 1 << 30,
            max_operations: 10_000,
            max_change_bytes: 256 << 20,
        }
    }
}

impl TreeLimits {
    /// Checks that no cap is zero.
    ///
    /// # Errors
    /// `Invalid`, naming the field.
    pub fn validate(&self) -> Result<()> {
        let fields = [
            ("max_entries", self.max_entries),
            ("max_bytes", self.max_bytes),
            ("max_file_bytes", self.max_file_bytes),
            ("max_operations", self.max_operations),
            ("max_change_bytes", self.max_change_bytes),
        ];
        match fields.iter().find(|(_, value)| *value == 0) {
            None => Ok(()),
            Some((field, _)) => {
                Err(Error::invalid("the limit must be above zero").context("field", field))
            }
        }
    }
}

/// What is left of the limits while a tree is being written.
#[derive(Debug)]
pub(super) struct Budget {
    limits: TreeLimits,
    entries: u64,
    bytes: u64,
}

impl Budget {
    pub(super) const fn new(limits: TreeLimits) -> Self {
        Self { limits, entries: limits.max_entries, bytes: limits.max_bytes }
    }

    /// Takes one entry of `size` bytes off.
    pub(super) fn charge(&mut self, size: u64) -> Result<()> {
        self.entry()?;
        self.bytes(size)
    }

    /// Takes one entry off.
    pub(super) fn entry(&mut self) -> Result<()> {
        self.entries = self.entries.checked_sub(1).ok_or_else(|| {
            too_large("the tree has too many entries", "max_entries", self.limits.max_entries)
        })?;
        Ok(())
    }

    /// Takes the bytes of one file off.
    pub(super) fn bytes(&mut self, size: u64) -> Result<()> {
        if size > self.limits.max_file_bytes {
            return Err(too_large("a file is too large", "max_file_bytes", size));
        }
        self.bytes = self.bytes.checked_sub(size).ok_or_else(|| {
            too_large("the tree is too large", "max_bytes", self.limits.max_bytes)
        })?;
        Ok(())
    }
}

pub(super) fn too_large(message: &'static str, limit: &'static str, value: u64) -> Error {
    Error::new(ErrorKind::Invalid, message)
        .code("too_large")
        .context("limit", limit)
        .context("value", value)
        .advice("raise the limit, or name a subfolder that holds less")
}
