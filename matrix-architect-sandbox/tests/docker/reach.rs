//! What a session reaches: only through the proxy, and only where the server can be sure whose
//! network it listens in.

use std::{
    fs,
    path::Path,
    process::{Child, Command as Process, Stdio},
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use matrix_architect_core::{
    conformance::files::Files,
    error::ErrorKind,
    traits::{Cancel, Command, Egress, Network, Readiness, Sandbox as _, Service},
};
use matrix_architect_sandbox::docker::{DockerSandbox, doctor};

use super::{
    ground::{Ground, all_are_gone, config},
    relay::{self, Fits},
};
use crate::{
    alone::skip,
    own::{alone, open_descriptors, runtime, spec},
};

fn egress() -> Network {
    Network::Egress(Egress::to(["allowed.test:1".parse().unwrap()]))
}

pub(super) fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

/// Waits until there are so many: one that has said its last word takes a moment to be gone.
pub(super) fn threads_are(wanted: usize) {
    let until = Instant::now() + Duration::from_secs(20);
    while threads() != wanted {
        assert!(Instant::now() < until, "{} threads, not {wanted}", threads());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_session_with_a_way_out_leaves_nothing_behind() {
    alone("docker::reach::a_session_with_a_way_out_leaves_nothing_behind", || {
        drop(runtime());
        let before = (open_descriptors(), threads());
        let label = runtime().block_on(async {
            let ground = Ground::here().await?;
            for number in 0..4 {
                let mut spec = spec(number);
                spec.network = egress();
                let session = ground.sandbox.open(&Files::default(), &spec).await.unwrap();
                let ask = Command::new([
                    "python3",
                    "-I",
                    "-c",
                    "import os, urllib.parse as u, socket as s\n\
                     to = u.urlsplit(os.environ['HTTP_PROXY'])\n\
                     s.create_connection((to.hostname, to.port)).sendall(b'GET ')",
                ]);
                let mut told = Vec::new();
                let exit = session.run(&ask, &mut told, &Cancel::new()).await.unwrap();
                assert!(exit.verdict.is_success(), "{}", String::from_utf8_lossy(&told));
                if number % 2 == 0 {
                    session.close().await.unwrap();
                }
            }
            Some(ground.sandbox.label())
        });
        let Some(label) = label else { return };
        all_are_gone(&label);
        assert_eq!(open_descriptors(), before.0);
        threads_are(before.1);
    });
}

/// A process of this machine with a network of its own, which is no business of any session.
struct Bystander(Child);

impl Bystander {
    fn new() -> Self {
        let mut unshare = Process::new("unshare");
        unshare.args(["--net", "sleep", "1000"]).stdin(Stdio::null());
        let bystander = Self(unshare.spawn().unwrap());
        let network = |process: &str| fs::read_link(format!("/proc/{process}/ns/net")).ok();
        while network(&bystander.0.id().to_string()) == network("self") {
            std::thread::sleep(Duration::from_millis(5));
        }
        bystander
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A sandbox on an engine whose process numbers are all the bystander's.
async fn deceived(folder: &Path, bystander: &Bystander) -> (DockerSandbox, Fits) {
    let mut config = config();
    config.socket = folder.join("docker.sock");
    let fits = relay::lie(&config.socket, bystander.0.id());
    let sandbox = DockerSandbox::connect(config).await.unwrap();
    (sandbox, fits)
}

#[tokio::test]
async fn nobody_listens_in_a_network_that_may_be_a_strangers() {
    let Some(ground) = Ground::here().await else { return };
    if !rustix::process::geteuid().is_root() {
        return skip("the tests do not run as root");
    }
    assert!(ground.sandbox.capabilities().egress, "the engine is here, and we are root");
    // A number that is longer than those the engine tells has no room in its answers.
    for _ in 0..3 {
        let (folder, bystander) = (tempfile::tempdir().unwrap(), Bystander::new());
        let (sandbox, fits) = deceived(folder.path(), &bystander).await;
        if !fits.load(Ordering::SeqCst) {
            continue;
        }
        assert!(!sandbox.capabilities().egress, "a stranger's network was entered");
        let mut spec = spec(1);
        spec.network = egress();
        let error = sandbox.open(&Files::default(), &spec).await.map(drop).unwrap_err();
        assert_eq!((error.kind(), error.code_str()), (ErrorKind::Unsupported, "no_egress"));
        assert!(error.to_string().contains("run the server on the engine's machine"), "{error}");
        let mut config = config();
        config.socket = folder.path().join("docker.sock");
        let checks = doctor(&config).await;
        let egress = checks.iter().find(|check| check.layer == "egress").unwrap();
        assert!(!egress.ok && egress.remedy.contains("engine's machine"), "{egress:?}");
        // Nothing is known of its processes, and yet it is known what listens.
        let session = sandbox.open(&Files::default(), &crate::own::spec(2)).await.unwrap();
        let serve = Command::new(["python3", "-I", "-m", "http.server", "8126"]);
        let web = Service::new("web", serve, Readiness::Port(8126));
        session.start(&web, &Cancel::new()).await.unwrap();
        assert!(session.services().await.unwrap()[0].ended.is_none());
        session.close().await.unwrap();
        return;
    }
    panic!("no process has a number that fits");
}

#[tokio::test]
async fn a_way_out_is_told_by_the_doctor() {
    if Ground::here().await.is_none() || !rustix::process::geteuid().is_root() {
        return;
    }
    let checks = doctor(&config()).await;
    let egress = checks.iter().find(|check| check.layer == "egress").unwrap();
    assert!(egress.ok && egress.remedy.is_empty(), "{egress:?}");
}
