//! What a deployer asks of a machine, one step a call, so that the same deployer can work on
//! another machine over a connection.

use std::{collections::BTreeSet, fmt::Debug, path::Path, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use matrix_architect_core::{
    error::Result,
    id::Digest,
    tenant::JobRef,
    traits::{ByteStream, Cancel, Fence},
};

use super::{
    environment::Variables,
    history::Entry,
    layout::Place,
    process::{Ran, Run},
    slot::{Slot, SlotState, State},
};

/// A lock that is held as long as this lives.
pub(super) trait Held: Debug + Send + Sync {}

/// A bundle on its way to the machine.
#[derive(Debug)]
pub(super) struct Bundle<'a> {
    pub(super) version: &'a str,
    pub(super) digest: &'a Digest,
    pub(super) content: ByteStream,
    pub(super) cancel: &'a Cancel,
}

/// A machine. Every call that writes is durable when it returns and may be repeated.
#[async_trait]
pub(super) trait Host: Debug + Send + Sync + 'static {
    /// Takes the place's lock and leaves the token in it; `Fenced` if a later one is there.
    async fn lock(&self, place: &Place, fence: Fence, wait: Duration) -> Result<Box<dyn Held>>;

    /// The deployments that are known, and which is live.
    async fn state(&self, place: &Place) -> Result<State>;

    /// Whether a release is on disk as it was unpacked.
    async fn is_intact(&self, place: &Place, version: &str) -> Result<bool>;

    /// Unpacks a bundle and puts it in the place of the release of its version, whole or not at all.
    async fn stage(&self, place: &Place, bundle: Bundle<'_>) -> Result<()>;

    /// Writes a deployment down, as intended.
    async fn prepare(&self, place: &Place, slot: &Slot, variables: &Variables) -> Result<()>;

    /// The variables of a deployment.
    async fn variables(&self, place: &Place, number: u64) -> Result<Option<Variables>>;

    /// Makes a deployment live, or none.
    async fn pivot(&self, place: &Place, to: Option<u64>) -> Result<()>;

    /// Says how far a deployment came.
    async fn mark(&self, place: &Place, number: u64, state: SlotState) -> Result<()>;

    /// Says for which jobs a deployment is live.
    async fn share(&self, place: &Place, number: u64, jobs: BTreeSet<JobRef>) -> Result<()>;

    /// Adds a line to the history.
    async fn record(&self, place: &Place, entry: Entry) -> Result<()>;

    /// Removes all deployments but these, and the releases only they had.
    async fn prune(&self, place: &Place, kept: Vec<u64>) -> Result<()>;

    /// The content of a file, at most its last 16 MiB; `None` if there is none.
    async fn read(&self, path: &Path) -> Result<Option<Bytes>>;

    /// Replaces a file.
    async fn write(&self, path: &Path, content: Vec<u8>) -> Result<()>;

    /// Removes a file, or a folder with all that is in it.
    async fn remove(&self, path: &Path) -> Result<()>;

    /// Runs a command.
    async fn run(&self, run: Run) -> Result<Ran>;
}
