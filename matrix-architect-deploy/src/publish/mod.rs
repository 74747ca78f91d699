//! Making a change public: in a directory, or as a branch.

#[cfg(feature = "publish-directory")]
mod directory;
#[cfg(feature = "publish-git")]
pub mod git;

#[cfg(feature = "publish-directory")]
pub use directory::{BUNDLE, DirectoryConfig, DirectoryPublisher};
#[cfg(feature = "publish-git")]
pub use git::{GitConfig, GitPublisher};
use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    traits::Cancel,
};

fn go_on(cancel: &Cancel) -> Result<()> {
    if cancel.is_cancelled() {
        return Err(Error::new(ErrorKind::Cancelled, "stopped on request; nothing was published"));
    }
    Ok(())
}
