//! Skeleton.

pub mod workspace;
