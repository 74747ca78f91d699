//! One tree's session: commands run in it one after the other, and their reports come out of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read as _,
    time::Duration,
};

use bytes::Bytes;
use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    id::SessionId,
    path::RelPath,
    traits::{
        ByteStream, Collect, Command, EvidenceSink, Exit, ExitVerdict, Output, OutputStream,
        Service, ServiceState, Session, SessionSpec, Tree, VerifyContext,
    },
};
use tokio::sync::Mutex;

use super::{
    beside::Beside,
    check::{Check, Tool},
    config::VerifyConfig,
    parse::Input,
    prepare::Prepared,
    rules::ServiceRules,
};

/// The most bytes of a report file.
const MAX_REPORT: u64 = 64 << 20;

/// Probes are quick or wrong.
const PROBE_TIME: Duration = Duration::from_mins(1);

/// A session with what is known about it.
#[derive(Debug)]
pub(super) struct Room<'a> {
    cx: &'a VerifyContext<'a>,
    config: &'a VerifyConfig,
    session: Box<dyn Session>,
    /// The tree's root as commands see it.
    root: String,
    /// Where programs are looked up, if not where the sandbox says.
    path: Option<String>,
    prepared: Prepared,
    /// The first line of each tool's version, `None` for a tool that is missing.
    versions: Mutex<BTreeMap<&'static [&'static str], Option<String>>>,
    pub(super) beside: Beside<'a>,
}

/// What a command left.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) exit: Exit,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    /// The report file; empty if there should be one and is none.
    pub(super) file: Option<Bytes>,
}

impl Ran {
    pub(super) fn input(&self) -> Input<'_> {
        Input { stdout: &self.stdout, stderr: &self.stderr, file: self.file.as_deref() }
    }
}

