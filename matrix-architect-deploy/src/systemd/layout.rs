//! Where everything is on the machine.

use std::path::{Path, PathBuf};

/// The folder of one service in one environment.
///
/// ```text
/// <root>/<environment>/<service>/
///   .lock              held while a deployer works; the highest fencing token is in it
///   current            -> live/release, so current/… is always the release that serves
///   live               -> slots/7: the one name whose change makes a release live
///   slots/7/           one deployment: release -> ../../releases/<version>, environment (0600),
///                      slot.json (what it is), state (how far it came), output.log, and jobs.json
///                      (for which jobs it is live, once that is not only the one that made it)
///   releases/<version>/ the unpacked bundle
///   manifests/<version>.json  what the release has to look like
///   staging/           what is under way; anything here may be removed
///   history.jsonl      what happened, one line each
/// ```
///
/// Release and variables change together because both hang on `live`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    directory: PathBuf,
}

impl Place {
    pub(super) fn new(root: &Path, environment: &str, service: &str) -> Self {
        Self { directory: root.join(environment).join(service) }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.directory.join(".lock")
    }

    pub(super) fn current(&self) -> PathBuf {
        self.directory.join("current")
    }

    pub(super) fn live(&self) -> PathBuf {
        self.directory.join("live")
    }

    /// The link that is exchanged with `live`.
    pub(super) fn next(&self) -> PathBuf {
        self.directory.join(".live.next")
    }

    pub(super) fn slots(&self) -> PathBuf {
        self.directory.join("slots")
    }

    pub(super) fn slot(&self, number: u64) -> PathBuf {
        self.slots().join(number.to_string())
    }

    pub(super) fn output(&self, number: u64) -> PathBuf {
        self.slot(number).join("output.log")
    }

    pub(super) fn jobs(&self, number: u64) -> PathBuf {
        self.slot(number).join("jobs.json")
    }

    pub(super) fn environment(&self, number: u64) -> PathBuf {
        self.slot(number).join("environment")
    }

    /// The file of variables of whatever is live.
    pub(super) fn live_environment(&self) -> PathBuf {
        self.live().join("environment")
    }

    pub(super) fn releases(&self) -> PathBuf {
        self.directory.join("releases")
    }

    pub(super) fn release(&self, version: &str) -> PathBuf {
        self.releases().join(version)
    }

    pub(super) fn manifests(&self) -> PathBuf {
        self.directory.join("manifests")
    }

    pub(super) fn manifest(&self, version: &str) -> PathBuf {
        self.manifests().join(format!("{version}.json"))
    }

    pub(super) fn staging(&self) -> PathBuf {
        self.directory.join("staging")
    }

    pub(super) fn history(&self) -> PathBuf {
        self.directory.join("history.jsonl")
    }
}
