//! The built binary, a data directory of its own, and a real git repository to change.

pub(crate) mod server;
pub(crate) mod witness;

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// A machine with nothing on it but a repository.
pub(crate) struct Bench {
    root: TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// One clear sentence on standard error: no panic, no backtrace, no debug form.
    #[track_caller]
    pub(crate) fn one_sentence(&self) -> &str {
        let lines: Vec<&str> = self.stderr.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(lines.len(), 1, "{self:#?}");
        for sign in ["panicked", "RUST_BACKTRACE", "Error {", "unwrap"] {
            assert!(!self.stderr.contains(sign), "{self:#?}");
        }
        lines[0]
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Bench {
    /// A bench with a repository of one greeting.
    pub(crate) fn new() -> Self {
        let bench = Self { root: TempDir::new().expect("a temporary directory") };
        bench.commit(&[("greeting.txt", "hello\n"), ("README.md", "A greeting.\n")]);
        bench
    }

    pub(crate) fn root_path(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn repo(&self) -> PathBuf {
        self.path("repo")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// Whether anything is deployed in the folder `live`.
    pub(crate) fn is_live(&self) -> bool {
        // The link stays; it leads nowhere when nothing serves.
        find(&self.path("live"), "current").is_some_and(|current| current.exists())
    }

    /// Writes a file beside the repository and returns its path.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    /// Commits these files to the repository's main branch.
    pub(crate) fn commit(&self, files: &[(&str, &str)]) {
        for (name, content) in files {
            self.write(&format!("repo/{name}"), content);
        }
        if !self.repo().join(".git").exists() {
            self.git(&["init", "-q", "-b", "main"]);
        }
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", "a step"]);
    }

    /// Runs git in the repository.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        git(&self.repo(), arguments)
    }

    /// A plan that changes the greeting.
    pub(crate) fn plan(&self, name: &str, greeting: &str) -> String {
        let plan = serde_json::json!({
            "goal": "greet better",
            "steps": [{ "id": "greet", "ops": [
                { "op": "update", "path": "greeting.txt", "content": greeting }
            ]}]
        });
        self.write(name, plan.to_string())
    }

    /// The command, with nothing of this process' environment but the path to tools.
    pub(crate) fn architect(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_architect"));
        command
            .args(arguments)
            .env_remove("ARCHITECT_TOKEN")
            .env_remove("RUST_BACKTRACE")
            .env("ARCHITECT_HOME", self.data())
            .env("HOME", self.path("home"))
            .env("USER", "ada")
            .stdin(Stdio::null());
        command
    }

    /// Runs the command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.architect(arguments).output().expect("the binary runs").into()
    }

    /// Runs the command with the home folder of whoever runs the tests, where toolchains may be.
    pub(crate) fn run_with_toolchains(&self, arguments: &[&str]) -> Ended {
        #[expect(clippy::disallowed_methods, reason = "the toolchains of this machine are wanted")]
        let home = std::env::var("HOME").unwrap_or_default();
        self.architect(arguments).env("HOME", home).output().expect("the binary runs").into()
    }

    /// Runs the command with this on its standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Ended {
        let mut command = self.architect(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap().into()
    }

    /// `architect run` on the repository without a test suite, with one trivial check.
    pub(crate) fn run_change<'a>(&'a self, more: &[&'a str]) -> Ended {
        let repo = self.repo().display().to_string();
        let mut arguments = vec!["run", "--repo", &repo, "--allow-degraded"];
        arguments.extend([
            "--constraint",
            "require_tests=false",
            "--verify",
            "test -s greeting.txt",
        ]);
        arguments.extend(more);
        self.run(&arguments)
    }
}

/// The command as the last words of another, in the environment it would have had.
pub(crate) fn inside(mut outer: Command, inner: &Command) -> Command {
    outer.arg(inner.get_program()).args(inner.get_args()).stdin(Stdio::null());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    outer
}

pub(crate) fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("git runs");
    assert!(output.status.success(), "git {arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The one folder named `name` anywhere beneath `root`.
pub(crate) fn find(root: &Path, name: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(root).ok()?;
    entries.flatten().map(|entry| entry.path()).find_map(|path| {
        if path.file_name().is_some_and(|found| found == name) {
            return Some(path);
        }
        if path.is_dir() && !path.is_symlink() { find(&path, name) } else { None }
    })
}

/// Says that a test cannot be run here, or fails where all must run.
#[expect(clippy::print_stderr, reason = "a test that was not run says so")]
#[expect(clippy::disallowed_methods, reason = "tests are told by the environment where they run")]
pub(crate) fn skip(why: &str) {
    assert!(std::env::var("ARCHITECT_CI").is_err(), "must not be skipped: {why}");
    eprintln!("SKIPPED: {why}");
}
