//! Where code is fetched, unpacked and changed.
//!
//! A tree is a directory of this machine that nobody else writes ([`DirTree`]), in a space that
//! vanishes with its last handle or, after a crash, at the next start ([`Scratch`]). What comes in,
//! be it an archive, a repository or a plan, is taken for hostile: paths are resolved by the kernel
//! beneath the directory, symbolic links are never followed, and Git's own folder is never part of
//! a tree.
//!
//! The feature `workspace` adds `GitWorkspace`, which checks code out with git and applies plans.

mod archive;
mod beneath;
mod dir_tree;
mod fault;
mod incoming;
mod limits;
mod links;
mod names;
mod pack;
mod pieces;
mod removal;
mod scratch;
mod unpack;
mod walk;

#[cfg(feature = "workspace")]
mod apply;
#[cfg(feature = "workspace")]
mod bare;
#[cfg(feature = "workspace")]
mod branch;
#[cfg(feature = "workspace")]
mod checkout;
#[cfg(feature = "workspace")]
mod config;
#[cfg(feature = "workspace")]
mod copy;
#[cfg(feature = "workspace")]
mod credentials;
#[cfg(feature = "workspace")]
mod describe;
#[cfg(feature = "workspace")]
mod diff;
#[cfg(feature = "workspace")]
mod draft;
#[cfg(feature = "workspace")]
mod git;
#[cfg(feature = "workspace")]
mod git_workspace;
#[cfg(feature = "workspace")]
mod group;
#[cfg(feature = "workspace")]
mod hunks;
#[cfg(feature = "workspace")]
mod local_refs;
#[cfg(feature = "workspace")]
mod objects;
#[cfg(feature = "workspace")]
mod outcome;
#[cfg(feature = "workspace")]
mod refs;
#[cfg(feature = "workspace")]
mod repository;
#[cfg(feature = "workspace")]
mod resolve;
#[cfg(feature = "workspace")]
mod source;
#[cfg(feature = "workspace")]
mod spellings;
#[cfg(feature = "workspace")]
mod submodules;
#[cfg(feature = "workspace")]
mod uncommitted;
#[cfg(feature = "workspace")]
mod version;

#[cfg(feature = "workspace")]
pub use config::WorkspaceConfig;
pub use dir_tree::DirTree;
#[cfg(feature = "workspace")]
pub use git_workspace::GitWorkspace;
pub use limits::TreeLimits;
#[cfg(feature = "docker")]
pub(crate) use pieces::{Pieces, written};
pub use scratch::{Scratch, ScratchDir};
pub use unpack::unpack;
#[cfg(all(feature = "native", target_os = "linux"))]
pub(crate) use {
    archive::{Archive, MemberKind, cut},
    beneath::{Beneath, TreeWriter},
    incoming::read_by_thread,
};
