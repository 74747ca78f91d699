//! What is stored is the fold of what happened. With `ARCHITECT_GOLDEN=DIR` the histories are also
//! written down, for `matrix-architect-core/tests/golden` at each release.

use matrix_architect_core::{
    error::Error,
    job::{Job, NewJob},
    pipeline::JobRecord,
    policy::Decision,
};

use crate::bench::{Bench, Plans, author, reviewer, spec};

async fn compare(bench: &Bench, job: &Job, name: &str) {
    let record = bench.stores.store.load(&job.reference()).await.unwrap();
    let new = NewJob {
        job: job.reference(),
        spec: record.spec.clone(),
        requested_by: job.requested_by.clone(),
        at: job.created_at,
    };
    let history = bench.engine.history(&author(), &job.id, 0).await.unwrap();
    let folded = JobRecord::fold(&new, history.clone()).unwrap();
    assert_eq!(folded, record, "{name}");
    #[expect(clippy::disallowed_methods, reason = "a test may be told where to write")]
    let Ok(directory) = std::env::var("ARCHITECT_GOLDEN") else { return };
    let golden = serde_json::json!({
        "new": new,
        "history": history,
        "status": record.job.status,
        "phase": record.state.phase.to_string(),
    });
    let path =
        std::path::Path::new(&directory).join(format!("{}-{name}.json", env!("CARGO_PKG_VERSION")));
    std::fs::write(path, serde_json::to_string_pretty(&golden).unwrap() + "\n").unwrap();
}

#[tokio::test]
async fn a_job_that_succeeded_is_the_fold_of_its_history() {
    let bench = Bench::new(Plans::default()).await;
    let job = bench.run(spec()).await;
    compare(&bench, &job, "succeeded").await;
}

#[tokio::test]
async fn a_job_that_was_rolled_back_is_the_fold_of_its_history() {
    let bench = Bench::new(Plans::default()).await;
    bench.deployer.fail_once(Error::invalid("it does not start").code("unhealthy"));
    let job = bench.run(spec()).await;
    compare(&bench, &job, "rolled-back").await;
}

#[tokio::test]
async fn a_job_somebody_agreed_to_is_the_fold_of_its_history() {
    let plans = Plans { decision: Decision::RequireApproval, approvals: 1, ..Plans::default() };
    let bench = Bench::new(plans).await;
    let waiting = bench.run(spec()).await;
    bench.engine.approve(&reviewer(), &waiting.id, None).await.unwrap();
    let job = bench.drive(&waiting).await;
    compare(&bench, &job, "consented").await;
}
