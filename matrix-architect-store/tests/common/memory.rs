//! The memory backend, whose clock stands still until it is moved.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use matrix_architect_core::{
    conformance::{self, Serves},
    fake::FixedClock,
    time::Timestamp,
    traits::{Clock as _, Locks, LogStore, Operator, Queue, Records, Store},
};
use matrix_architect_store::memory::Memory;

#[derive(Debug)]
pub(crate) struct Harness {
    clock: Arc<FixedClock>,
    memory: Arc<Memory>,
}

impl Harness {
    pub(crate) fn fresh() -> Self {
        let clock = Arc::new(FixedClock::new());
        let memory = Arc::new(Memory::new(Arc::<FixedClock>::clone(&clock)));
        Self { clock, memory }
    }
}

#[async_trait]
impl conformance::Harness for Harness {
    async fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn elapse(&mut self, duration: Duration) {
        self.clock.advance(duration);
    }

    async fn reopen(&mut self) {}
}

macro_rules! serves {
    ($($trait:ident),*) => {
        $(impl Serves<dyn $trait> for Harness {
            fn backend(&self) -> Arc<dyn $trait> {
                Arc::<Memory>::clone(&self.memory)
            }
        })*
    };
}

serves!(Store, Queue, LogStore, Records, Locks, Operator);
