//! Places inside whose meaning commands can change.

use std::path::Path;

use matrix_architect_core::{
    error::{Error, Result},
    traits::Bind,
};

/// Refuses binds below what commands write, for sandboxes that bind anew for each command: a
/// command could put a link in the place of a folder above the target, and the next one's bind
/// would follow it (as in CVE-2024-42472 and CVE-2021-30465).
///
/// # Errors
/// `Invalid`, naming the bind.
pub(crate) fn check_fixed(binds: &[Bind], writable: &[&str]) -> Result<()> {
    let moves =
        |bind: &&Bind| writable.iter().any(|place| bind.target.starts_with(Path::new(place)));
    let Some(bind) = binds.iter().find(moves) else { return Ok(()) };
    Err(Error::invalid("a host path cannot be shown below a place that commands write")
        .code("bind_below_writable")
        .context("source", bind.source.display())
        .context("target", bind.target.display())
        .advice(
            "show it elsewhere, such as below /srv, and name that place in a variable \
             (CARGO_HOME, GOMODCACHE, NODE_PATH); the native sandbox binds once and takes it",
        ))
}
