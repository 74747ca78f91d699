//! What callers ask for, checked before anything is made of it.

use matrix_architect_core::{
    error::{Error, Result},
    traits::Bind,
};

use super::root;
use crate::common::is_plain;

/// Binds are made by a process that is root in its namespace: their places must be plain.
///
/// # Errors
/// `Invalid`, naming the bind.
pub(crate) fn check_binds(binds: &[Bind]) -> Result<()> {
    for bind in binds {
        let flaw = if !is_plain(&bind.source) || !is_plain(&bind.target) {
            "it is not an absolute path without '..'"
        } else if root::is_reserved(&bind.target) {
            "the sandbox itself has something there"
        } else {
            continue;
        };
        return Err(Error::invalid(format!("a host path cannot be shown inside: {flaw}"))
            .context("source", bind.source.display())
            .context("target", bind.target.display()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(source: &str, target: &str) -> Bind {
        Bind { source: source.into(), target: target.into() }
    }

    #[test]
    fn binds_stay_in_their_place() {
        assert!(check_binds(&[bind("/srv/vendor", "/home/sandbox/.cargo/registry")]).is_ok());
        assert!(check_binds(&[bind("/srv/vendor", "/workspace/vendor")]).is_ok());
        for target in ["vendor", "/a/../../b", "/", "/proc/self", "/dev", "/workspace", "/tmp"] {
            assert!(check_binds(&[bind("/srv", target)]).is_err(), "{target}");
        }
        assert!(check_binds(&[bind("srv", "/srv")]).is_err());
    }
}
