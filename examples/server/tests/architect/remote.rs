//! The command and the server with repositories on real servers: fetched over https by a token,
//! published over ssh by a key.

use std::{
    fs,
    process::{Command, Stdio},
};

use matrix_architect_forge::{Forge, HttpsServer, Repository, SshServer};
use serde_json::json;

use crate::support::{Bench, Ended, server::Serving};

/// A forge with one repository, and a data directory whose operator trusts it.
struct World {
    bench: Bench,
    repository: Repository,
    https: HttpsServer,
    ssh: SshServer,
    _forge: Forge,
}

impl World {
    fn find() -> Option<Self> {
        let forge = Forge::find()?;
        let bench = Bench::new();
        let repository = forge.repository("app.git");
        repository.commit("main", &[("greeting.txt", "hello\n"), ("README.md", "A greeting.\n")]);
        let (https, ssh) = (forge.https(), forge.ssh());
        let trust = format!(
            "ca_file = {:?}\nssh_known_hosts = {:?}\n",
            https.ca_file().display().to_string(),
            ssh.known_hosts().display().to_string()
        );
        bench.write("data/git.toml", trust);
        Some(Self { bench, repository, https, ssh, _forge: forge })
    }

    /// The command in an environment that would like to be asked instead, and leaves a mark if it is.
    fn architect(&self, arguments: &[&str]) -> Command {
        let evil = self.bench.write("evil", "#!/bin/sh\ntouch \"$(dirname \"$0\")/asked\"\n");
        let mut command = self.bench.architect(arguments);
        command
            .env("ARCHITECT_SECRET_GIT_TOKEN", self.https.token())
            .env("ARCHITECT_SECRET_GIT_KEY", self.ssh.key())
            .envs([("GIT_ASKPASS", &evil), ("SSH_ASKPASS", &evil), ("GIT_SSH_COMMAND", &evil)])
            .envs([("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "credential.helper")])
            .env("GIT_CONFIG_VALUE_0", format!("!{evil}"))
            .envs([("SSH_ASKPASS_REQUIRE", "force"), ("DISPLAY", ":0")])
            .envs([("GIT_SSL_NO_VERIFY", "1"), ("GIT_TERMINAL_PROMPT", "1")]);
        fs::set_permissions(&evil, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        command
    }

    fn run(&self, url: &str, more: &[&str]) -> Command {
        let plan = self.bench.plan("plan.json", "hello, world\n");
        let mut words = vec!["run", "--repo", url, "--plan", &plan, "--allow-degraded"];
        words.extend(["--constraint", "require_tests=false", "--verify", "test -s greeting.txt"]);
        words.extend(more);
        self.architect(&words)
    }

    fn nobody_was_asked(&self) {
        assert!(!self.bench.path("asked").exists());
    }

    /// That neither secret is in any file of the data directory, nor in this.
    fn is_kept_secret(&self, said: &str) {
        let key_line = self.ssh.key().lines().nth(3).unwrap().to_owned();
        for secret in [self.https.token(), &key_line] {
            assert!(!said.contains(secret), "{said}");
            let found =
                Command::new("grep").args(["-rlaF", secret]).arg(self.bench.data()).output();
            let found = String::from_utf8(found.unwrap().stdout).unwrap();
            assert_eq!(found, "", "a secret was kept");
        }
    }
}

#[test]
fn a_change_is_fetched_over_https_and_published_over_ssh() {
    let Some(world) = World::find() else { return };
    let target = world.ssh.url("app.git");
    let way = ["--publish-git", &target, "--publish-credentials", "env://GIT_KEY"];
    let more = ["--credentials", "env://GIT_TOKEN", "--publish-branch", "feature", "--json"];
    let ended: Ended = world
        .run(&world.https.url("app.git"), &[&way[..], &more].concat())
        .output()
        .unwrap()
        .into();
    let ended = ended.expect(0);
    let job = &ended.json()["job"];
    assert_eq!(job["status"], "succeeded", "{job:#}");
    let tip = world.repository.tip("feature").unwrap();
    assert_eq!(job["publications"][0]["revision"], tip, "{job:#}");
    assert_eq!(world.repository.git(&["show", "feature:greeting.txt"]), "hello, world");
    assert_eq!(
        world.repository.git(&["rev-parse", "feature^"]),
        world.repository.tip("main").unwrap()
    );
    assert!(world.https.seen().iter().any(|seen| seen.authorization.starts_with("Basic ")));
    world.is_kept_secret(&format!("{}{}", ended.stdout, ended.stderr));
    world.nobody_was_asked();
}

#[test]
fn a_job_of_the_server_is_fetched_over_ssh_and_published_over_https() {
    let Some(world) = World::find() else { return };
    let key = world.bench.write("data/secrets/key", world.ssh.key());
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let key = fs::canonicalize(&key).unwrap().display().to_string();
    let server = Serving::of(world.architect(&Serving::ARGUMENTS), &world.bench);
    let body = json!({
        "repo": {
            "kind": "git", "url": world.ssh.url("app.git"),
            "credentials": format!("file://{key}")
        },
        "plan": { "goal": "greet better", "steps": [{ "id": "greet", "ops": [
            { "op": "update", "path": "greeting.txt", "content": "hello from the server\n" }
        ]}]},
        "verify_commands": ["test -s greeting.txt"],
        "constraints": { "require_tests": false },
        "publish": [{ "driver": "git", "config": {
            "repo": world.https.url("app.git"), "branch": "feature",
            "credentials": "env://GIT_TOKEN"
        }}]
    });
    let answer = server.post_with(&server.admin, "/execute", &body, &["prefer: wait=120"]);
    assert_eq!(answer.status, 202, "{answer:?}");
    let job = answer.json();
    assert_eq!(job["status"], "succeeded", "{job:#}");
    assert_eq!(job["publications"][0]["revision"], world.repository.tip("feature").unwrap());
    let shown = world.repository.git(&["show", "feature:greeting.txt"]);
    assert_eq!(shown, "hello from the server");
    assert!(!job.to_string().contains(world.https.token()));
    fs::remove_file(&key).unwrap();
    world.is_kept_secret(&job.to_string());
    world.nobody_was_asked();
}

/// Makes a terminal, runs the rest of the arguments there and prints what stood on it in the end.
const TERMINAL: &str = "import pty, sys; pty.spawn(sys.argv[1:])";

/// Runs the command at a terminal of its own, where nobody sits, and returns what stood there.
fn at_a_terminal(command: &Command) -> Option<String> {
    let mut terminal = Command::new("timeout");
    terminal.args(["-k", "1", "120", "python3", "-c", TERMINAL]).stdin(Stdio::null());
    terminal.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => terminal.env(name, value),
            None => terminal.env_remove(name),
        };
    }
    let output = terminal.output().unwrap();
    if output.status.code() == Some(127) {
        assert!(std::env::var_os("ARCHITECT_CI").is_none(), "no python3 to make a terminal");
        eprintln!("SKIPPED: no python3 to make a terminal");
        return None;
    }
    assert_ne!(output.status.code(), Some(124), "it waits: {output:?}");
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn nobody_at_the_terminal_is_asked_for_anything() {
    let Some(world) = World::find() else { return };
    let unknown = world.bench.write("unknown_hosts", "");
    let trust = format!("ca_file = {:?}\n", world.https.ca_file().display().to_string());
    let cases = [
        // No credentials at all.
        (world.https.url("app.git"), trust, "authentication_failed"),
        // A host that is not known.
        (world.ssh.url("app.git"), format!("ssh_known_hosts = {unknown:?}\n"), "unknown_host_key"),
    ];
    for (url, trust, code) in cases {
        world.bench.write("data/git.toml", trust);
        let Some(shown) = at_a_terminal(&world.run(&url, &["--json"])) else { return };
        // Git says so when it may not ask, in the words of the question.
        let asked = shown.replace("could not read Username for", "");
        for question in ["Username for", "Password for", "passphrase for", "(yes/no"] {
            assert!(!asked.contains(question), "{shown}");
        }
        assert!(shown.contains(code), "{shown}");
    }
    assert_eq!(fs::read_to_string(unknown).unwrap(), "");
    world.nobody_was_asked();
}

#[test]
fn a_git_file_that_makes_no_sense_is_one_sentence() {
    let bench = Bench::new();
    for (content, code, wanted) in [
        ("ssh_known_host = \"/x\"\n", 2, "ssh_known_host"),
        ("ca_file = \"relative.pem\"\n", 2, "ca_file"),
        ("ca_file = \"/no/such/file.pem\"\n", 1, "ca_file"),
        ("max_seconds = 0\n", 2, "max_seconds"),
    ] {
        bench.write("data/git.toml", content);
        let plan = bench.plan("plan.json", "hello, world\n");
        let ended = bench.run_change(&["--plan", &plan]).expect(code);
        let sentence = ended.one_sentence();
        assert!(sentence.contains(wanted), "{sentence}");
    }
}
