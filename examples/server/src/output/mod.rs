//! What people see: words on a terminal, lines in a pipe, one JSON document for programs.

mod narrator;
mod progress;
mod screen;
mod summary;
mod table;

pub use narrator::{Line, Mark, Narrator};
pub use progress::Progress;
pub use screen::Screen;
pub(crate) use summary::shell;
pub use summary::{RunReport, summary};
pub use table::{evidence_table, jobs_table, table};
