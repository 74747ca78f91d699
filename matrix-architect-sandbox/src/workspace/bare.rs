//! A bare repository made by hand: three files and two folders, no process.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use matrix_architect_core::{error::Result, id::GitOid};

use super::{Scratch, ScratchDir, fault::fault, git::Invocation, source::LocalRepository};

/// Our own repository, in which all commands but `upload-pack` run; its objects are its own or,
/// for a repository on this machine, that one's. It has no hook, no attribute and no setting but
/// the format, whatever the other one has.
#[derive(Debug)]
pub(super) struct Bare {
    directory: ScratchDir,
    objects: Option<PathBuf>,
}

impl Bare {
    /// An empty one for objects named like `oid`.
    pub(super) fn new(scratch: &Arc<Scratch>, oid: &GitOid) -> Result<Self> {
        let bare = Self { directory: scratch.directory()?, objects: None };
        bare.lay_out(oid)
            .map_err(|source| fault(source, "cannot make a repository", bare.path().display()))?;
        Ok(bare)
    }

    /// One that reads a local repository's objects in place.
    pub(super) fn over(
        scratch: &Arc<Scratch>,
        local: &LocalRepository,
        oid: &GitOid,
    ) -> Result<Self> {
        let mut bare = Self::new(scratch, oid)?;
        if let Ok(shallow) = std::fs::read_to_string(&local.shallow) {
            let commits = shallow.lines().filter_map(|line| GitOid::new(line).ok());
            let mut text = String::new();
            for commit in commits {
                text.push_str(commit.as_str());
                text.push('\n');
            }
            let file = bare.path().join("shallow");
            std::fs::write(&file, text)
                .map_err(|source| fault(source, "cannot make a repository", file.display()))?;
        }
        bare.objects = Some(local.objects.clone());
        Ok(bare)
    }

    fn lay_out(&self, oid: &GitOid) -> std::io::Result<()> {
        let path = self.path();
        std::fs::create_dir(path.join("objects"))?;
        std::fs::create_dir(path.join("refs"))?;
        std::fs::write(path.join("HEAD"), "ref: refs/heads/none\n")?;
        let format = if oid.as_str().len() == 64 {
            "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tobjectformat = sha256\n"
        } else {
            "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"
        };
        std::fs::write(path.join("config"), format)
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A command that runs in it and reaches nothing else.
    pub(super) fn invocation(&self) -> Invocation<'_> {
        Invocation {
            repository: Some(self.path()),
            objects: self.objects.as_deref(),
            ..Invocation::default()
        }
    }
}
