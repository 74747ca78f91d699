//! Moments, as values. Core never reads a clock: time comes in through
//! [`Clock`](crate::traits::Clock).

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A moment in UTC with microseconds, written as RFC 3339 with `Z`.
///
/// ```
/// use std::time::Duration;
/// use matrix_architect_core::time::Timestamp;
///
/// let start: Timestamp = "2025-01-01T10:00:00Z".parse()?;
/// let later = start + Duration::from_millis(1500);
/// assert_eq!(later.to_string(), "2025-01-01T10:00:01.500000Z");
/// assert_eq!(later.since(start), Duration::from_millis(1500));
/// # Ok::<(), matrix_architect_core::error::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(i64);

/// 9999-12-31T23:59:59.999999Z, beyond which RFC 3339 has no form.
const MAX_MICROS: i64 = 253_402_300_799_999_999;
/// 0000-01-01T00:00:00Z.
const MIN_MICROS: i64 = -62_167_219_200_000_000;

impl Timestamp {
    /// The latest moment there is.
    pub const MAX: Self = Self(MAX_MICROS);

    /// Microseconds since 1970-01-01T00:00:00Z; values outside the years 0 to 9999 are clamped.
    pub const fn from_micros(micros: i64) -> Self {
        let low = if micros < MIN_MICROS { MIN_MICROS } else { micros };
        Self(if low > MAX_MICROS { MAX_MICROS } else { low })
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is before.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros(self.0.saturating_add(micros))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            // Six digits or none: one moment has one spelling.
            Ok(moment) if self.0 % 1_000_000 == 0 => write!(f, "{moment:.0}"),
            Ok(moment) => write!(f, "{moment:.6}"),
            Err(_) => Err(fmt::Error),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Timestamp {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let moment: jiff::Timestamp = text.parse().map_err(|source: jiff::Error| {
            Error::invalid("not an RFC 3339 timestamp")
                .context("value", text.escape_debug().take(60).collect::<String>())
                .source(source)
        })?;
        Ok(Self::from_micros(moment.as_microsecond()))
    }
}

impl TryFrom<String> for Timestamp {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Timestamp> for String {
    fn from(moment: Timestamp) -> Self {
        moment.to_string()
    }
}
