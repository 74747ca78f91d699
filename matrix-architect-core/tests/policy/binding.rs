//! A consent is to one thing: any single change of it is another one.

use matrix_architect_core::{
    id::{Digest, JobId, PrincipalId, TenantId},
    job::{JobConstraints, JobSpec, NewJob, OnPublishFailure, Priority},
    pipeline::JobRecord,
    plan::{Change, RepoSpec},
    policy::{PolicyInfo, binding},
    release::{DeploymentConfig, PublishConfig},
    tenant::JobRef,
};
use proptest::prelude::*;

fn record() -> JobRecord {
    let spec = JobSpec {
        repo: RepoSpec::Local { path: "/src".into(), reference: None, subfolder: None },
        goal: "goal".into(),
        change: Change::Goal,
        verify_commands: Vec::new(),
        constraints: JobConstraints::default(),
        deployments: vec![DeploymentConfig::default()],
        publish: vec![PublishConfig { driver: "directory".into(), config: [].into() }],
        priority: Priority::Normal,
        labels: [].into(),
        idempotency_key: None,
    };
    let job = JobRef::new(TenantId::default(), JobId::new("job_1").unwrap());
    let requested_by = PrincipalId::new("ada").unwrap();
    let at = "2026-01-01T10:00:00Z".parse().unwrap();
    let mut record = JobRecord::new(&NewJob { job, spec, requested_by, at });
    record.state.refs.plan_hash = Some(Digest::of("plan"));
    record.state.refs.patch_hash = Some(Digest::of("patch"));
    record.state.refs.evidence = Some(Digest::of("evidence"));
    record.state.refs.bundle = Some(Digest::of("bundle"));
    record
}

fn policy() -> PolicyInfo {
    PolicyInfo { uri: "urn:policy".into(), digest: Digest::of("rules") }
}

type Mutate = fn(&mut JobRecord, &mut PolicyInfo);

const MUTANTS: [(&str, Mutate); 26] = [
    ("tenant", |record, _| record.job.tenant = TenantId::new("other").unwrap()),
    ("job", |record, _| record.job.id = JobId::new("job_2").unwrap()),
    ("generation", |record, _| record.state.generation += 1),
    ("plan", |record, _| record.state.refs.plan_hash = Some(Digest::of("x"))),
    ("patch", |record, _| record.state.refs.patch_hash = Some(Digest::of("x"))),
    ("evidence", |record, _| record.state.refs.evidence = Some(Digest::of("x"))),
    ("bundle", |record, _| record.state.refs.bundle = Some(Digest::of("x"))),
    ("policy uri", |_, policy| policy.uri.push('x')),
    ("policy digest", |_, policy| policy.digest = Digest::of("x")),
    ("requester", |record, _| record.job.requested_by = PrincipalId::new("eve").unwrap()),
    ("a deployment more", |record, _| record.spec.deployments.push(DeploymentConfig::default())),
    ("a deployment less", |record, _| record.spec.deployments.clear()),
    ("environment", |record, _| record.spec.deployments[0].environment = "production".into()),
    ("namespace", |record, _| record.spec.deployments[0].namespace = Some("x".into())),
    ("a setting", |record, _| {
        record.spec.deployments[0].config.insert("replicas".into(), 3.into());
    }),
    ("publisher", |record, _| record.spec.publish[0].driver = "git".into()),
    ("a publisher's setting", |record, _| {
        record.spec.publish[0].config.insert("branch".into(), "main".into());
    }),
    ("max_duration", |record, _| record.spec.constraints.max_duration += 1),
    ("require_tests", |record, _| record.spec.constraints.require_tests ^= true),
    ("require_build", |record, _| record.spec.constraints.require_build ^= true),
    ("allow_breaking_changes", |record, _| record.spec.constraints.allow_breaking_changes ^= true),
    ("security_scan", |record, _| record.spec.constraints.security_scan ^= true),
    ("coverage_threshold", |record, _| record.spec.constraints.coverage_threshold = Some(0.0)),
    ("max_attempts", |record, _| record.spec.constraints.max_attempts += 1),
    ("on_publish_failure", |record, _| {
        record.spec.constraints.on_publish_failure = OnPublishFailure::RollBack;
    }),
    ("min_approvals", |record, _| record.spec.constraints.min_approvals += 1),
];

#[test]
fn any_single_change_is_another_question() {
    let asked = binding(&record(), &policy()).unwrap();
    let mut seen = std::collections::BTreeSet::from([asked]);
    for (field, mutate) in MUTANTS {
        let (mut record, mut policy) = (record(), policy());
        mutate(&mut record, &mut policy);
        assert!(seen.insert(binding(&record, &policy).unwrap()), "{field}");
    }
}

#[test]
fn what_is_not_agreed_to_does_not_matter() {
    let asked = binding(&record(), &policy()).unwrap();
    let mut later = record();
    later.job.labels.insert("team".into(), "core".into());
    later.job.retry_count = 3;
    later.state.counters.retries = 3;
    assert_eq!(binding(&later, &policy()).unwrap(), asked);
}

#[test]
fn there_is_nothing_to_agree_to_before_the_job_is_verified() {
    let mut early = record();
    early.state.refs.evidence = None;
    assert!(binding(&early, &policy()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn two_plans_never_share_a_question(a: [u8; 32], b: [u8; 32]) {
        let bound = |bytes| {
            let mut record = record();
            record.state.refs.plan_hash = Some(Digest::from_bytes(bytes));
            binding(&record, &policy()).unwrap()
        };
        prop_assert_eq!(a == b, bound(a) == bound(b));
    }
}
