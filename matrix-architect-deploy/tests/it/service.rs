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

/// Stops the old server, starts the new one, and leaves. The service directory is the grandparent
/// of the release's.
const RESTART: &str = r#"#!/bin/sh
"$0.stop"
echo "starting $(cat label)"
setsid python3 "$PWD/server.py" "$PORT" "$PWD" < /dev/null &
echo $! > "$PWD/../../server.pid"
"#;

const STOP: &str = r#"#!/bin/sh
pid=$(cat "$PWD/../../server.pid" 2>/dev/null) || exit 0
kill -9 "$pid" 2>/dev/null
while kill -0 "$pid" 2>/dev/null; do sleep 0.01; done
rm -f "$PWD/../../server.pid"
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

/// Asks whoever listens for their label, and only takes a healthy answer.
pub(crate) async fn ask(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.contains(" 200 ").then(|| body.to_owned())
}

/// The settings of the sample service.
pub(crate) fn config(root: &Path, environment: &str, port: u16) -> DeploymentConfig {
    let config: BTreeMap<String, Value> = serde_json::from_value(json!({
        "driver": "systemd",
        "service": "web",
        "root": root,
        "restart": ["bin/restart"],
        "stop": ["bin/restart.stop"],
        "variables": { "PORT": port.to_string() },
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
    pub(crate) root: TempDir,
    pub(crate) ports: BTreeMap<&'static str, u16>,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        Self { root, ports: [("staging", free_port()), ("production", free_port())].into() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn place(&self, environment: &str) -> PathBuf {
        self.path().join(environment).join("web")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        for environment in self.ports.keys() {
            let pid = fs::read_to_string(self.place(environment).join("server.pid"));
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
        ask(self.ports[environment]).await
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
