//! A change with a check, a target and somewhere to be published, and what is stored of it while
//! the command works on it.

use std::{
    process::{Child, Stdio},
    sync::Arc,
    time::Duration,
};

use matrix_architect_core::{
    event::Event,
    fake::MemoryArtifacts,
    id::TenantId,
    job::JobStatus,
    traits::{JobQuery, Store},
};
use matrix_architect_store::{sqlite, system::SystemClock};
use tokio::runtime::Runtime;

use super::{Bench, Ended};

/// How often a look may come too late.
pub(crate) const ATTEMPTS: usize = 10;

/// The stored jobs of a bench, and the one command that runs there again and again.
pub(crate) struct Witness {
    pub(crate) bench: Bench,
    arguments: Vec<String>,
    runtime: Runtime,
    store: Arc<dyn Store>,
}

impl Witness {
    /// Looks at a bench where `repo` is changed, deployed and published so.
    pub(crate) fn of(bench: Bench, repo: &str, publish: &[&str]) -> Self {
        let place = |name| bench.path(name).display().to_string();
        let (repo, live) = (place(repo), place("live"));
        let plan = bench.plan("plan.json", "hello, world\n");
        let mut words = vec!["run", "--repo", &repo, "--plan", &plan, "--allow-degraded", "--json"];
        words.extend(["--constraint", "require_tests=false"]);
        words.extend(["--verify", "test -s greeting.txt"]);
        words.extend(["--deploy-to", &live, "--health", "true"]);
        words.extend(publish);
        let arguments = words.into_iter().map(ToOwned::to_owned).collect();

        // The command makes its data directory, so that there is something to look at.
        let jobs = bench.run(&["jobs", "--json"]).expect(0).json();
        assert_eq!(jobs.as_array().map(Vec::len), Some(0), "{jobs:#}");
        let runtime = Runtime::new().unwrap();
        let (clock, artifacts) = (Arc::new(SystemClock), Arc::new(MemoryArtifacts::new()));
        let open = sqlite::open(bench.data().join("architect.db"), clock, artifacts);
        let store = runtime.block_on(open).unwrap().store;
        Self { bench, arguments, runtime, store }
    }

    /// A bench whose change is published into a directory.
    pub(crate) fn of_directory() -> Self {
        let bench = Bench::new();
        let published = bench.path("published").display().to_string();
        Self::of(bench, "repo", &["--publish-to", &published])
    }

    fn words(&self) -> Vec<&str> {
        self.arguments.iter().map(String::as_str).collect()
    }

    /// Runs the command to its end.
    pub(crate) fn run(&self) -> Ended {
        self.bench.run(&self.words())
    }

    /// Starts the command and returns when `now` says so, or when it has ended.
    pub(crate) fn start_until(&self, now: impl Fn() -> bool) -> Child {
        let mut command = self.bench.architect(&self.words());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        while !now() && child.try_wait().unwrap().is_none() {
            // The command needs the processor, too.
            std::thread::sleep(Duration::from_micros(200));
        }
        child
    }

    /// Kills the command as soon as `now` says so.
    pub(crate) fn kill_when(&self, now: impl Fn() -> bool) {
        let mut child = self.start_until(now);
        let _ = child.kill();
        child.wait().unwrap();
    }

    /// Where the job is; `None` before there is one.
    pub(crate) fn status(&self) -> Option<JobStatus> {
        self.runtime.block_on(async {
            let page = self.store.list(&TenantId::default(), &JobQuery::default()).await.unwrap();
            assert!(page.jobs.len() < 2, "one job and not two");
            page.jobs.first().map(|record| record.job.status)
        })
    }

    /// What has happened to the job.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.runtime.block_on(async {
            let page = self.store.list(&TenantId::default(), &JobQuery::default()).await.unwrap();
            let Some(record) = page.jobs.first() else { return Vec::new() };
            let history = self.store.history(&record.job.reference(), 0, 1000).await.unwrap();
            history.into_iter().map(|envelope| envelope.event).collect()
        })
    }
}
