//! All that an installation remembers, in one value.

use std::sync::Arc;

use matrix_architect_core::traits::{
    ArtifactStore, Locks, LogStore, Operator, Queue, Records, Store,
};

/// The handles of one installation's memory. Cloning it is cheap, and all clones are the same
/// memory.
///
/// ```
/// # #[cfg(feature = "memory")]
/// # {
/// use std::sync::Arc;
/// use matrix_architect_store::{memory, system::SystemClock};
///
/// let stores = memory::open(Arc::new(SystemClock));
/// let engine_needs = (stores.store, stores.queue, stores.logs);
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stores {
    /// Jobs and their events.
    pub store: Arc<dyn Store>,
    /// Which job next.
    pub queue: Arc<dyn Queue>,
    /// Output as it comes.
    pub logs: Arc<dyn LogStore>,
    /// Small things with a name.
    pub records: Arc<dyn Records>,
    /// One at a time, per target.
    pub locks: Arc<dyn Locks>,
    /// All tenants at once.
    pub operator: Arc<dyn Operator>,
    /// Content, found by its digest.
    pub artifacts: Arc<dyn ArtifactStore>,
}

impl Stores {
    /// One backend that is everything but the artifacts.
    pub fn new<B>(backend: Arc<B>, artifacts: Arc<dyn ArtifactStore>) -> Self
    where
        B: Store + Queue + LogStore + Records + Locks + Operator,
    {
        Self {
            store: Arc::<B>::clone(&backend),
            queue: Arc::<B>::clone(&backend),
            logs: Arc::<B>::clone(&backend),
            records: Arc::<B>::clone(&backend),
            locks: Arc::<B>::clone(&backend),
            operator: backend,
            artifacts,
        }
    }
}
