//! Host paths that are shown inside: only plain ones, in places that are nobody's.

use std::path::Path;

use matrix_architect_core::{
    error::{Error, Result},
    traits::Bind,
};

use super::shape::{SPACE, WRITABLE};
use crate::common::{check_fixed, is_plain};

/// Refuses binds that would cover what the container needs, or show more than they name.
///
/// # Errors
/// `Invalid`, naming the bind; `NotFound` for a source that is not there.
pub(super) fn check_binds(binds: &[Bind]) -> Result<()> {
    for bind in binds {
        let flaw = if !is_plain(&bind.source) || !is_plain(&bind.target) {
            "it is not an absolute path without '..'"
        } else if is_reserved(&bind.target) {
            "the sandbox itself has something there"
        } else if holds_mounts(&bind.source) {
            "another file system is mounted below it, which the engine would show writable"
        } else if !bind.source.exists() {
            return Err(told(
                Error::not_found("a host path cannot be shown inside: it is not there"),
                bind,
            ));
        } else {
            continue;
        };
        let message = format!("a host path cannot be shown inside: {flaw}");
        return Err(told(Error::invalid(message), bind));
    }
    check_fixed(binds, &WRITABLE.map(|(_, place)| place))
}

fn told(error: Error, bind: &Bind) -> Error {
    error.context("source", bind.source.display()).context("target", bind.target.display())
}

fn is_reserved(target: &Path) -> bool {
    let own = ["/proc", "/sys", "/dev", SPACE].iter().any(|own| target.starts_with(own));
    own || target == Path::new("/") || WRITABLE.iter().any(|(_, place)| target == Path::new(place))
}

/// Read-only binds of engines before version 25 are so at their top only.
fn holds_mounts(source: &Path) -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut points = mounts.lines().filter_map(|line| line.split(' ').nth(4)).map(Path::new);
    points.any(|point| point.starts_with(source) && point != source)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(source: &str, target: &str) -> Bind {
        Bind { source: source.into(), target: target.into() }
    }

    #[test]
    fn binds_stay_in_their_place() {
        assert!(check_binds(&[bind("/etc", "/srv/vendor")]).is_ok());
        assert!(check_binds(&[bind("/etc", "/home/other")]).is_ok());
        for target in ["/home/sandbox/.cargo/registry", "/workspace/vendor", "/tmp/a"] {
            let refused = check_binds(&[bind("/etc", target)]).unwrap_err();
            assert_eq!(refused.code_str(), "bind_below_writable", "{target}");
        }
        for target in ["vendor", "/a/../../b", "/", "/proc/self", "/dev", "/workspace", "/tmp"] {
            assert!(check_binds(&[bind("/etc", target)]).is_err(), "{target}");
        }
        assert!(check_binds(&[bind("/nonexistent/x", "/x")]).is_err());
        assert!(check_binds(&[bind("/", "/x")]).is_err(), "it has /proc below it");
    }
}
