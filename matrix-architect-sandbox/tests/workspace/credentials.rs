//! Credentials on their way to a real git server over HTTP, and nowhere else.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use matrix_architect_core::{
    ErrorKind,
    fake::{FixedSecrets, NoSecrets},
    id::TenantId,
    plan::RepoSpec,
    secret::SecretRef,
    traits::Workspace as _,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    process::Command,
};

use crate::repo::{Desk, Repo, text};

const PASSWORD: &str = "pa55:w/rd@%41 x";
/// Base 64 of `ann:` and the password.
const BASIC: &str = "YW5uOnBhNTU6dy9yZEAlNDEgeA==";

/// What a request must come with, and what was seen while it was served.
#[derive(Clone)]
struct Server {
    repository: PathBuf,
    leaked: Arc<AtomicBool>,
    served: Arc<AtomicBool>,
}

impl Server {
    async fn serve(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let server = self.clone();
            tokio::spawn(async move { server.answer(stream).await });
        }
    }

    async fn answer(&self, mut stream: TcpStream) {
        let mut request = Vec::new();
        while !request.windows(4).any(|window| window == b"\r\n\r\n") {
            if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let end = request.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        let head = String::from_utf8_lossy(&request[..end]).into_owned();
        let field = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
        };
        if field("authorization").as_deref() != Some(&format!("Basic {BASIC}")) {
            let refusal = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\
                           Content-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = stream.write_all(refusal.as_bytes()).await;
            return;
        }
        // While git talks to us is when its arguments and environment can be looked at.
        self.leaked.fetch_or(secret_is_visible(), Ordering::SeqCst);
        self.served.store(true, Ordering::SeqCst);
        let length = field("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = request.split_off(end);
        while body.len() < length && stream.read_buf(&mut body).await.unwrap_or(0) > 0 {}
        let target = head.split(' ').nth(1).unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut child = Command::new("git")
            .arg("http-backend")
            .env("GIT_PROJECT_ROOT", &self.repository)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("REMOTE_USER", "ann")
            .env("REQUEST_METHOD", head.split(' ').next().unwrap())
            .env("PATH_INFO", path)
            .env("QUERY_STRING", query)
            .env("CONTENT_TYPE", field("content-type").unwrap_or_default())
            .env("HTTP_CONTENT_ENCODING", field("content-encoding").unwrap_or_default())
            .env("GIT_PROTOCOL", field("git-protocol").unwrap_or_default())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&body).await.unwrap();
        let answer = child.wait_with_output().await.unwrap().stdout;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n").await;
        let _ = stream.write_all(&answer).await;
    }
}

/// Whether any process of this machine, apart from this one, shows a part of the secret.
fn secret_is_visible() -> bool {
    let own = std::process::id().to_string();
    let shows = |path: &Path| {
        let bytes = fs::read(path).unwrap_or_default();
        let has = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
        has(b"pa55") || has(BASIC.as_bytes())
    };
    fs::read_dir("/proc").unwrap().filter_map(Result::ok).any(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name.bytes().all(|byte| byte.is_ascii_digit()) && name != own;
        process && ["cmdline", "environ"].iter().any(|file| shows(&entry.path().join(file)))
    })
}

#[tokio::test]
async fn a_secret_reaches_the_server_and_shows_nowhere_else() {
    let Some(repo) = Repo::sample() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/.git", listener.local_addr().unwrap());
    let server = Server {
        repository: repo.path().to_owned(),
        leaked: Arc::default(),
        served: Arc::default(),
    };
    tokio::spawn(server.clone().serve(listener));
    let spec = |credentials: Option<&str>| RepoSpec::Git {
        url: url.clone(),
        reference: None,
        subfolder: None,
        credentials: credentials.map(|reference| SecretRef::new(reference).unwrap()),
        submodules: false,
    };
    let secrets = FixedSecrets::new()
        .with(&TenantId::default(), "fixed://good", format!("ann:{PASSWORD}\n"))
        .and_then(|secrets| secrets.with(&TenantId::default(), "fixed://bad", "ann:wrong"))
        .unwrap();
    let desk = Desk::with(|config| config.access.allow_http = true);

    let repository = spec(Some("fixed://good"));
    let request = desk.request(&repository, &secrets);
    let checkout = desk.workspace.checkout(&request).await.unwrap();
    assert!(text(&*checkout.tree, "README.md").await.is_some());
    assert!(server.served.load(Ordering::SeqCst));
    assert!(!server.leaked.load(Ordering::SeqCst));

    for repository in [spec(None), spec(Some("fixed://bad"))] {
        let error =
            desk.workspace.checkout(&desk.request(&repository, &secrets)).await.unwrap_err();
        assert_eq!((error.kind(), error.code_str()), (ErrorKind::Denied, "authentication_failed"));
        assert!(!format!("{error:?}").contains("wrong"));
    }
    let repository = spec(Some("fixed://good"));
    let error = desk.workspace.checkout(&desk.request(&repository, &NoSecrets)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);

    // No file with it is left: only git's home and the tree that is still held are there.
    drop(checkout);
    assert!(desk.trees().is_empty());
}
