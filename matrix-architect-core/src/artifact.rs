//! What a job leaves behind, found by its content.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{id::Digest, time::Timestamp};

/// What an artifact is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ArtifactKind {
    /// Output of a stage or a command.
    Log,
    /// The plan.
    Plan,
    /// The patch.
    Patch,
    /// What is deployed: a packed tree.
    Bundle,
    /// A tool's raw report.
    Report,
    /// A bill of materials.
    Sbom,
    /// A scan's raw report.
    Scan,
    /// A signed statement.
    Attestation,
    /// A piece of evidence.
    Evidence,
}

/// One artifact of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Artifact {
    /// What it is.
    pub kind: ArtifactKind,
    /// Its name, unique within the job.
    pub name: String,
    /// Where it is: `artifact:sha256:…` in the artifact store.
    pub uri: String,
    /// Its media type.
    pub content_type: String,
    /// Bytes.
    pub size: u64,
    /// The SHA-256 of its content.
    pub checksum: Digest,
    /// Anything else.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub meta: BTreeMap<String, Value>,
    /// When it was stored.
    pub created_at: Timestamp,
}

impl Artifact {
    /// An artifact in the artifact store.
    pub fn new(
        kind: ArtifactKind,
        name: impl Into<String>,
        content_type: impl Into<String>,
        stored: (Digest, u64),
        at: Timestamp,
    ) -> Self {
        let (checksum, size) = stored;
        Self {
            kind,
            name: name.into(),
            uri: format!("artifact:{checksum}"),
            content_type: content_type.into(),
            size,
            checksum,
            meta: BTreeMap::new(),
            created_at: at,
        }
    }
}
