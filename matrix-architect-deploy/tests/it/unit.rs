//! Units under a real systemd: this machine's own, as process 1 of a container that shares
//! `/usr` with it. This same test binary runs in there, one case a container.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use matrix_architect_core::{
    conformance::{
        self,
        deployer::{self, Sample, Target},
    },
    error::Result,
    fake::{
        CollectedLog, FixedClock, MemoryArtifacts, MemoryJournal, NoSecrets, gated_release, job_ref,
    },
    id::Digest,
    release::{DeploymentConfig, DeploymentTarget, Release},
    traits::{ArtifactStore as _, Cancel, DeployContext, DeployRequest, Deployer, Fence},
};
use matrix_architect_deploy::systemd::SystemdDeployer;
use serde_json::json;

use crate::service::{archive, ask, listing, skipped};

const CASE: &str = "ARCHITECT_TEST_CASE";
const IMAGE: &str = "architect-systemd-test";

/// One test a case out here; one name a case in there.
macro_rules! cases {
    ($($path:path as $case:ident),* $(,)?) => {
        $(
            #[test]
            fn $case() {
                outside(stringify!($case));
            }
        )*

        fn inside_case(name: &str) {
            match name {
                $(stringify!($case) => conformance::run($path(Machine)),)*
                _ => panic!("no case is called {name}"),
            }
        }
    };
}

cases! {
    deployer::a_preview_changes_nothing as a_preview_changes_nothing,
    deployer::an_applied_release_serves as an_applied_release_serves,
    deployer::applying_twice_changes_nothing as applying_twice_changes_nothing,
    deployer::an_unhealthy_release_is_rolled_back as an_unhealthy_release_is_rolled_back,
    deployer::an_unhealthy_first_release_leaves_nothing as an_unhealthy_first_release_leaves_nothing,
    deployer::a_rollback_returns_to_the_release_before as a_rollback_returns_to_the_release_before,
    deployer::a_rollback_of_a_first_release_leaves_nothing as a_rollback_of_a_first_release_leaves_nothing,
    deployer::a_rollback_may_be_repeated as a_rollback_may_be_repeated,
    deployer::a_cancelled_apply_leaves_the_old_release as a_cancelled_apply_leaves_the_old_release,
    deployer::the_logs_are_the_releases_own as the_logs_are_the_releases_own,
    deployer::another_environment_is_untouched as another_environment_is_untouched,
    deployer::another_jobs_release_stays as another_jobs_release_stays,
    own::a_value_arrives_as_it_is as a_value_arrives_as_it_is,
    own::a_unit_systemd_refuses_is_never_installed as a_unit_systemd_refuses_is_never_installed,
}

/// Not a test of its own: what runs in the container.
#[test]
#[expect(clippy::disallowed_methods, reason = "how a test tells its child process what to do")]
fn inside() {
    if let Ok(case) = std::env::var(CASE) {
        inside_case(&case);
    }
}

/// A service that says its label in its log and over HTTP.
const SERVER: &str = r#"
import http.server, os, sys
label = open("label").read()
print("starting", label, flush=True)
if os.path.exists("bad"): sys.exit(3)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("X-Version", os.environ["RELEASE_VERSION"])
        self.end_headers()
        said = label if self.path == "/" else os.environ.get(self.path[1:], "")
        self.wfile.write(said.encode())
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#;

const ROOT: &str = "/srv/app";

fn port(environment: &str) -> u16 {
    if environment == "staging" { 8001 } else { 8002 }
}

/// The container's systemd.
#[derive(Debug)]
struct Machine;

#[async_trait]
impl Target for Machine {
    fn deployer(&self) -> Arc<dyn Deployer> {
        Arc::new(SystemdDeployer::new(Arc::new(FixedClock::new())))
    }

    fn config(&self, environment: &str) -> DeploymentConfig {
        let port = port(environment);
        let config: BTreeMap<_, _> = serde_json::from_value(json!({
            "service": "web",
            "root": ROOT,
            "unit": { "exec": ["/usr/bin/python3", "server.py"], "memory_max": "256M" },
            "variables": { "PORT": port.to_string() },
            "health": {
                "http": { "url": format!("http://127.0.0.1:{port}/"), "version_header": "X-Version" },
                "interval_ms": 100, "consecutive": 3, "timeout_ms": 20_000,
            },
        }))
        .unwrap();
        let environment = environment.to_owned();
        DeploymentConfig { target: DeploymentTarget::Vm, environment, namespace: None, config }
    }

    fn broken_config(&self) -> (DeploymentConfig, &'static str) {
        let mut config = self.config("staging");
        config.config.insert("unit".to_owned(), json!({}));
        (config, "unit")
    }

    fn bundle(&self, label: &str, sample: Sample) -> Bytes {
        let mut files = vec![("label", 0o644, label), ("server.py", 0o644, SERVER)];
        if sample == Sample::Unhealthy {
            files.push(("bad", 0o644, ""));
        }
        archive(&files)
    }

    async fn serving(&self, environment: &str) -> Option<String> {
        ask(port(environment), "/").await
    }

    async fn fingerprint(&self) -> Digest {
        let units = listing(Path::new("/etc/systemd/system"));
        let releases =
            if Path::new(ROOT).exists() { listing(Path::new(ROOT)) } else { BTreeMap::new() };
        Digest::of(format!("{units:?} {releases:?}"))
    }
}

