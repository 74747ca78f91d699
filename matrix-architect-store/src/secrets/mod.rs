//! Secrets from the environment and from files.
//!
//! Each store answers for one scheme; [`ChainedSecrets`] asks the one whose scheme a reference
//! names. No value is ever shown: not by `Debug`, not in an error.

mod chained;
mod env;
mod file;
#[cfg(test)]
mod tests;

use matrix_architect_core::{
    error::{Error, ErrorKind},
    secret::SecretRef,
};

pub use chained::ChainedSecrets;
pub use env::EnvSecrets;
pub use file::FileSecrets;

fn unknown(reference: &SecretRef) -> Error {
    Error::not_found("there is no such secret").context("reference", reference)
}

fn unsupported(reference: &SecretRef, schemes: &[&str]) -> Error {
    let known: Vec<String> = schemes.iter().map(|scheme| format!("{scheme}://")).collect();
    Error::new(ErrorKind::Unsupported, "no secret store has this scheme")
        .context("reference", reference)
        .context("schemes", known.join(", "))
}
