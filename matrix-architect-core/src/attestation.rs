//! The signed statement of a whole job, on the wire.

use serde::{Deserialize, Serialize};

use crate::{
    attest::Envelope,
    evidence::Evidence,
    id::{Digest, JobId},
    time::Timestamp,
};

/// The attestation of a job: the seed system's fields beside the DSSE envelope that proves them.
/// Only the envelope is evidence; the other fields repeat what it says, for clients that show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attestation {
    /// Which job.
    pub job_id: JobId,
    /// When the job was done.
    pub completed_at: Timestamp,
    /// The plan.
    pub plan_hash: Digest,
    /// The patch.
    pub patch_hash: Digest,
    /// What was checked.
    pub evidence: Vec<Evidence>,
    /// Digests of what the statement is about.
    pub artifacts: Vec<Digest>,
    /// The signer's key id.
    pub signed_by: String,
    /// The signature, in base 64.
    pub signature: String,
    /// The DSSE envelope with the in-toto statement.
    pub envelope: Envelope,
}
