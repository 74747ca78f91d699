//! Words that nobody can guess.

use std::fmt::Write as _;

use matrix_architect_core::error::{Error, Result};

/// 128 random bits, in hexadecimal digits.
pub(super) fn word() -> Result<String> {
    let mut bytes = [0; 16];
    let filled = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    if filled != Ok(bytes.len()) {
        return Err(Error::unexpected("the kernel gives no random numbers"));
    }
    Ok(bytes.iter().fold(String::new(), |mut word, byte| {
        let _ = write!(word, "{byte:02x}");
        word
    }))
}
