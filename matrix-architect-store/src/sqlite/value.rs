//! Values as the database keeps them.

use matrix_architect_core::{
    error::{Error, Result},
    time::Timestamp,
};
use serde::{Serialize, de::DeserializeOwned};

use super::fault::illegible;

/// A value as JSON text.
pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> Result<String> {
    // Most of what is stored fits, so it is not copied as it grows.
    let mut text = Vec::with_capacity(1 << 10);
    serde_json::to_writer(&mut text, value)
        .map_err(|source| Error::invalid("the value has no JSON form").source(source))?;
    String::from_utf8(text).map_err(|source| Error::unexpected("JSON is no text").source(source))
}

/// A value from JSON text that was stored.
pub(super) fn from_json<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|source| illegible(what, source))
}

/// A name that was stored.
pub(super) fn name<T: TryFrom<String, Error = Error>>(text: String) -> Result<T> {
    T::try_from(text)
}

/// A number as the database counts. Those beyond its range mean "as many as there are".
pub(super) fn int(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// A number that was stored and is never negative.
pub(super) fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A moment that was stored.
pub(super) fn moment(micros: Option<i64>) -> Option<Timestamp> {
    micros.map(Timestamp::from_micros)
}
