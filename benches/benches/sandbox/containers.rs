//! Containers of a Docker engine: by its client, by its API, and our sandbox of them.

use std::{
    path::Path,
    process::{Command as Process, Stdio},
    time::{Duration, Instant},
};

use bollard::{
    Docker,
    models::{ContainerCreateBody, HostConfig, HostConfigLogConfig},
    query_parameters::{
        RemoveContainerOptionsBuilder, StartContainerOptions, WaitContainerOptions,
    },
};
use futures_util::StreamExt as _;
use matrix_architect_core::{
    id::SessionId,
    traits::{Cancel, Command, Limits, Output, OutputStream, Sandbox as _, Session, SessionSpec},
};
use matrix_architect_sandbox::{
    docker::{DockerConfig, DockerSandbox},
    workspace::DirTree,
};
use tokio::runtime::Runtime;

use crate::{peers::succeeds, root::Root};

const SOCKET: &str = "/var/run/docker.sock";
const PROGRAM: &str = "/usr/bin/true";

/// What the client takes for our hardening, without the reading back; the API gets the same.
const HARDENED: &[&str] = &[
    "run",
    "--rm",
    "--network=none",
    "--read-only",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--user=65534:65534",
    "--memory=256m",
    "--memory-swap=256m",
    "--pids-limit=64",
    "--log-driver=none",
    "--tmpfs=/tmp:rw,nosuid,nodev,size=64m",
];

/// An image of the root; it is removed when this is dropped.
pub(crate) struct Image(String);

impl Image {
    /// `None` without an engine, or without its client.
    pub(crate) fn new(root: &Root) -> Option<Self> {
        let image = Self(format!("architect-bench:{}", std::process::id()));
        let mut tar = Process::new("tar");
        tar.args(["--owner=0", "--group=0", "-c", "-C"]).arg(root.tree()).arg(".");
        let mut tar = tar.stdout(Stdio::piped()).spawn().ok()?;
        let mut import = Process::new("docker");
        import.args(["import", "-", &image.0]).stdin(tar.stdout.take().unwrap());
        let imported = import.stdout(Stdio::null()).stderr(Stdio::null()).status();
        let packed = tar.wait().is_ok_and(|status| status.success());
        (imported.is_ok_and(|status| status.success()) && packed && image.client()).then_some(image)
    }

    /// `docker run`, hardened.
    pub(crate) fn client(&self) -> bool {
        succeeds("docker", &[HARDENED, &[&self.0, PROGRAM]].concat())
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        succeeds("docker", &["image", "rm", "--force", &self.0]);
    }
}

/// The engine's API, hardened like the client.
pub(crate) struct Api {
    runtime: Runtime,
    docker: Docker,
    body: ContainerCreateBody,
}

impl Api {
    pub(crate) fn new(image: &Image) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let docker = runtime.block_on(async {
            let version = bollard::ClientVersion { major_version: 1, minor_version: 41 };
            Docker::connect_with_unix(SOCKET, 60, &version).unwrap()
        });
        let tmp = ("/tmp".to_owned(), "rw,nosuid,nodev,size=64m".to_owned());
        let host = HostConfig {
            network_mode: Some("none".to_owned()),
            readonly_rootfs: Some(true),
            cap_drop: Some(vec!["ALL".to_owned()]),
            security_opt: Some(vec!["no-new-privileges:true".to_owned()]),
            memory: Some(256 << 20),
            memory_swap: Some(256 << 20),
            pids_limit: Some(64),
            log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
            tmpfs: Some([tmp].into()),
            ..HostConfig::default()
        };
        let body = ContainerCreateBody {
            image: Some(image.0.clone()),
            user: Some("65534:65534".to_owned()),
            cmd: Some(vec![PROGRAM.to_owned()]),
            host_config: Some(host),
            ..ContainerCreateBody::default()
        };
        Self { runtime, docker, body }
    }

    /// Creates, starts, waits and removes.
    pub(crate) fn whole(&self) {
        self.runtime.block_on(async {
            let docker = &self.docker;
            let id = docker.create_container(None, self.body.clone()).await.unwrap().id;
            docker.start_container(&id, None::<StartContainerOptions>).await.unwrap();
            let mut wait = docker.wait_container(&id, None::<WaitContainerOptions>);
            assert_eq!(wait.next().await.unwrap().unwrap().status_code, 0);
            let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
            docker.remove_container(&id, Some(options)).await.unwrap();
        });
    }
}

/// Our sandbox of containers.
pub(crate) struct Ours {
    runtime: Runtime,
    sandbox: DockerSandbox,
    tree: DirTree,
}

impl Ours {
    pub(crate) fn new(image: &Image, folder: &Path, warm: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut config = DockerConfig::new(&image.0).warm(warm);
        config.socket = SOCKET.into();
        let sandbox = runtime.block_on(DockerSandbox::connect(config)).unwrap();
        Self { runtime, sandbox, tree: DirTree::open(folder).unwrap() }
    }

    pub(crate) fn open(&self) -> Box<dyn Session> {
        let mut spec = SessionSpec::new(SessionId::from_number(1));
        spec.limits = Limits::default().disk(64 << 20).memory(256 << 20).processes(64);
        self.runtime.block_on(self.sandbox.open(&self.tree, &spec)).unwrap()
    }

    pub(crate) fn run(&self, session: &dyn Session) {
        self.give(session, &[PROGRAM], &mut Vec::new());
    }

    fn give(&self, session: &dyn Session, line: &[&str], output: &mut dyn Output) {
        let (command, cancel) = (Command::new(line.iter().copied()), Cancel::new());
        let run = session.run(&command, output, &cancel);
        assert!(self.runtime.block_on(run).unwrap().verdict.is_success());
    }

    pub(crate) fn close(&self, session: Box<dyn Session>) {
        self.runtime.block_on(session.close()).unwrap();
    }

    pub(crate) fn whole(&self) {
        let session = self.open();
        self.run(&*session);
        self.close(session);
    }

    /// From asking to the exit; the session's end is not counted.
    pub(crate) fn adopted(&self) -> Duration {
        let started = Instant::now();
        let session = self.open();
        self.run(&*session);
        let took = started.elapsed();
        self.close(session);
        took
    }
}

/// Counts and forgets.
#[derive(Debug)]
struct Counted(u64);

impl Output for Counted {
    fn write(&mut self, _stream: OutputStream, bytes: &[u8]) {
        self.0 += bytes.len() as u64;
    }
}

/// How fast output comes through the engine.
pub(crate) fn flood(image: &Image, folder: &Path) {
    let ours = Ours::new(image, folder, 0);
    let session = ours.open();
    let started = Instant::now();
    ours.give(&*session, &["head", "-c", "1073741824", "/dev/zero"], &mut Counted(0));
    let seconds = started.elapsed().as_secs_f64();
    println!("\n1 GiB of output through the Docker sandbox: {:.0} MiB/s", 1024.0 / seconds);
    ours.close(session);
}
