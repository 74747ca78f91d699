//! Where the change is: some paths are worth a look whatever is written there.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::{Globs, Scene, Sightings, SignalKind};
use crate::{
    error::{Error, Result},
    patch::FileChange,
    path::RelPath,
};

/// What kind of path it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::policy) enum PathKind {
    /// A path that is a signal by itself.
    Signal(SignalKind),
    /// Configuration of tools that judge the change.
    Tools,
    /// A migration of a database.
    Migration,
    /// A test.
    Test,
}

impl Globs {
    fn by_kind(&self) -> [(PathKind, &[String]); 14] {
        use PathKind::Signal;
        [
            (Signal(SignalKind::TouchesAuth), &self.auth),
            (Signal(SignalKind::TouchesCrypto), &self.crypto),
            (Signal(SignalKind::TouchesPayments), &self.payments),
            (Signal(SignalKind::TouchesInfrastructure), &self.infrastructure),
            (Signal(SignalKind::TouchesContainer), &self.containers),
            (Signal(SignalKind::TouchesCi), &self.ci),
            (Signal(SignalKind::TouchesJudge), &self.judge),
            (Signal(SignalKind::ExecutableHook), &self.hooks),
            (Signal(SignalKind::BuildScript), &self.build_scripts),
            (Signal(SignalKind::VendoredCode), &self.vendored),
            (Signal(SignalKind::TouchesLicence), &self.licences),
            (PathKind::Tools, &self.tools),
            (PathKind::Migration, &self.migrations),
            (PathKind::Test, &self.tests),
        ]
    }
}

/// All globs compiled into one set.
#[derive(Clone, Debug)]
pub(in crate::policy) struct PathSet {
    set: GlobSet,
    kinds: Vec<PathKind>,
}

impl PathSet {
    /// # Errors
    /// `Invalid`, naming the pattern.
    pub(in crate::policy) fn new(globs: &Globs) -> Result<Self> {
        let mut set = GlobSetBuilder::new();
        let mut kinds = Vec::new();
        let always = [".matrix/**".to_owned(), "**/.matrix/**".to_owned()];
        let judge = PathKind::Signal(SignalKind::TouchesJudge);
        for (kind, patterns) in globs.by_kind().into_iter().chain([(judge, always.as_slice())]) {
            for pattern in patterns {
                let glob = GlobBuilder::new(pattern)
                    .case_insensitive(true)
                    .literal_separator(true)
                    .empty_alternates(true)
                    .build();
                set.add(glob.map_err(|source| broken(source).context("pattern", pattern))?);
                kinds.push(kind);
            }
        }
        Ok(Self { set: set.build().map_err(broken)?, kinds })
    }

    /// What kinds of path the file has, before and after.
    pub(in crate::policy) fn kinds(&self, file: &FileChange) -> Vec<PathKind> {
        let paths = [Some(&file.path), file.from.as_ref()];
        let as_it_looks = |path: &RelPath| match path.as_str() {
            path if path.is_ascii() => Vec::new(),
            path => self.set.matches(super::deception::skeleton(path)),
        };
        let matched = |path| [self.set.matches(RelPath::as_str(path)), as_it_looks(path)].concat();
        let mut kinds: Vec<_> = paths
            .into_iter()
            .flatten()
            .flat_map(matched)
            .filter_map(|index| self.kinds.get(index).copied())
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }
}

fn broken(source: globset::Error) -> Error {
    Error::invalid("not a path pattern").context("field", "globs").source(source)
}

pub(super) fn look(scene: &Scene<'_>, seen: &mut Sightings) {
    for (file, kinds) in scene.files() {
        for kind in kinds {
            if let PathKind::Signal(signal) = kind {
                seen.note(*signal, file.path());
            }
        }
    }
}
