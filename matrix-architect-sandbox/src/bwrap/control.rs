//! The files and pipes by which a command is begun and what became of it is told.

use std::{
    fs,
    io::{self, Write as _},
    os::{
        fd::AsFd as _,
        unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use matrix_architect_core::error::{Error, ErrorKind, Result};
use rustix::fs::{CWD, FileType, Mode};
use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::unix::pipe,
};

/// How long bubblewrap may take to stand on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// More than bubblewrap has to say.
const MOST: usize = 64 << 10;

/// A folder of its own for each command, which only we can open.
#[derive(Debug)]
pub(super) struct Control {
    folder: PathBuf,
    block: pipe::Sender,
    status: Told,
    report: Told,
}

/// A line of bubblewrap's status.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Status {
    child_pid: Option<i32>,
    exit_code: Option<i32>,
}

/// What the first thing inside said before it gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotRun {
    NotFound,
    NotExecutable,
    NoFolder,
}

impl Control {
    /// Makes the folder with its pipes, and the files with these contents.
    pub(super) fn make(folder: &Path, files: &[(&str, &[u8])]) -> io::Result<Self> {
        fs::DirBuilder::new().mode(0o700).create(folder)?;
        for (name, content) in files {
            let mut file = fs::File::options()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(folder.join(name))?;
            file.write_all(content)?;
        }
        // Open for both, so that nobody waits for the other side.
        let both = || {
            let mut options = pipe::OpenOptions::new();
            options.read_write(true);
            options
        };
        let pipe = |name: &str| {
            let path = folder.join(name);
            rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
            Ok::<_, io::Error>(path)
        };
        let (block, status, report) = (pipe("block")?, pipe("status")?, pipe("report")?);
        Ok(Self {
            folder: folder.to_owned(),
            block: both().open_sender(block)?,
            status: Told::new(both().open_receiver(status)?),
            report: Told::new(both().open_receiver(report)?),
        })
    }

    /// The command's first process, as the host counts; it waits until [`begin`](Self::begin).
    /// `None` if bubblewrap gave up before it got so far.
    pub(super) async fn first_process(
        &mut self,
        bwrap: &mut tokio::process::Child,
    ) -> Result<Option<i32>> {
        let told = tokio::select! {
            told = self.status.line() => told,
            _ = bwrap.wait() => return Ok(None),
            () = tokio::time::sleep(PATIENCE) => None,
        };
        if let Some(status) = told.and_then(|line| serde_json::from_str::<Status>(&line).ok())
            && status.child_pid.is_some()
        {
            return Ok(status.child_pid);
        }
        Err(Error::new(ErrorKind::Unavailable, "bubblewrap does not say which process it started")
            .advice("use bubblewrap 0.5 or newer"))
    }

    /// Lets the command begin.
    pub(super) async fn begin(&mut self) -> io::Result<()> {
        self.block.write_all(b"x").await
    }

    /// The exit code, once bubblewrap has ended; `None` if it did not get so far.
    pub(super) fn exit_code(&mut self) -> Option<i32> {
        self.status.take();
        self.status.rest().lines().find_map(|line| {
            serde_json::from_str::<Status>(line).ok().and_then(|status| status.exit_code)
        })
    }

    /// Whether the program was ended by a signal; asked once bubblewrap has ended.
    pub(super) fn was_signalled(&mut self) -> bool {
        self.report.take();
        self.report.rest().lines().any(|line| line == "signalled")
    }

    /// Why the program was not executed, if it was not; asked once bubblewrap has ended.
    pub(super) fn not_run(&mut self) -> Option<NotRun> {
        self.report.take();
        // Whatever a command that has begun can write there comes later.
        match self.report.rest().lines().next().unwrap_or_default() {
            "not_found" => Some(NotRun::NotFound),
            "not_executable" => Some(NotRun::NotExecutable),
            "no_folder" => Some(NotRun::NoFolder),
            _ => None,
        }
    }
}

/// What was written to a pipe so far. Our own write end keeps the pipe from ending.
#[derive(Debug)]
struct Told {
    pipe: pipe::Receiver,
    text: Vec<u8>,
}

impl Told {
    const fn new(pipe: pipe::Receiver) -> Self {
        Self { pipe, text: Vec::new() }
    }

    /// Waits for a line and takes it off.
    async fn line(&mut self) -> Option<String> {
        loop {
            self.take();
            if let Some(end) = self.text.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.text.drain(..=end).collect();
                return String::from_utf8(line).ok();
            }
            let mut more = [0; 1024];
            let read = self.pipe.read(&mut more).await.ok().filter(|read| *read > 0)?;
            self.text.extend_from_slice(&more[..read]);
        }
    }

    /// Takes what is there, without waiting.
    fn take(&mut self) {
        let mut more = [0; 1024];
        while let Ok(read) = rustix::io::read(self.pipe.as_fd(), &mut more)
            && read > 0
            && self.text.len() < MOST
        {
            self.text.extend_from_slice(&more[..read]);
        }
    }

    fn rest(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.text)
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
