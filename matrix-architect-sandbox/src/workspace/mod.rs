//! Where code is fetched, unpacked and changed.
//!
//! A tree is a directory of this machine that nobody else writes ([`DirTree`]), in a space that
//! vanishes with its last handle or, after a crash, at the next start ([`Scratch`]). What comes in,
//! be it an archive, a repository or a plan, is taken for hostile: paths are resolved by the kernel
//! beneath the directory, symbolic links are never followed, and Git's own folder is never part of
//! a tree.

mod archive;
mod beneath;
mod dir_tree;
mod fault;
mod limits;
mod links;
mod names;
mod pack;
mod scratch;
mod unpack;
mod walk;

pub use dir_tree::DirTree;
pub use limits::TreeLimits;
pub use scratch::{Scratch, ScratchDir};
pub use unpack::unpack;
