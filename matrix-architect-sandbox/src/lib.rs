//! Skeleton.

pub mod workspace;

#[cfg(feature = "verify")]
pub mod verify;
