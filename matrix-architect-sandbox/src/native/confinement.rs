//! What every command of a session is put under, made ready once.

use std::os::fd::{AsFd as _, OwnedFd};

use super::{
    confine,
    fault::{Fault, Step as _},
    landlock_rules,
    seccomp_filter::Filters,
    sys,
    wire::Layer,
};

/// What each command adds to the filter that the helper is under, and what commands add whose memory no
/// cgroup bounds: where the session's ipc namespace is bounded, and where it is not.
#[derive(Clone, Debug, Default)]
pub(super) struct FilterSet {
    pub(super) usual: Filters,
    pub(super) strict: Filters,
    strictest: Filters,
}

impl FilterSet {
    /// Puts this process and all that it starts under the part of the filter that no process here needs
    /// to be without, and compiles the rest.
    pub(super) fn begin() -> Result<Self, Fault> {
        let made = Self {
            usual: Filters::compile_rest()?,
            strict: Filters::compile_rest_without_memory_files()?,
            strictest: Filters::compile_rest_without_kernel_memory()?,
        };
        Filters::compile_for_makers()?.apply()?;
        Ok(made)
    }

    /// Those of one session.
    pub(super) fn for_session(mut self, ipc_is_bounded: bool) -> Self {
        if !ipc_is_bounded {
            self.strict = std::mem::take(&mut self.strictest);
        }
        self
    }
}

/// The command's user, its filters, and the layers that this machine lacks.
#[derive(Debug)]
pub(super) struct Confinement {
    /// Whom commands run as on the host; themselves if the host is not root's.
    pub(super) user: Option<u32>,
    pub(super) filters: Option<FilterSet>,
    pub(super) landlock: Option<OwnedFd>,
    /// Layers to do without.
    pub(super) without: Vec<Layer>,
}

impl Confinement {
    /// Makes ready what commands are put under. What cannot be made is added to `lacking`. The
    /// session's root must stand: landlock's rules are about its places.
    pub(super) fn prepare(
        user: Option<u32>,
        filters: Result<FilterSet, Fault>,
        without: Vec<Layer>,
        lacking: &mut Vec<(Layer, Fault)>,
    ) -> Self {
        let mut made = Self { user, filters: None, landlock: None, without };
        if !made.without.contains(&Layer::Seccomp) {
            match filters {
                Ok(filters) => made.filters = Some(filters),
                Err(fault) => lacking.push((Layer::Seccomp, fault)),
            }
        }
        if !made.without.contains(&Layer::Landlock) {
            match landlock_rules::ruleset() {
                Ok(ruleset) => made.landlock = Some(ruleset),
                Err(fault) => lacking.push((Layer::Landlock, fault)),
            }
        }
        made.without.extend(lacking.iter().map(|(layer, _)| *layer));
        made
    }

    /// Puts this process, which handles what strangers wrote, where commands are as far as it
    /// needs no namespaces of its own.
    pub(super) fn restrict(&self) -> Result<(), Fault> {
        confine::become_owner(self.user)?;
        if let Some(ruleset) = &self.landlock {
            sys::restrict_self(ruleset.as_fd()).step("applying landlock")?;
        }
        self.filters.as_ref().map_or(Ok(()), |filters| filters.usual.apply())
    }
}
