//! What every command of a session is put under, made ready once.

use std::os::fd::OwnedFd;

use super::{fault::Fault, landlock_rules, seccomp_filter::Filters, wire::Layer};

/// The command's user, its filters, and the layers that this machine lacks.
#[derive(Debug)]
pub(super) struct Confinement {
    /// Whom commands run as on the host; themselves if the host is not root's.
    pub(super) user: Option<u32>,
    pub(super) filters: Option<Filters>,
    pub(super) landlock: Option<OwnedFd>,
    /// Layers to do without.
    pub(super) without: Vec<Layer>,
}

impl Confinement {
    /// Makes ready what commands are put under. What cannot be made is added to `lacking`. The
    /// session's root must stand: landlock's rules are about its places.
    pub(super) fn prepare(
        user: Option<u32>,
        filters: Result<Filters, Fault>,
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
}
