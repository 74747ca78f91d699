//! An approver with one desk.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;

use super::locked;
use crate::{
    error::{Error, Result},
    event::ApprovalRequest,
    id::{ApprovalId, PrincipalId},
    job::Job,
    time::Timestamp,
    traits::{Answer, Approver},
};

/// An approver that keeps questions on a desk until a test answers them.
#[derive(Debug, Default)]
pub struct DeskApprover {
    questions: Mutex<BTreeMap<ApprovalId, Option<Answer>>>,
    faults: Mutex<VecDeque<Option<Error>>>,
    asked: AtomicUsize,
    /// What the desk says of questions nobody has answered.
    again_at: Mutex<Option<Timestamp>>,
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

    /// Fails the next time it is asked; given several times, as often. The question does not reach
    /// the desk.
    pub fn fail_once(&self, error: Error) {
        locked(&self.faults).push_back(Some(error));
    }

    /// Never answers the next time it is asked, until whoever asked is gone.
    pub fn hang_once(&self) {
        locked(&self.faults).push_back(None);
    }

    /// Says of unanswered questions to ask again then, as a desk with another clock may.
    pub fn postpone(&self, again_at: Timestamp) {
        *locked(&self.again_at) = Some(again_at);
    }

    /// How often it was asked, whatever it answered.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// The questions on the desk, answered or not.
    pub fn questions(&self) -> Vec<ApprovalId> {
        locked(&self.questions).keys().cloned().collect()
    }
}

#[async_trait]
impl Approver for DeskApprover {
    async fn ask(&self, _job: &Job, request: &ApprovalRequest) -> Result<Answer> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let fault = locked(&self.faults).pop_front();
        match fault {
            Some(Some(error)) => return Err(error),
            Some(None) => std::future::pending::<()>().await,
            None => {}
        }
        let mut questions = locked(&self.questions);
        let answer = questions.entry(request.id.clone()).or_default();
        Ok(answer.clone().unwrap_or(Answer::Pending { again_at: *locked(&self.again_at) }))
    }
}
