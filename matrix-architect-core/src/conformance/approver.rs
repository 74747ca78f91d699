//! Questions to others: every promise of [`Approver`].
#![expect(
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "a case fails in either way where the backend breaks its word"
)]

use async_trait::async_trait;

use super::Serves;
use crate::{
    error::Result,
    event::ApprovalRequest,
    fake,
    id::{ApprovalId, Digest, PrincipalId},
    job::Job,
    policy::PolicyGate,
    time::Timestamp,
    traits::{Answer, Approver},
};

/// A harness on whose far side somebody can answer.
#[async_trait]
pub trait Answers: Serves<dyn Approver> {
    /// Somebody agrees to the question, and to nothing else.
    async fn grant(&mut self, request: &ApprovalRequest, by: &PrincipalId);

    /// How many distinct questions have reached the far side.
    async fn asked(&self) -> usize;
}

/// Expands to one test per promise of [`Approver`](crate::traits::Approver). The expression makes a
/// harness that is [`Answers`](crate::conformance::approver::Answers).
#[macro_export]
macro_rules! approver_suite {
    ($harness:expr) => {
        $crate::__conformance_tests!(
            approver,
            $harness,
            [the_same_question_twice_is_one_question, an_answer_is_to_its_question_alone]
        );
    };
}

fn job() -> Job {
    fake::job(&fake::job_ref(1), Timestamp::default())
}

fn question(number: u128) -> ApprovalRequest {
    ApprovalRequest {
        id: ApprovalId::from_number(number),
        binding: Digest::of(number.to_string()),
        generation: 1,
        required: 1,
        expires_at: Timestamp::MAX,
        gate: Box::new(PolicyGate::default()),
    }
}

/// Promise 1.
pub async fn the_same_question_twice_is_one_question(harness: impl Answers) -> Result<()> {
    let (approver, question) = (harness.backend(), question(1));
    for _ in 0..2 {
        let answer = approver.ask(&job(), &question).await?;
        assert!(matches!(answer, Answer::Pending { .. }), "nobody answered: {answer:?}");
    }
    assert_eq!(harness.asked().await, 1);
    Ok(())
}

/// Promise 2.
pub async fn an_answer_is_to_its_question_alone(mut harness: impl Answers) -> Result<()> {
    let (one, other) = (question(1), question(2));
    harness.backend().ask(&job(), &one).await?;
    harness.backend().ask(&job(), &other).await?;
    let by = PrincipalId::new("reviewer")?;
    harness.grant(&one, &by).await;
    let answer = harness.backend().ask(&job(), &one).await?;
    assert_eq!(answer, Answer::Granted { by, comment: None });
    let answer = harness.backend().ask(&job(), &other).await?;
    assert!(matches!(answer, Answer::Pending { .. }), "answered by the other: {answer:?}");
    Ok(())
}
