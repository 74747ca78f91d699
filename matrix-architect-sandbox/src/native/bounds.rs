//! What callers ask for, checked before anything is made of it.

use std::path::{Component, Path};

use matrix_architect_core::{
    error::{Error, Result},
    traits::{Bind, Limits},
};

use super::root;

/// Zero means "no bound" to parts of the kernel, and never to us.
///
/// # Errors
/// `Invalid`, naming the limit.
pub(super) fn check_limits(limits: &Limits) -> Result<()> {
    let page = rustix::param::page_size() as u64;
    let least = [
        ("memory", limits.memory, page),
        ("disk", limits.disk, page),
        ("processes", u64::from(limits.processes), 1),
        ("open_files", u64::from(limits.open_files), 4),
    ];
    for (name, value, least) in least {
        if value < least {
            return Err(Error::invalid("a limit is too small for any command")
                .context("limit", name)
                .context("value", value)
                .advice(format!("give it at least {least}")));
        }
    }
    Ok(())
}

/// Binds are made by a process that is root in its namespace: their places must be plain.
///
/// # Errors
/// `Invalid`, naming the bind.
pub(super) fn check_binds(binds: &[Bind]) -> Result<()> {
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

fn is_plain(path: &Path) -> bool {
    let normal = |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
    path.is_absolute() && path.components().all(normal)
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

    #[test]
    fn no_limit_can_be_zero() {
        assert!(check_limits(&Limits::default()).is_ok());
        assert!(check_limits(&Limits::default().disk(0)).is_err());
        assert!(check_limits(&Limits::default().memory(0)).is_err());
        assert!(check_limits(&Limits::default().processes(0)).is_err());
    }
}
