//! An approver with one desk.

use std::{collections::BTreeMap, sync::Mutex};

use async_trait::async_trait;

use super::locked;
use crate::{
    error::Result,
    event::ApprovalRequest,
    id::{ApprovalId, PrincipalId},
    job::Job,
    traits::{Answer, Approver},
};

/// An approver that keeps questions on a desk until a test answers them.
#[derive(Debug, Default)]
pub struct DeskApprover {
    questions: Mutex<BTreeMap<ApprovalId, Option<Answer>>>,
}

impl DeskApprover {
    /// Agrees to a question in somebody's name.
    pub fn grant(&self, question: &ApprovalId, by: PrincipalId) {
        let answer = Answer::Granted { by, comment: None };
        locked(&self.questions).insert(question.clone(), Some(answer));
    }

    /// Refuses a question in somebody's name.
    pub fn refuse(&self, question: &ApprovalId, by: PrincipalId) {
        let answer = Answer::Refused { by, comment: None };
        locked(&self.questions).insert(question.clone(), Some(answer));
    }

    /// The questions on the desk, answered or not.
    pub fn questions(&self) -> Vec<ApprovalId> {
        locked(&self.questions).keys().cloned().collect()
    }
}

#[async_trait]
impl Approver for DeskApprover {
    async fn ask(&self, _job: &Job, request: &ApprovalRequest) -> Result<Answer> {
        let mut questions = locked(&self.questions);
        let answer = questions.entry(request.id.clone()).or_default();
        Ok(answer.clone().unwrap_or(Answer::Pending { again_at: None }))
    }
}
