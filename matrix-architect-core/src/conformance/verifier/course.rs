//! How a verification goes, and what it leaves: promises 6 to 9, and cancellation.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

use super::{
    Judges,
    wish::{FENCE, Wish, plan},
};
use crate::{
    error::{ErrorKind, Result},
    evidence::EvidenceKind,
    fake::{Told, job_ref},
    plan::StepStatus,
    tenant::JobRef,
    traits::{Fence, Sandbox, SandboxCapabilities, Session, SessionSpec, Tree},
};

/// Promise 6.
pub async fn every_check_is_reported_as_it_comes_out(harness: impl Judges) -> Result<()> {
    let good = harness.project(&[("adds", true)]);
    let mut wish = Wish::new(&good, &good);
    wish.commands = vec!["echo first-mark".to_owned(), "echo second-mark".to_owned()];
    let told = wish.verify(&harness).await?.sink.told();
    let says = |mark: &str, told: &Told| match told {
        Told::Log(bytes) => String::from_utf8_lossy(bytes).contains(mark),
        Told::Evidence(_) | Told::Step(_) => false,
    };
    let is_command = |told: &Told| match told {
        Told::Evidence(evidence) => evidence.kind == EvidenceKind::CommandCheck,
        Told::Step(_) | Told::Log(_) => false,
    };
    let first = told.iter().position(is_command);
    let second = told.iter().position(|told| says("second-mark", told));
    assert!(first.is_some() && first < second, "{first:?} {second:?}");
    assert!(told.iter().position(|told| says("first-mark", told)) < first);
    Ok(())
}

/// Promise 7.
pub async fn every_step_is_followed_to_its_end(harness: impl Judges) -> Result<()> {
    let good = harness.project(&[("adds", true)]);
    let mut wish = Wish::new(&good, &good);
    wish.plan = plan(&[&["true"], &["false", "true"], &["true"]]);
    let steps = wish.verify(&harness).await?.sink.steps();
    let told: Vec<_> = steps.iter().map(|step| (step.step_id.as_str(), step.status)).collect();
    assert_eq!(
        told,
        [
            ("s1", StepStatus::Running),
            ("s1", StepStatus::Completed),
            ("s2", StepStatus::Running),
            ("s2", StepStatus::Failed),
            ("s3", StepStatus::Skipped),
        ]
    );
    let ended = |step: &&crate::plan::StepExecution| {
        matches!(step.status, StepStatus::Completed | StepStatus::Failed)
    };
    assert!(steps.iter().filter(ended).all(|s| s.started_at.is_some() && s.completed_at.is_some()));
    Ok(())
}

/// Promise 8.
pub async fn what_checks_leave_behind_is_not_released(harness: impl Judges) -> Result<()> {
    let good = harness.project(&[("adds", true)]);
    let mut wish = Wish::new(&good, &good);
    wish.commands = vec!["echo left > left-behind".to_owned()];
    let bundle = wish.verify(&harness).await?.bundle;
    let packed = harness.tree(&good).await?.pack().await?.collect(64 << 20).await?;
    assert!(bundle == packed, "the release is not the changed tree");
    Ok(())
}

/// Promise 9.
pub async fn every_session_names_its_owner(harness: impl Judges) -> Result<()> {
    let (good, bad) =
        (harness.project(&[("adds", true)]), harness.project(&[("adds", false), ("halves", true)]));
    let watched = Arc::new(Watched { inner: harness.sandbox(), owners: Mutex::default() });
    // A failure is looked up on the base, for which some verifiers open another session.
    Wish::new(&good, &bad).verify_in(&harness, Arc::clone(&watched) as _).await?;
    let owners = watched.owners.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(!owners.is_empty(), "nothing ran in the sandbox");
    assert!(owners.iter().all(|owner| *owner == Some((job_ref(1), FENCE))), "{owners:?}");
    drop(owners);
    Ok(())
}

/// What the trait says about cancellation.
pub async fn a_wish_to_stop_is_answered(harness: impl Judges) -> Result<()> {
    let good = harness.project(&[("adds", true)]);
    let mut wish = Wish::new(&good, &good);
    wish.commands = vec!["sleep 60".to_owned()];
    let cancel = wish.cancel.clone();
    let stop = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        cancel.cancel();
    };
    let (outcome, ()) = futures_util::join!(wish.verify(&harness), stop);
    assert_eq!(outcome.err().map(|error| error.kind()), Some(ErrorKind::Cancelled));
    Ok(())
}

/// A sandbox that remembers for whom its sessions were opened.
#[derive(Debug)]
struct Watched {
    inner: Arc<dyn Sandbox>,
    owners: Mutex<Vec<Option<(JobRef, Fence)>>>,
}

#[async_trait]
impl Sandbox for Watched {
    fn capabilities(&self) -> SandboxCapabilities {
        self.inner.capabilities()
    }

    async fn open(&self, tree: &dyn Tree, spec: &SessionSpec) -> Result<Box<dyn Session>> {
        let note = |owner| {
            self.owners.lock().unwrap_or_else(PoisonError::into_inner).push(owner);
        };
        note(spec.owner.clone());
        self.inner.open(tree, spec).await
    }

    async fn reap(&self) -> Result<u64> {
        self.inner.reap().await
    }
}
