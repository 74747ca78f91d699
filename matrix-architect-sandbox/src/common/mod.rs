//! What all sandboxes of this crate share: how requests are checked, output is capped, files are
//! taken out, and layers are reported.

mod check;
mod collect;
mod command;
mod limits;
mod output;
mod process;
mod report;
mod verdict;

pub use check::Check;
pub(crate) use collect::{header, patterns, stays_inside, too_large};
pub(crate) use command::{check_command, not_executable, not_found};
pub(crate) use limits::{check_limits, is_plain};
pub(crate) use output::Capped;
pub(crate) use process::Process;
pub(crate) use report::{checks, refuse_absent, report};
pub(crate) use verdict::{Asked, Seen, Status, judge};
