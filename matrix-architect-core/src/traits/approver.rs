//! Asking somebody whether a change may go on.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{error::Result, event::ApprovalRequest, id::PrincipalId, job::Job, time::Timestamp};

/// What an approver answers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// Go on.
    Granted {
        /// Who says so.
        by: PrincipalId,
        /// Their words.
        comment: Option<String>,
    },
    /// Do not.
    Refused {
        /// Who says so.
        by: PrincipalId,
        /// Their words.
        comment: Option<String>,
    },
    /// Not yet; ask again then, or never if people answer through the API.
    Pending {
        /// When to ask again.
        again_at: Option<Timestamp>,
    },
}

/// Asks somebody whether a change may go on.
///
/// # Contract
/// 1. `the_same_question_twice_is_one_question`, by its id.
/// 2. `an_answer_is_to_its_question_alone`: to that id and binding, and to nothing else.
///
/// The engine asks again after an error and after a worker's death, until the question lapses; it
/// waits half a minute for an answer, so an approver says `Pending` while people think.
///
/// # Cancellation
/// May be dropped.
#[async_trait]
pub trait Approver: Debug + Send + Sync + 'static {
    /// Asks, or looks for the answer to what was asked before.
    async fn ask(&self, job: &Job, request: &ApprovalRequest) -> Result<Answer>;
}
