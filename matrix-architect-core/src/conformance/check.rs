//! What cases demand of answers.

use std::fmt::Debug;

use crate::error::{Error, ErrorKind, Result};

/// Demands that a call was refused, and why.
///
/// # Panics
/// If it was not, or for another reason.
pub fn refused<T: Debug>(answer: Result<T>, kind: ErrorKind) -> Error {
    match answer {
        Err(error) if error.kind() == kind => error,
        other => panic!("expected an error of kind {kind}, got {other:?}"),
    }
}