impl<'a> Room<'a> {
    /// Opens a session on a tree, with the environment every check has.
    pub(super) async fn open(
        cx: &'a VerifyContext<'a>,
        config: &'a VerifyConfig,
        tree: &dyn Tree,
        id: SessionId,
        (env, services, prepared): (&BTreeMap<String, String>, &'a [ServiceRules], Prepared),
    ) -> Result<Self> {
        let mut spec = SessionSpec::new(id);
        spec.owner = Some((cx.job.clone(), cx.fence));
        spec.limits = config.limits.clone();
        spec.binds = config.binds.iter().chain(&prepared.binds).cloned().collect();
        spec.allow_degraded = config.allow_degraded;
        for (key, value) in [("LC_ALL", "C.UTF-8"), ("TZ", "UTC")] {
            spec.env.insert(key.to_owned(), value.to_owned());
        }
        spec.env.extend(prepared.env.clone());
        spec.env.extend(env.clone());
        spec.env.extend(config.env.clone());
        let session = cx.sandbox.open(tree, &spec).await?;
        let (root, path, versions) = (String::new(), None, Mutex::default());
        let beside = Beside::new(services);
        let mut room = Self { cx, config, session, root, path, prepared, versions, beside };
        // The shell's own words: small images have no programs of these names.
        let pwd = room.probe(["sh", "-c", "pwd"]).await?.unwrap_or_default();
        pwd.trim_end().clone_into(&mut room.root);
        if !room.prepared.path.is_empty() {
            let usual = room.probe(["sh", "-c", "echo \"$PATH\""]).await?.unwrap_or_default();
            room.path = Some(format!("{}:{}", room.prepared.path.join(":"), usual.trim_end()));
        }
        Ok(room)
    }

    /// Runs a check, having removed whatever already stands where its report is to be.
    pub(super) async fn run(&self, check: &Check) -> Result<Ran> {
        if let Some(report) = &check.report {
            self.probe(["rm", "-rf", "--", report.as_str()]).await?;
        }
        let mut command = Command::new(&check.argv);
        command.env.clone_from(&check.env);
        self.show(&mut command);
        let wall = self.config.limits.wall;
        let wall = check.timeout.map_or(wall, |timeout| timeout.min(wall));
        command.limits = Some(self.config.limits.clone().wall(wall));
        let mut output = Capture::new(self.config.limits.output, Some(self.cx.sink));
        let exit = self.session.run(&command, &mut output, self.cx.cancel).await?;
        if exit.verdict == ExitVerdict::Cancelled || self.cx.cancel.is_cancelled() {
            return Err(cancelled());
        }
        let file = match &check.report {
            Some(path) => Some(self.report(path).await?),
            None => None,
        };
        Ok(Ran { exit, stdout: output.stdout, stderr: output.stderr, file })
    }

    /// Lets a command find the programs and modules that were fetched, after the project's own.
    fn show(&self, command: &mut Command) {
        if let Some(path) = &self.path {
            command.env.entry("PATH".to_owned()).or_insert_with(|| path.clone());
        }
        let mut modules: Vec<_> = command.env.get("PYTHONPATH").cloned().into_iter().collect();
        modules.extend(self.prepared.python_path.iter().cloned());
        if !self.prepared.python_path.is_empty() {
            command.env.insert("PYTHONPATH".to_owned(), modules.join(":"));
        }
    }

    /// A file of the session; empty if there is none.
    async fn report(&self, path: &RelPath) -> Result<Bytes> {
        let mut what = Collect::new([path.as_str()]);
        (what.max_bytes, what.max_entries) = (MAX_REPORT, 16);
        let cap = usize::try_from(MAX_REPORT + (1 << 20)).unwrap_or(usize::MAX);
        match self.session.collect(&what).await {
            Ok(archive) => Ok(only_file(&archive.collect(cap).await?, path)),
            Err(error) if error.is_not_found() => Ok(Bytes::new()),
            Err(error) => Err(error.context("report", path)),
        }
    }

    /// Takes the release out.
    pub(super) async fn collect(&self, what: &Collect) -> Result<ByteStream> {
        self.session.collect(what).await
    }

    /// The standard output of a quick command; `None` if it did not succeed.
    async fn probe<const N: usize>(&self, argv: [&str; N]) -> Result<Option<String>> {
        self.probe_all(&argv).await
    }

    async fn probe_all(&self, argv: &[&str]) -> Result<Option<String>> {
        let mut command = Command::new(argv.iter().copied());
        self.show(&mut command);
        command.limits = Some(self.config.limits.clone().wall(PROBE_TIME).output(64 << 10));
        let mut output = Capture::new(64 << 10, None);
        let exit = match self.session.run(&command, &mut output, self.cx.cancel).await {
            Ok(exit) => exit,
            // How some sandboxes say that there is no such program.
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        if exit.verdict == ExitVerdict::Cancelled {
            return Err(cancelled());
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(exit.verdict.is_success().then_some(text))
    }

    /// Starts a service with the environment of every check and waits until it is ready.
    pub(super) async fn start(&self, mut service: Service) -> Result<()> {
        self.show(&mut service.command);
        self.session.start(&service, self.cx.cancel).await
    }

    /// How the services do.
    pub(super) async fn services(&self) -> Result<Vec<ServiceState>> {
        self.session.services().await
    }

    /// A new directory outside of the tree that is empty and only its owner's.
    pub(super) async fn new_folder(&self) -> Result<String> {
        let made = self.probe(["mktemp", "-d"]).await?;
        made.map(|path| path.trim_end().to_owned()).ok_or_else(|| {
            Error::new(ErrorKind::Unavailable, "no directory for a service can be made")
                .advice("see that the sandbox has mktemp and room in its temporary folder")
        })
    }

    /// The version of a tool, `None` if it is missing. Asked once a session.
    pub(super) async fn version(&self, tool: &Tool) -> Result<Option<String>> {
        if let Some(known) = self.versions.lock().await.get(tool.probe) {
            return Ok(known.clone());
        }
        let line = |text: String| text.lines().next().unwrap_or_default().trim().to_owned();
        let version = self.probe_all(tool.probe).await?.map(line);
        self.versions.lock().await.insert(tool.probe, version.clone());
        Ok(version)
    }

    /// Which of these modules the sandbox's Python can import.
    pub(super) async fn python_modules(&self, names: &[String]) -> Result<BTreeSet<String>> {
        let find = super::suite::python::FIND_MODULES;
        // -I: neither the tree nor its environment has a say in what is installed.
        let fetched = self.prepared.python_path.join(":");
        let mut argv = vec!["python3", "-I", "-c", find, fetched.as_str()];
        argv.extend(names.iter().map(String::as_str));
        let found = self.probe_all(&argv).await?.unwrap_or_default();
        Ok(found.lines().map(str::to_owned).collect())
    }

    /// A path as the project knows it, from one as a tool printed it.
    pub(super) fn relative(&self, path: &str) -> String {
        let root = self.root.as_str();
        let inside = (root.len() > 1)
            .then(|| path.strip_prefix(root).and_then(|rest| rest.strip_prefix('/')))
            .flatten();
        inside.unwrap_or(path).to_owned()
    }

    /// Text with the tree's root taken out, so that two sessions' messages can be compared.
    pub(super) fn without_root(&self, text: &str) -> String {
        match self.root.as_str() {
            "" | "/" => text.to_owned(),
            root => text.replace(&format!("{root}/"), ""),
        }
    }

    pub(super) async fn close(self) -> Result<()> {
        self.session.close().await
    }
}

/// What somebody who asked to stop is answered.
pub(super) fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "verification was stopped").operation("verify.run")
}

/// The content of the regular file at `path` in an archive nobody vouches for.
fn only_file(archive: &[u8], path: &RelPath) -> Bytes {
    let mut archive = tar::Archive::new(archive);
    let Ok(entries) = archive.entries() else { return Bytes::new() };
    for entry in entries {
        // What cannot be read is as good as absent; a parser then finds the report empty.
        let Ok(mut entry) = entry else { break };
        let at = entry.path_bytes().into_owned();
        let at = at.strip_prefix(b"./").unwrap_or(&at);
        if at == path.as_str().as_bytes() && entry.header().entry_type().is_file() {
            let mut content = Vec::new();
            let read = entry.by_ref().take(MAX_REPORT).read_to_end(&mut content);
            return read.map_or_else(|_| Bytes::new(), |_| content.into());
        }
    }
    Bytes::new()
}

/// Keeps both outputs apart and passes them on to whoever watches.
pub(super) struct Capture<'a> {
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    cap: usize,
    watcher: Option<&'a dyn EvidenceSink>,
}

impl<'a> Capture<'a> {
    pub(super) fn new(cap: u64, watcher: Option<&'a dyn EvidenceSink>) -> Self {
        let cap = usize::try_from(cap).unwrap_or(usize::MAX);
        Self { stdout: Vec::new(), stderr: Vec::new(), cap, watcher }
    }
}

impl Output for Capture<'_> {
    fn write(&mut self, stream: OutputStream, bytes: &[u8]) {
        if let Some(watcher) = self.watcher {
            watcher.log(bytes);
        }
        let kept = match stream {
            OutputStream::Stdout => &mut self.stdout,
            OutputStream::Stderr => &mut self.stderr,
        };
        // The sandbox caps the output; this holds even if one does not.
        let room = self.cap.saturating_sub(kept.len());
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}
