//! Publishing the changed tree as a branch, on top of the commit the change was made for.
//!
//! The commit is made of the tree the job recorded under the name `tree`, in a repository of our
//! own that is gone afterwards; the repository published to is only fetched from and pushed to. A
//! push names the commit it expects to find and adds to it; nothing is ever forced. Author, date
//! and message come from the job, so that the same change is the same commit.

mod command;
mod commit;
mod config;
mod group;
mod publisher;
mod stream;
#[cfg(test)]
mod tests;

pub use config::GitConfig;
pub use publisher::GitPublisher;

/// The registered name.
const DRIVER: &str = "git";
