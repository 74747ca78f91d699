//! What the outside is told of a job.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    id::{Digest, MessageId},
    pipeline::JobRecord,
    tenant::JobRef,
};

/// A message to the outside, stored with the events it tells of and delivered at least once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Its name; a receiver drops what it has seen.
    pub id: MessageId,
    /// About which job.
    pub job: JobRef,
    /// What it is about, such as `job.finished`.
    pub topic: String,
    /// Its content.
    pub body: Value,
}

impl Message {
    /// What the outside is told when a job becomes another: every change of status, with topic
    /// `job.finished` at the end and `job.status` before. `None` if the status stays.
    ///
    /// Its name follows from the job and its version, so that whoever writes the change, an engine
    /// or a store in a claim, tells it under one name.
    pub fn of_change(before: &JobRecord, after: &JobRecord) -> Option<Self> {
        if before.job.status == after.job.status {
            return None;
        }
        let ended = after.job.status.is_terminal();
        let job = after.job.reference();
        Some(Self {
            id: name(&job, after.version.0),
            job,
            topic: if ended { "job.finished" } else { "job.status" }.to_owned(),
            body: serde_json::json!({
                "status": after.job.status,
                "stage": after.job.current_stage,
                "error": after.job.error,
            }),
        })
    }
}

/// The first 128 bits of a digest: names of two versions do not meet.
fn name(job: &JobRef, version: u64) -> MessageId {
    let digest = Digest::of(format!("{}/{}/{version}", job.tenant, job.id));
    let bits = digest.as_bytes().iter().take(16);
    MessageId::from_number(bits.fold(0, |number, byte| number << 8 | u128::from(*byte)))
}
