//! How a database is opened.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use matrix_architect_core::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// How a database is opened.
///
/// ```
/// use matrix_architect_store::sqlite::Config;
///
/// let config = Config { max_megabytes: Some(512.try_into()?), ..Config::at("/var/lib/architect.db") };
/// assert_eq!(config.busy_seconds, 5);
/// # Ok::<(), std::num::TryFromIntError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The file; it is created if it is not there. Default: `architect.db` in the working
    /// directory.
    pub path: PathBuf,
    /// Seconds to wait for another process that writes, before a call is `Unavailable`.
    /// Default: 5.
    pub busy_seconds: u16,
    /// Connections that read beside the one that writes. Default: 4.
    pub readers: NonZeroU32,
    /// The largest size of the file in units of 2^20 bytes. Default: none but the disk's.
    pub max_megabytes: Option<NonZeroU32>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: PathBuf::from("architect.db"),
            busy_seconds: 5,
            readers: NonZeroU32::MIN.saturating_add(3),
            max_megabytes: None,
        }
    }
}

impl Config {
    /// The defaults, with the file at `path`.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    /// Checks what the types do not.
    ///
    /// # Errors
    /// `Invalid`, naming the field.
    pub fn validate(&self) -> Result<()> {
        if self.path.file_name().is_none() {
            return Err(Error::invalid("not the name of a file")
                .context("field", "path")
                .context("value", self.path.display()));
        }
        if self.busy_seconds > 600 {
            return Err(Error::invalid("more than ten minutes")
                .context("field", "busy_seconds")
                .context("value", self.busy_seconds));
        }
        Ok(())
    }

    pub(super) fn busy(&self) -> Duration {
        Duration::from_secs(self.busy_seconds.into())
    }
}
