//! What callers ask for, checked before anything is made of it.

use std::path::{Component, Path};

use matrix_architect_core::{
    error::{Error, Result},
    traits::Limits,
};

/// Zero means "no bound" to parts of the kernel, and never to us.
///
/// # Errors
/// `Invalid`, naming the limit.
pub(crate) fn check_limits(limits: &Limits) -> Result<()> {
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

/// Whether a path is absolute and leads where its text says.
pub(crate) fn is_plain(path: &Path) -> bool {
    let normal = |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
    path.is_absolute() && path.components().all(normal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_limit_can_be_zero() {
        assert!(check_limits(&Limits::default()).is_ok());
        assert!(check_limits(&Limits::default().disk(0)).is_err());
        assert!(check_limits(&Limits::default().memory(0)).is_err());
        assert!(check_limits(&Limits::default().processes(0)).is_err());
    }
}
