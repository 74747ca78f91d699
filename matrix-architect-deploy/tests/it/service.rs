//! A real service, deployed into a folder of its own: a small HTTP server that a restart command
//! of the bundle starts, and that says which release it is.

use std::{
    collections::BTreeMap,
    fs, io,
    net::TcpListener,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use matrix_architect_core::{
    conformance::deployer::{Sample, Target},
    fake::FixedClock,
    id::Digest,
    release::{DeploymentConfig, DeploymentTarget},
    traits::Deployer,
};
use matrix_architect_deploy::systemd::SystemdDeployer;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Stops the old server, starts the new one, and leaves.
const RESTART: &str = r#"#!/bin/sh
"$0.stop"
echo "starting $(cat label)"
setsid python3 "$PWD/server.py" "$PORT" "$PWD" < /dev/null &
echo $! > "$PIDFILE"
"#;

const STOP: &str = r#"#!/bin/sh
pid=$(cat "$PIDFILE" 2>/dev/null) || exit 0
kill -9 "$pid" 2>/dev/null
while kill -0 "$pid" 2>/dev/null; do sleep 0.01; done
rm -f "$PIDFILE"
"#;

const SERVER: &str = r#"
import http.server, os, sys
root = sys.argv[2]
label = open(root + "/label").read()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        bad = os.path.exists(root + "/bad")
        self.send_response(500 if bad else 200)
        self.send_header("X-Version", os.environ["RELEASE_VERSION"])
        self.end_headers()
        self.wfile.write(label.encode())
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer.allow_reuse_address = True
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"#;

/// A tar archive of files: path, mode, content.
pub(crate) fn archive(files: &[(&str, u32, &str)]) -> Bytes {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, mode, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(*mode);
        header.set_cksum();
        builder.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap().into()
}

/// The sample service as a bundle.
pub(crate) fn bundle(label: &str, sample: Sample) -> Bytes {
    let mut files = vec![
        ("bin/restart", 0o755, RESTART),
        ("bin/restart.stop", 0o755, STOP),
        ("label", 0o644, label),
        ("server.py", 0o644, SERVER),
    ];
    if sample == Sample::Unhealthy {
        files.push(("bad", 0o644, ""));
    }
    archive(&files)
}

/// A port nobody listens on at the moment.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Asks whoever listens, and only takes a healthy answer.
pub(crate) async fn ask(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.contains(" 200 ").then(|| body.to_owned())
}

/// What the sample service is told by its environment.
pub(crate) fn variables(root: &Path, environment: &str, port: u16) -> Value {
    json!({ "PORT": port.to_string(), "PIDFILE": root.join(format!("{environment}.pid")) })
}

/// The settings of the sample service.
pub(crate) fn config(root: &Path, environment: &str, port: u16) -> DeploymentConfig {
    let config: BTreeMap<String, Value> = serde_json::from_value(json!({
        "driver": "systemd",
        "service": "web",
        "root": root,
        "restart": ["bin/restart"],
        "stop": ["bin/restart.stop"],
        "variables": variables(root, environment, port),
        "keep": 3,
        "health": {
            "http": { "url": format!("http://127.0.0.1:{port}/"), "version_header": "X-Version" },
            "interval_ms": 30, "consecutive": 2, "timeout_ms": 3000,
        },
    }))
    .unwrap();
    let environment = environment.to_owned();
    DeploymentConfig { target: DeploymentTarget::Vm, environment, namespace: None, config }
}

/// A folder with the sample service, one port an environment. Its servers end with it.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    /// Gone with it, unless it is another process's.
    _owned: Option<TempDir>,
    pub(crate) ports: BTreeMap<&'static str, u16>,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let owned = tempfile::tempdir().unwrap();
        let ports = [("staging", free_port()), ("production", free_port())].into();
        Self { root: owned.path().to_owned(), _owned: Some(owned), ports }
    }

    /// The folder of another process.
    pub(crate) fn of(root: PathBuf, port: u16) -> Self {
        Self { root, _owned: None, ports: [("staging", port)].into() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.root
    }

    pub(crate) fn place(&self, environment: &str) -> PathBuf {
        self.path().join(environment).join("web")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        for environment in self.ports.keys() {
            let pid = fs::read_to_string(self.path().join(format!("{environment}.pid")));
            if let Some(pid) = pid.ok().and_then(|pid| pid.trim().parse().ok())
                && let Some(pid) = rustix::process::Pid::from_raw(pid)
            {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }
}

#[async_trait]
impl Target for Folder {
    fn deployer(&self) -> Arc<dyn Deployer> {
        Arc::new(SystemdDeployer::new(Arc::new(FixedClock::new())).within(self.path()))
    }

    fn config(&self, environment: &str) -> DeploymentConfig {
        config(self.path(), environment, self.ports[environment])
    }

    fn broken_config(&self) -> (DeploymentConfig, &'static str) {
        let mut config = self.config("staging");
        config.config.insert("kepe".to_owned(), json!(3));
        (config, "kepe")
    }

    fn bundle(&self, label: &str, sample: Sample) -> Bytes {
        bundle(label, sample)
    }

    async fn serving(&self, environment: &str) -> Option<String> {
        ask(self.ports[environment], "/").await
    }

    async fn fingerprint(&self) -> Digest {
        let names = listing(self.path());
        Digest::of(format!("{names:?}"))
    }
}

/// Every path under a folder with what it is and its content, but for logs.
pub(crate) fn listing(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    walk(folder, &mut all).unwrap();
    all
}

fn walk(folder: &Path, all: &mut BTreeMap<PathBuf, Vec<u8>>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let kind = fs::symlink_metadata(&path)?.file_type();
        let content = if kind.is_dir() {
            walk(&path, all)?;
            b"folder".to_vec()
        } else if kind.is_symlink() {
            fs::read_link(&path)?.into_os_string().into_encoded_bytes()
        } else if path.ends_with("output.log") {
            Vec::new()
        } else {
            fs::read(&path)?
        };
        all.insert(path, content);
    }
    Ok(())
}

/// Says aloud that a test did not run; where everything has to be there, that is a failure.
#[expect(clippy::disallowed_methods, reason = "a test asks its environment what it demands")]
#[expect(clippy::print_stderr, reason = "a test that does not run says so aloud")]
pub(crate) fn skipped(why: &str) {
    assert!(std::env::var("ARCHITECT_CI").is_err(), "this must not be skipped here: {why}");
    eprintln!("SKIPPED: {why}");
}
