//! Benches of Matrix Architect; see `benches/README.md`. The code of the top-level README is
//! compiled here, where all crates are at hand.

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