async fn apply(config: DeploymentConfig) -> Result<Release> {
    let (job, journal, artifacts) = (job_ref(1), MemoryJournal::new(), MemoryArtifacts::new());
    let bundle = Machine.bundle("one", Sample::Healthy);
    let (digest, _) = artifacts.put(&job.tenant, &bundle).await?;
    let (clock, cancel, log) = (FixedClock::new(), Cancel::new(), CollectedLog::new());
    let cx =
        DeployContext::new(&job, Fence(1), &journal, &NoSecrets, &artifacts, &clock, &cancel, &log);
    let request = DeployRequest { config, release: gated_release(&job, digest) };
    Machine.deployer().apply(&cx, &request).await
}

/// Cases only a unit has.
mod own {
    use super::*;

    /// Our environment file means to systemd what it means to us.
    pub(super) async fn a_value_arrives_as_it_is(machine: Machine) -> Result<()> {
        let values =
            ["a \"b\" 'c' `d` $HOME ${HOME} \\n \\ %h # ; =", "two\nlines\n", " edges ", "ümlaut"];
        for value in values {
            let mut config = machine.config("staging");
            config.config.insert("variables".to_owned(), json!({ "PORT": "8001", "VALUE": value }));
            apply(config).await?;
            assert_eq!(ask(8001, "/VALUE").await.as_deref(), Some(value));
        }
        Ok(())
    }

    /// What systemd's own checker refuses is never installed.
    pub(super) async fn a_unit_systemd_refuses_is_never_installed(machine: Machine) -> Result<()> {
        let before = machine.fingerprint().await;
        let mut config = machine.config("staging");
        let text = "[Service]\nExecStart={current}/there-is-no-such-file\n";
        config.config.insert("unit".to_owned(), json!({ "text": text }));
        let error = apply(config).await.unwrap_err();
        assert_eq!(error.code_str(), "bad_unit", "{error}");
        assert!(!fs::exists("/etc/systemd/system/web-staging.service").unwrap());
        assert_eq!(machine.serving("staging").await, None);
        assert_ne!(
            machine.fingerprint().await,
            before,
            "the release stays unpacked for the next try"
        );
        Ok(())
    }
}

fn docker(words: &[&str]) -> Output {
    Command::new("docker").args(words).output().unwrap()
}

/// Runs a case in a container of its own.
fn outside(case: &str) {
    if let Some(missing) = missing() {
        return skipped(missing);
    }
    let container = Container::start();
    let variable = format!("{CASE}={case}");
    let words =
        ["exec", "-e", &variable, &container.0, "/it", "unit::inside", "--exact", "--nocapture"];
    let Output { status, stdout, stderr } = docker(&words);
    let text = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    assert!(status.success() && text.contains("1 passed"), "{text}");
}

fn missing() -> Option<&'static str> {
    if !Path::new("/lib/systemd/systemd").exists() {
        return Some("systemd is not installed");
    }
    match Command::new("docker").arg("info").output() {
        Ok(output) if output.status.success() => None,
        _ => Some("docker is not installed or its daemon does not run"),
    }
}

/// A container whose process 1 is systemd; removed with this.
#[derive(Debug)]
struct Container(String);

impl Container {
    fn start() -> Self {
        if !docker(&["image", "inspect", IMAGE]).status.success() {
            import();
        }
        let exe = std::env::current_exe().unwrap();
        let own = format!("{}:/it:ro", exe.display());
        let output = docker(&[
            "run",
            "--detach",
            "--rm",
            "--cap-add",
            "SYS_ADMIN",
            "--security-opt",
            "seccomp=unconfined",
            "--security-opt",
            "apparmor=unconfined",
            "--tmpfs",
            "/run",
            "--tmpfs",
            "/run/lock",
            "--tmpfs",
            "/tmp",
            "-v",
            "/sys/fs/cgroup:/sys/fs/cgroup:rw",
            "-v",
            "/usr:/usr:ro",
            "-v",
            &own,
            IMAGE,
            "/lib/systemd/systemd",
        ]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let container = Self(String::from_utf8(output.stdout).unwrap().trim().to_owned());
        container.boot();
        container
    }

    fn boot(&self) {
        for _ in 0..300 {
            let state = docker(&["exec", &self.0, "systemctl", "is-system-running"]).stdout;
            if state.starts_with(b"running") || state.starts_with(b"degraded") {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("systemd did not come up");
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        docker(&["rm", "--force", &self.0]);
    }
}

/// Makes the image: folders, links and a few files of `/etc`; all else is this machine's `/usr`.
fn import() {
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |kind, path: &str, link: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(if kind == tar::EntryType::Directory { 0o755 } else { 0o644 });
        header.set_size(content.len() as u64);
        if link.is_empty() {
            builder.append_data(&mut header, path, content).unwrap();
        } else {
            builder.append_link(&mut header, path, link).unwrap();
        }
    };
    let folders =
        "etc/systemd/system root proc sys dev run tmp usr srv var/lib var/tmp var/log/journal home";
    for folder in folders.split(' ') {
        add(tar::EntryType::Directory, folder, "", b"");
    }
    for name in ["bin", "sbin", "lib", "lib64"] {
        add(tar::EntryType::Symlink, name, &format!("usr/{name}"), b"");
    }
    let target = "/lib/systemd/system/multi-user.target";
    add(tar::EntryType::Symlink, "etc/systemd/system/default.target", target, b"");
    add(tar::EntryType::Regular, "etc/machine-id", "", b"");
    for name in ["passwd", "group", "nsswitch.conf", "ld.so.cache", "ld.so.conf"] {
        let path = PathBuf::from("/etc").join(name);
        add(tar::EntryType::Regular, &format!("etc/{name}"), "", &fs::read(path).unwrap());
    }
    let archive = builder.into_inner().unwrap();
    let mut import = Command::new("docker");
    import.args(["import", "-", IMAGE]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = import.spawn().unwrap();
    child.stdin.take().unwrap().write_all(&archive).unwrap();
    assert!(child.wait().unwrap().success());
}
