//! Skeleton.

#[cfg(all(feature = "native", target_os = "linux"))]
pub mod native;
pub mod workspace;

#[cfg(feature = "verify")]
pub mod verify;
