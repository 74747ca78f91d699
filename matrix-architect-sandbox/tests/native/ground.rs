//! What the tests stand on: a sandbox, and eyes on the host.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use matrix_architect_core::{
    conformance::{
        Harness, Serves,
        sandbox::{Isolates, Programs},
    },
    time::Timestamp,
    traits::{Command, Limits, Sandbox},
};
use matrix_architect_sandbox::egress::ProxyConfig;
use matrix_architect_sandbox::native::{CgroupUse, NativeConfig, NativeSandbox};

/// Prints what a URL says; asks the proxy that the environment names.
const FETCH: &str =
    "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=5).read().decode())";

/// A fresh native sandbox and a secret on the host.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) sandbox: NativeSandbox,
    secret: tempfile::NamedTempFile,
}

impl Ground {
    pub(crate) fn with_cgroups() -> Self {
        Self::new(CgroupUse::Auto)
    }

    pub(crate) fn without_cgroups() -> Self {
        Self::new(CgroupUse::Off)
    }

    fn new(cgroups: CgroupUse) -> Self {
        let secret = tempfile::NamedTempFile::new().unwrap();
        fs::write(&secret, "the host's secret").unwrap();
        let proxy = ["allowed.test", "refused.test"]
            .into_iter()
            .fold(ProxyConfig::default(), |proxy, name| {
                proxy.host(name, std::net::Ipv4Addr::LOCALHOST.into())
            });
        let config = NativeConfig::default().cgroups(cgroups).proxy(proxy);
        Self { sandbox: NativeSandbox::new(config).unwrap(), secret }
    }

    /// A file of the host's `/tmp` that nobody inside may see.
    pub(crate) fn secret(&self) -> &Path {
        self.secret.path()
    }
}

#[async_trait]
impl Harness for Ground {
    async fn now(&self) -> Timestamp {
        Timestamp::default()
    }

    async fn elapse(&mut self, _duration: Duration) {}

    async fn reopen(&mut self) {}
}

impl Serves<dyn Sandbox> for Ground {
    fn backend(&self) -> Arc<dyn Sandbox> {
        Arc::new(self.sandbox.clone())
    }
}

#[async_trait]
impl Isolates for Ground {
    fn programs(&self) -> Option<Programs> {
        Some(Programs {
            fetch: |url| Command::new(["python3", "-I", "-c", FETCH, url]),
            serve: |port| {
                let port = port.to_string();
                Command::new(["python3", "-I", "-m", "http.server", "--bind", "127.0.0.1", &port])
            },
            listen: || std::net::TcpListener::bind("127.0.0.1:0").unwrap(),
        })
    }

    fn hidden(&self) -> Vec<PathBuf> {
        let mut hidden = vec![self.secret().to_owned(), std::env::current_exe().unwrap()];
        hidden.extend(["/var/lib", "/run", "/sys/kernel", "/etc/shadow"].map(PathBuf::from));
        hidden.retain(|path| path.exists());
        hidden
    }

    fn beyond_its_means(&self) -> Option<(Arc<dyn Sandbox>, Limits)> {
        let sandbox = Self::without_cgroups().sandbox;
        let mut limits = Limits::default().disk(64 << 20);
        limits.cpu_millis = 500;
        Some((Arc::new(sandbox), limits))
    }

    async fn leftovers(&self) -> Vec<String> {
        let helper = self.sandbox.helper_id();
        let sessions = children(helper).into_iter().map(|pid| format!("process {pid}"));
        let mut left: Vec<_> = sessions.collect();
        // Some that nobody is in are kept to be used again.
        let all = cgroups(helper);
        left.extend(all.iter().filter(|path| is_occupied(path)).cloned());
        if all.len() > RESERVE {
            left.push(format!("{} cgroups", all.len()));
        }
        left.extend(mounts());
        left
    }
}

impl Ground {
    /// The first process of the one session there is, once the one in which the layers were proven is
    /// gone.
    pub(crate) async fn keeper(&self) -> u32 {
        only_child(self.sandbox.helper_id()).await
    }
}

/// The one child of a process, once it has no other any more.
pub(crate) async fn only_child(pid: u32) -> u32 {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        match children(pid)[..] {
            [child] => return child,
            ref others => assert!(Instant::now() < until, "{others:?}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|text| {
            text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()
        })
        .collect()
}

/// Cgroups made for commands of this helper.
pub(crate) fn cgroups(helper: u32) -> Vec<String> {
    let prefix = format!("architect.{helper}.");
    let mut found = Vec::new();
    let mut look = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(directory) = look.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                found.push(format!("cgroup {}", entry.path().display()));
            } else {
                look.push(entry.path());
            }
        }
    }
    found
}

/// Cgroups of 16 commands, in at most four hierarchies each.
const RESERVE: usize = 64;

fn is_occupied(cgroup: &str) -> bool {
    let path = cgroup.strip_prefix("cgroup ").unwrap();
    fs::read_to_string(format!("{path}/cgroup.procs")).is_ok_and(|members| !members.is_empty())
}

pub(crate) fn mounts() -> Vec<String> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap();
    // The Docker sandbox's tests may run meanwhile, and its volumes are no matter here.
    let is_ours = |line: &&str| line.contains("architect") && !line.contains("/volumes/architect-");
    text.lines().filter(is_ours).map(str::to_owned).collect()
}
