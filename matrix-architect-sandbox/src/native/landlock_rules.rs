//! Landlock: the second lock on the file system, and on sockets and signals that leave the command.

use std::{io, os::fd::OwnedFd};

use landlock::{
    ABI, Access as _, AccessFs, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, Scope, path_beneath_rules,
};

use super::{
    fault::Fault,
    root::{HOME, TREE},
};

/// The newest interface whose meaning we have read; older kernels get what they know of it.
const NEWEST: ABI = ABI::V6;

/// A ruleset of the session's root: read everywhere, write where writing is meant.
pub(super) fn ruleset() -> Result<OwnedFd, Fault> {
    let fault = |cause: io::Error| Fault::new("making a landlock ruleset", &cause);
    let created = create().map_err(|cause| fault(io::Error::other(cause)))?;
    created.ok_or_else(|| fault(io::Error::from_raw_os_error(libc::ENOSYS)))
}

fn create() -> Result<Option<OwnedFd>, RulesetError> {
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .add_rules(path_beneath_rules(["/"], AccessFs::from_read(NEWEST)))?
        .add_rules(path_beneath_rules(
            [TREE, HOME, "/tmp", "/dev/shm"],
            AccessFs::from_all(NEWEST),
        ))?
        // The devices that the root has, for nothing can be added there.
        .add_rules(path_beneath_rules(["/dev"], AccessFs::from_file(NEWEST)))?;
    Ok(ruleset.into())
}
