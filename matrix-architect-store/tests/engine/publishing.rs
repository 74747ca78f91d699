//! Changes that go to more than one place.

use std::{collections::BTreeMap, time::Duration};

use matrix_architect_core::{
    error::{Error, ErrorKind},
    fake::MemoryPublisher,
    job::{Job, JobSpec, JobStatus},
    release::PublishConfig,
};

use crate::{
    bench::{Bench, Plans, TARGET, author, spec},
    stop::stop_after,
};

/// A change for both places.
fn for_both() -> JobSpec {
    let place = |driver: &str| PublishConfig { driver: driver.to_owned(), config: BTreeMap::new() };
    JobSpec { publish: vec![place("memory"), place("other")], ..spec() }
}

fn places(job: &Job) -> Vec<&str> {
    job.publications.iter().map(|publication| publication.driver.as_str()).collect()
}

#[tokio::test]
async fn settings_that_do_not_fit_the_job_are_told_before_anything_is_deployed() {
    let bench = Bench::new(Plans::default()).await;
    let mut spec = for_both();
    spec.publish[1].config.insert("from".to_owned(), "no-such-branch".into());
    let job = bench.run(spec).await;
    assert_eq!((job.status, places(&job)), (JobStatus::Failed, Vec::new()));
    assert!(bench.deployer.writes().is_empty(), "a target was touched");
    assert!(job.failure.unwrap().message.contains("another branch"));
}

#[tokio::test]
async fn a_change_for_two_places_is_public_in_both() {
    let bench = Bench::new(Plans::default()).await;
    let job = bench.run(for_both()).await;
    assert_eq!((job.status, places(&job)), (JobStatus::Succeeded, vec!["memory", "other"]));
    assert_eq!((bench.publisher.published().len(), bench.other.published().len()), (1, 1));
}

#[tokio::test]
async fn a_wish_to_stop_between_two_places_is_obeyed_and_says_what_is_public() {
    let other = MemoryPublisher::named("other").taking(Duration::from_mins(5));
    let bench = Bench::new(Plans { other, ..Plans::default() }).await;
    let job = stop_after(&bench, for_both(), "published", JobStatus::Publishing).await;
    assert_eq!((job.status, places(&job)), (JobStatus::Aborted, vec!["memory"]));
    assert_eq!((bench.publisher.published().len(), bench.other.published().len()), (1, 0));
    let log = bench.log(&job, "PUBLISH").await;
    assert!(log.contains("published memory:"), "{log}");
    assert!(log.contains("published: 1, not_published: other"), "{log}");
    // What is public stays so; what can be taken back is.
    assert_eq!(bench.deployer.live(TARGET), None);
    assert!(job.attestation.is_none());
}

#[tokio::test]
async fn a_place_that_refuses_takes_nothing_from_the_other() {
    let bench = Bench::new(Plans::default()).await;
    bench.other.fail_once(Error::invalid("nobody may see it"));
    let job = bench.run(for_both()).await;
    assert_eq!((job.status, places(&job)), (JobStatus::Failed, vec!["memory"]));
    let failure = job.failure.unwrap().message;
    assert!(failure.contains("published: 1, not_published: other"), "{failure}");
}

#[tokio::test]
async fn a_first_place_that_refuses_leaves_the_others_out() {
    let bench = Bench::new(Plans::default()).await;
    bench.publisher.fail_once(Error::invalid("nobody may see it"));
    let job = bench.run(for_both()).await;
    assert_eq!((job.status, places(&job)), (JobStatus::Failed, Vec::new()));
    let failure = job.failure.unwrap().message;
    assert!(failure.contains("published: 0, not_published: memory, other"), "{failure}");
    assert!(bench.other.published().is_empty());
}

#[tokio::test]
async fn a_place_that_was_out_of_reach_is_tried_again_and_the_other_is_not_changed_twice() {
    let bench = Bench::new(Plans::default()).await;
    bench.other.fail_once(Error::new(ErrorKind::Unavailable, "it does not answer"));
    let job = bench.run(for_both()).await;
    assert_eq!((job.status, job.retry_count), (JobStatus::Succeeded, 1));
    assert_eq!(places(&job), ["memory", "other"]);
    assert!(!job.publications[0].changed, "it was public already");
}

#[tokio::test]
async fn what_may_be_public_already_is_not_planned_again() {
    let bench = Bench::new(Plans::default()).await;
    let later = Error::new(ErrorKind::Unavailable, "it does not answer");
    bench.other.fail_once(later.retry_after(Duration::from_hours(1)));
    let job = bench.submit(JobSpec { deployments: Vec::new(), ..for_both() }).await;
    let replan = async {
        while bench.kinds(&job).await.last() != Some(&"attempt_failed") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bench.engine.replan(&author(), &job.id, "a better idea".to_owned()).await
    };
    let refused = tokio::select! {
        ended = bench.drive(&job) => panic!("it was not tried again later: {ended:?}"),
        refused = replan => refused,
    };
    assert!(refused.is_err_and(|error| error.is_conflict()));
    assert_eq!(bench.publisher.published().len(), 1);
}

#[tokio::test]
async fn what_a_driver_notes_is_in_the_jobs_history_before_it_is_done() {
    let other = MemoryPublisher::named("other").noting();
    let bench = Bench::new(Plans { other, ..Plans::default() }).await;
    let job = bench.run(for_both()).await;
    let kinds = bench.kinds(&job).await;
    let noted: Vec<_> = kinds.into_iter().skip_while(|kind| *kind != "step_intended").collect();
    assert_eq!(noted, ["step_intended", "step_done", "published", "finished"]);
}
