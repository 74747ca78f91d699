//! One at a time, per target.

use std::time::Duration;

use async_trait::async_trait;
use matrix_architect_core::{
    error::Result,
    id::WorkerId,
    time::Timestamp,
    traits::{Fence, LockKey, Locks},
};

use super::Memory;
use crate::decide::lock as decide;

/// A lock that was taken at least once.
#[derive(Debug, Default)]
pub(super) struct Slot {
    fence: Fence,
    held: Option<(WorkerId, Timestamp)>,
}

#[async_trait]
impl Locks for Memory {
    async fn acquire(&self, key: &LockKey, holder: &WorkerId, term: Duration) -> Result<Fence> {
        let now = self.now();
        let mut state = self.state();
        let slot = state.locks.entry(key.clone()).or_default();
        decide::acquire(key, slot.held.as_ref(), holder, now)?;
        slot.fence.0 += 1;
        slot.held = Some((holder.clone(), now + term));
        Ok(slot.fence)
    }

    async fn renew(&self, key: &LockKey, fence: Fence, term: Duration) -> Result<()> {
        let now = self.now();
        let mut state = self.state();
        let held = state.locks.get_mut(key).filter(|slot| slot.fence == fence);
        let held = held.and_then(|slot| slot.held.as_mut());
        let Some((_, until)) = held.filter(|(_, until)| *until > now) else {
            return Err(decide::lost(key));
        };
        *until = now + term;
        Ok(())
    }

    async fn release(&self, key: &LockKey, fence: Fence) -> Result<()> {
        let mut state = self.state();
        if let Some(slot) = state.locks.get_mut(key).filter(|slot| slot.fence == fence) {
            slot.held = None;
        }
        Ok(())
    }
}
