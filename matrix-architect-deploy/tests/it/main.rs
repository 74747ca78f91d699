//! Deployers and publishers against real files, processes, repositories and, where there is one,
//! a real systemd.
#![expect(clippy::unwrap_used, reason = "what a test needs and does not get ends it")]

mod conformance;
mod crash;
mod deploying;
mod directory;
mod git;
mod hostile;
mod publishing;
mod remote;
mod service;
mod unit;
