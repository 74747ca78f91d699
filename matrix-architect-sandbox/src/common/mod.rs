//! What all sandboxes of this crate share: how requests are checked, turns are taken, output is
//! capped, files are taken out, and layers are reported.

#[cfg(any(feature = "bwrap", feature = "docker"))]
mod binds;
mod check;
mod collect;
mod command;
#[cfg(any(feature = "bwrap", feature = "docker", feature = "kubernetes"))]
pub(crate) mod ending;
#[cfg(any(feature = "bwrap", feature = "kubernetes"))]
mod file_stream;
mod limits;
mod listening;
#[cfg(any(feature = "docker", feature = "kubernetes"))]
mod members;
mod output;
#[cfg(any(feature = "docker", feature = "kubernetes"))]
mod packed;
mod process;
mod report;
mod service;
mod turn;
mod verdict;

#[cfg(any(feature = "bwrap", feature = "docker"))]
pub(crate) use binds::check_fixed;
pub use check::Check;
pub(crate) use collect::{header, patterns, stays_inside, too_large};
pub(crate) use command::{check_command, not_executable, not_found};
#[cfg(any(feature = "bwrap", feature = "kubernetes"))]
pub(crate) use file_stream::file_stream;
pub(crate) use limits::{check_limits, is_plain};
#[cfg(feature = "docker")]
pub(crate) use listening::is_listener;
pub(crate) use listening::listens;
#[cfg(any(feature = "docker", feature = "kubernetes"))]
pub(crate) use members::{Member, members};
pub(crate) use output::Capped;
#[cfg(any(feature = "docker", feature = "kubernetes"))]
pub(crate) use packed::{Allowance, Packed, is_wanted, parts, tree_path};
pub(crate) use process::Process;
pub(crate) use report::{SESSIONS, checks, closed_by, refuse_absent, report};
#[cfg(feature = "native")]
pub(crate) use service::KEPT;
pub(crate) use service::{
    PAUSES, Tail, ended_early, name_is_taken, port_is_taken, start_was_cancelled, too_late,
    unknown_readiness,
};
#[cfg(feature = "docker")]
pub(crate) use turn::closed;
pub(crate) use turn::{Held, Unfinished, take_turn};
pub(crate) use verdict::{Asked, Seen, Status, judge};
