//! One deployment of a release, how far it came, and for which jobs it is live.

use std::collections::{BTreeMap, BTreeSet};

use matrix_architect_core::{tenant::JobRef, time::Timestamp};
use serde::{Deserialize, Serialize};

use super::config::SystemdConfig;

/// One deployment: which release with which settings, and what it stands on. Written once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Slot {
    /// Counts up from 1 and is never used again.
    pub(super) number: u64,
    /// The release.
    pub(super) version: String,
    /// The deployment that served before: one that was healthy.
    pub(super) previous: Option<u64>,
    /// The version of `previous`.
    pub(super) previous_version: Option<String>,
    /// Who deployed it.
    pub(super) job: JobRef,
    /// When.
    pub(super) at: Timestamp,
    /// With which settings; a rollback returns to these too.
    pub(super) settings: SystemdConfig,
}

/// How far a deployment came. The word is overwritten in place, so a full disk cannot stop it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SlotState {
    /// It may be live and nobody has seen it healthy.
    Intended,
    /// It was live and healthy.
    Applied,
    /// It was healthy once, and is being returned to.
    Restoring,
    /// It was taken back.
    Undone,
}

impl SlotState {
    /// The state on disk: nine bytes, whichever it is.
    pub(super) const fn as_bytes(self) -> &'static [u8; 9] {
        match self {
            Self::Intended => b"intended\n",
            Self::Applied => b"applied \n",
            Self::Restoring => b"restore \n",
            Self::Undone => b"undone  \n",
        }
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        [Self::Intended, Self::Applied, Self::Restoring, Self::Undone]
            .into_iter()
            .find(|state| state.as_bytes() == bytes)
    }
}

/// The deployments of a service, and which is live.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// In the order they were made.
    pub(super) slots: Vec<(Slot, SlotState)>,
    /// The number of the live one.
    pub(super) live: Option<u64>,
    /// The highest number the history names: those of deployments whose slots are gone count, too.
    pub(super) last: u64,
    /// For which jobs a deployment is live, where that are others than the one that made it.
    pub(super) jobs: BTreeMap<u64, BTreeSet<JobRef>>,
}

impl State {
    pub(super) fn slot(&self, number: u64) -> Option<&(Slot, SlotState)> {
        self.slots.iter().find(|(slot, _)| slot.number == number)
    }

    pub(super) fn live(&self) -> Option<&(Slot, SlotState)> {
        self.live.and_then(|number| self.slot(number))
    }

    /// The jobs a deployment is live for: who made it, and who has found it live since.
    pub(super) fn jobs(&self, slot: &Slot) -> BTreeSet<JobRef> {
        self.jobs.get(&slot.number).cloned().unwrap_or_else(|| [slot.job.clone()].into())
    }

    /// Whether a deployment is live for this job alone.
    pub(super) fn is_only_for(&self, job: &JobRef, slot: &Slot) -> bool {
        self.jobs(slot).iter().eq([job])
    }

    /// The last deployment that was seen healthy and is not only of an earlier attempt of this job:
    /// where a failed one returns to.
    pub(super) fn proven(&self, job: &JobRef) -> Option<&Slot> {
        let (slot, state) = self.live()?;
        let seen_healthy = matches!(state, SlotState::Applied | SlotState::Restoring);
        let stands = seen_healthy && !self.is_only_for(job, slot);
        if stands { Some(slot) } else { self.before(slot, job) }
    }

    /// The deployment that `slot` stands on, without those of this job alone.
    pub(super) fn before<'s>(&'s self, slot: &'s Slot, job: &JobRef) -> Option<&'s Slot> {
        self.chain(slot).find(|slot| !self.is_only_for(job, slot))
    }

    /// The deployment that `slot` stands on.
    pub(super) fn standing<'s>(&'s self, slot: &'s Slot) -> Option<&'s Slot> {
        self.chain(slot).next()
    }

    /// What `slot` stands on, what that stands on, and so on, without what was taken back.
    fn chain<'s>(&'s self, slot: &'s Slot) -> impl Iterator<Item = &'s Slot> {
        let previous = |slot: &Slot| slot.previous.and_then(|number| self.slot(number));
        std::iter::successors(previous(slot), move |(slot, _)| previous(slot))
            .filter(|(_, how_far)| *how_far != SlotState::Undone)
            .map(|(slot, _)| slot)
    }

    /// A number no deployment had.
    pub(super) fn next_number(&self) -> u64 {
        self.slots.iter().map(|(slot, _)| slot.number).fold(self.last, u64::max) + 1
    }

    /// The latest deployment of a version.
    pub(super) fn latest(&self, version: &str) -> Option<&Slot> {
        self.slots.iter().rev().map(|(slot, _)| slot).find(|slot| slot.version == version)
    }

    /// The deployments that stay when `keep` are kept beside the live one: it, what it stands on
    /// and the newest.
    pub(super) fn kept(&self, keep: usize) -> Vec<u64> {
        let live = self.live().map(|(slot, _)| slot);
        let mut kept: Vec<u64> =
            live.iter().flat_map(|slot| [Some(slot.number), slot.previous]).flatten().collect();
        let newest = self.slots.iter().rev().map(|(slot, _)| slot.number);
        for number in newest.filter(|number| Some(*number) != self.live).take(keep) {
            if !kept.contains(&number) {
                kept.push(number);
            }
        }
        kept
    }
}
