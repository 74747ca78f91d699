//! What is remembered: jobs, events, the queue, logs, artifacts, records and secrets.

#[cfg(any(feature = "memory", feature = "sqlite"))]
mod decide;
#[cfg(feature = "memory")]
pub mod memory;
#[cfg(any(feature = "memory", feature = "sqlite"))]
mod remember;
#[cfg(any(feature = "memory", feature = "sqlite"))]
mod schedule;
mod stores;
pub mod system;
#[cfg(any(feature = "memory", feature = "sqlite"))]
mod wait;

pub use stores::Stores;
