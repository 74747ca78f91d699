//! Commands that a plan's steps and the requester add. They only add checks: each gives evidence of
//! its own and none can replace or excuse another.

use matrix_architect_core::{
    error::Result,
    evidence::CheckResult,
    plan::{Step, StepExecution, StepStatus},
};

use super::{check::Check, examine::Examiner};

/// Runs each step's commands. After a step that failed, those of later steps are not run.
pub(super) async fn steps(examiner: &mut Examiner<'_>) -> Result<()> {
    let mut failed = false;
    for step in &examiner.cx.plan.steps {
        if failed {
            examiner.cx.sink.step(execution(step, StepStatus::Skipped)).await?;
        } else {
            failed = run(examiner, step).await? == StepStatus::Failed;
        }
    }
    Ok(())
}

async fn run(examiner: &mut Examiner<'_>, step: &Step) -> Result<StepStatus> {
    let mut execution = execution(step, StepStatus::Running);
    execution.started_at = Some(examiner.cx.clock.now());
    examiner.cx.sink.step(execution.clone()).await?;
    execution.status = StepStatus::Completed;
    for (index, line) in step.verify.iter().enumerate() {
        let check = Check::added(format!("step.{}.{}", step.id, index + 1), line);
        let result = examiner.examine(&check.into()).await?;
        if !matches!(result, CheckResult::Passed | CheckResult::Warned) {
            execution.status = StepStatus::Failed;
            execution.error = Some(format!("`{line}` did not pass"));
            break;
        }
    }
    execution.completed_at = Some(examiner.cx.clock.now());
    let status = execution.status;
    examiner.cx.sink.step(execution).await?;
    Ok(status)
}

/// Runs the requester's commands, all of them.
pub(super) async fn requested(examiner: &mut Examiner<'_>) -> Result<()> {
    for (index, line) in examiner.cx.commands.iter().enumerate() {
        let check = Check::added(format!("command.{}", index + 1), line);
        examiner.examine(&check.into()).await?;
    }
    Ok(())
}

fn execution(step: &Step, status: StepStatus) -> StepExecution {
    StepExecution {
        step_id: step.id.clone(),
        status,
        started_at: None,
        completed_at: None,
        error: None,
        artifacts: Vec::new(),
    }
}
