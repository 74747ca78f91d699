//! What is remembered: jobs, events, the queue, logs, artifacts, records and secrets.

#[cfg(any(feature = "files", feature = "secrets"))]
mod blocking;
#[cfg(any(feature = "memory", feature = "sqlite"))]
mod decide;
#[cfg(feature = "files")]
pub mod files;
#[cfg(feature = "memory")]
pub mod memory;
#[cfg(any(feature = "memory", feature = "sqlite"))]
mod remember;
#[cfg(any(feature = "memory", feature = "sqlite"))]
mod schedule;
#[cfg(feature = "secrets")]
pub mod secrets;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod stores;
pub mod system;
#[cfg(any(feature = "memory", feature = "sqlite"))]
mod wait;

pub use stores::Stores;
