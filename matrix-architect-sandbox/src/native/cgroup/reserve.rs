//! Cgroups that nobody is in, to be used again: making and removing them takes the kernel's one lock
//! on all cgroups.

use std::sync::{Mutex, PoisonError};

use super::{Controller, group::Slot};

/// How many commands' cgroups are kept.
const MOST: usize = 16;
/// How many are looked at before new ones are made.
const LOOKS: usize = 4;

/// Given back and not yet removed; the oldest first.
#[derive(Debug, Default)]
pub(super) struct Reserve(Mutex<Vec<Slot>>);

impl Reserve {
    /// Cgroups for these controllers that nobody is in any more.
    pub(super) fn take(&self, wanted: &[Controller]) -> Option<Slot> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |slot: &Slot| slot.is_for(wanted) && slot.is_empty();
        let found = slots.iter().take(LOOKS).position(fits);
        // Those that were looked at in vain have their turn again after the others.
        let looked = found.unwrap_or(LOOKS);
        let slot = found.map(|place| slots.remove(place));
        let turned = looked.min(slots.len());
        slots.rotate_left(turned);
        slot
    }

    /// Keeps them or, if there are enough, removes them.
    pub(super) fn give_back(&self, slot: Slot) {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.is_lasting() && slots.len() < MOST {
            return slots.push(slot);
        }
        drop(slots);
        slot.remove();
    }
}

impl Drop for Reserve {
    fn drop(&mut self) {
        let slots = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        slots.iter().for_each(Slot::remove);
    }
}
