//! What git is told and what it answers, as text: which URLs it may be given, its settings and
//! environment, how a secret is handed to it, and what its last words mean.
//!
//! Whoever runs git for a workspace or a publisher takes all of it from here, so that both are as
//! careful as each other. Nothing here runs anything: processes, files and the time they take are
//! the backends'.

mod access;
mod credential;
mod failure;
mod ssh;
mod url;

pub use access::GitAccess;
pub use credential::credential;
pub use failure::{failure, too_slow};
pub use url::RemoteUrl;
