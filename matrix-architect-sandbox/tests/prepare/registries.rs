//! Where this machine's tools fetch from, as they say it themselves. No host is written here.

use std::{net::ToSocketAddrs as _, path::Path, process::Command};

use matrix_architect_sandbox::verify::PrepareConfig;
use serde_json::Value;

use super::super::judging::environment;

/// Hosts, with the addresses they have here: a mirror's may be private.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    hosts: Vec<(String, u16)>,
    env: Vec<(String, String)>,
}

/// Runs a command and returns what it printed if it succeeded.
pub(crate) fn run(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    if !output.status.success() {
        eprintln!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn host(url: &str) -> Option<String> {
    let rest = url.split_once("://")?.1;
    Some(rest.split(['/', ':']).next()?.to_owned())
}

impl Registry {
    pub(crate) fn local(host: &str, port: u16) -> Self {
        Self { hosts: vec![(host.to_owned(), port)], env: Vec::new() }
    }

    pub(crate) fn env(mut self, key: &str, value: String) -> Self {
        self.env.push((key.to_owned(), value));
        self
    }

    fn of(hosts: impl IntoIterator<Item = String>) -> Self {
        Self { hosts: hosts.into_iter().map(|host| (host, 443)).collect(), env: Vec::new() }
    }

    /// The index that Cargo used here before, and where that says its files are.
    pub(crate) fn of_cargo() -> Option<Self> {
        let own = environment("CARGO_HOME");
        let home = Path::new(&environment("HOME")).join(".cargo");
        let home = if own.is_empty() { home } else { own.into() };
        let mut hosts = Vec::new();
        for entry in std::fs::read_dir(home.join("registry/index")).ok()?.flatten() {
            let Ok(text) = std::fs::read_to_string(entry.path().join("config.json")) else {
                continue;
            };
            let config: Value = serde_json::from_str(&text).ok()?;
            let name = entry.file_name().to_string_lossy().into_owned();
            hosts.extend(name.rsplit_once('-').map(|(host, _)| host.to_owned()));
            hosts.extend(config["dl"].as_str().and_then(host));
        }
        (!hosts.is_empty()).then(|| Self::of(hosts))
    }

    /// Pip's index and where it finds a package; and the package with its hash.
    pub(crate) fn of_pip(requirement: &str) -> Option<(Self, String)> {
        let index = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)";
        let default = run(Command::new("python3").args(["-c", index]))?;
        let configured = Command::new("python3")
            .args(["-m", "pip", "config", "get", "global.index-url"])
            .output()
            .ok()
            .filter(|output| output.status.success())
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        let index = configured.unwrap_or(default);
        let report = run(Command::new("python3").env("PIP_FIND_LINKS", "").args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--dry-run",
            "--ignore-installed",
            "--no-deps",
            "--only-binary",
            ":all:",
            "--report",
            "-",
            requirement,
        ]))?;
        let report: Value = serde_json::from_str(&report).ok()?;
        let download = &report["install"][0]["download_info"];
        let hash = download["archive_info"]["hashes"]["sha256"].as_str()?;
        let hosts = [host(index.trim())?, host(download["url"].as_str()?)?];
        Some((Self::of(hosts), format!("{requirement} \\\n    --hash=sha256:{hash}\n")))
    }

    pub(crate) fn of_npm() -> Option<Self> {
        let registry = run(Command::new("npm").args(["config", "get", "registry"]))?;
        Some(Self::of(host(registry.trim())))
    }

    /// Lets these hosts be fetched from, at the addresses they have.
    pub(crate) fn allow(&self, mut prepare: PrepareConfig) -> PrepareConfig {
        for (host, port) in &self.hosts {
            let found = (host.as_str(), *port).to_socket_addrs();
            let mut addresses: Vec<_> =
                found.into_iter().flatten().map(|address| address.ip()).collect();
            if host.rsplit('.').next() == Some("test") {
                addresses.push(std::net::Ipv4Addr::LOCALHOST.into());
            }
            let private =
                addresses.iter().map(|address| format!("{host}={address}").parse().unwrap());
            prepare = prepare.hosts([format!("{host}:{port}").parse().unwrap()]).private(private);
        }
        self.env.iter().fold(prepare, |prepare, (key, value)| prepare.env(key, value))
    }
}
