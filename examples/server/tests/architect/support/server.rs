//! `architect serve` as a process, and HTTP spoken by hand.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use super::Bench;

/// A running server; it is killed when it goes out of scope.
pub(crate) struct Serving {
    child: Child,
    pub(crate) address: String,
    pub(crate) admin: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Demands a problem document of this status and code.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], format!("urn:matrix-architect:problem:{code}"));
        assert!(problem["title"].is_string() && problem["detail"].is_string());
        assert_eq!(problem["request_id"].as_str(), self.header("x-request-id"));
        problem
    }
}

impl Serving {
    /// What it is started with.
    pub(crate) const ARGUMENTS: [&str; 6] =
        ["serve", "--listen", "127.0.0.1:0", "--workers", "2", "--allow-degraded"];

    /// Starts a server on the bench's data directory.
    pub(crate) fn start(bench: &Bench) -> Self {
        Self::of(bench.architect(&Self::ARGUMENTS), bench)
    }

    /// Starts a server by that command.
    pub(crate) fn of(mut command: Command, bench: &Bench) -> Self {
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut seen = Vec::new();
        let address = loop {
            let line = lines.next().unwrap_or_else(|| panic!("no address: {seen:#?}")).unwrap();
            if let Some(address) = line.strip_prefix("listens on http://") {
                break address.to_owned();
            }
            seen.push(line);
        };
        // The pipe is read on, so that the server never waits for it.
        std::thread::spawn(move || lines.for_each(drop));
        let admin = std::fs::read_to_string(bench.data().join("admin-token")).unwrap();
        Self { child, address, admin: admin.trim().to_owned() }
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sends a request with these header lines and returns the answer.
    pub(crate) fn send(&self, request: &str, headers: &[&str], body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        let length = format!("content-length: {length}");
        let first = format!("{request} HTTP/1.1");
        let lines = [&[&first, "host: x", "connection: close", &length], headers, &["", ""]];
        let head = lines.concat().join("\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        // A server that refuses early closes before it has read everything.
        let _ = stream.write_all(body);
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        parse(&bytes)
    }

    pub(crate) fn get(&self, token: &str, path: &str) -> Answer {
        self.send(&format!("GET {path}"), &[&bearer(token)], b"")
    }

    pub(crate) fn post(&self, token: &str, path: &str, body: &Value) -> Answer {
        self.post_with(token, path, body, &[])
    }

    pub(crate) fn post_with(&self, token: &str, path: &str, body: &Value, more: &[&str]) -> Answer {
        let bearer = bearer(token);
        let headers = [&[bearer.as_str(), "content-type: application/json"], more].concat();
        self.send(&format!("POST {path}"), &headers, body.to_string().as_bytes())
    }

    /// Waits until the job is in this status.
    #[track_caller]
    pub(crate) fn wait_for(&self, id: &str, status: &str) -> Value {
        let start = Instant::now();
        loop {
            let job = self.get(&self.admin, &format!("/jobs/{id}")).json();
            if job["status"] == status {
                return job;
            }
            assert!(start.elapsed() < Duration::from_mins(1), "{job:#}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Asks it to end, and returns its exit code.
    pub(crate) fn stop(mut self) -> i32 {
        let id = self.child.id().to_string();
        std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap();
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}")
}

fn parse(bytes: &[u8]) -> Answer {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let header = |line: &str| {
        let (key, value) = line.split_once(':')?;
        Some((key.to_owned(), value.trim().to_owned()))
    };
    let headers: Vec<_> = lines.filter_map(header).collect();
    let mut answer = Answer { status, headers, body: bytes[end + 4..].to_vec() };
    if answer.header("transfer-encoding") == Some("chunked") {
        answer.body = unchunked(&answer.body);
    }
    answer
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n").expect("a chunk's size");
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 4 + size..];
    }
}
