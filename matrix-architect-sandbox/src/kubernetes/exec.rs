//! One script run in a session's Pod.

use std::pin::Pin;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::api::AttachedProcess;
use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    traits::OutputStream,
};
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, SimplexStream, WriteHalf,
};

use super::{cluster::Cluster, script};

/// Whether the end of a script is known.
#[derive(Debug, Default)]
enum Ended {
    #[default]
    NotYet,
    Told(Box<Status>),
    /// The connection broke.
    Never,
}

impl Ended {
    fn of(status: Option<Status>) -> Self {
        status.map_or(Self::Never, |status| Self::Told(Box::new(status)))
    }

    const fn is_open(&self) -> bool {
        matches!(self, Self::NotYet)
    }
}

/// A script that runs. Dropping it cuts the connection; what runs in the Pod may go on.
pub(super) struct Exec {
    _process: AttachedProcess,
    /// Comes with the end, and is missing if the connection broke: a broken one does not end the
    /// streams.
    status: Pin<Box<dyn Future<Output = Option<Status>> + Send>>,
    ended: Ended,
    stdin: WriteHalf<SimplexStream>,
    stdout: Option<ReadHalf<SimplexStream>>,
    stderr: Option<ReadHalf<SimplexStream>>,
}

impl Exec {
    /// Starts a script. Its input stays open to the end: half of the servers there are cannot
    /// close one direction alone, so no script waits for the end of its input.
    pub(super) async fn start(cluster: &Cluster, pod: &str, text: &str) -> Result<Self> {
        let mut process = cluster.exec(pod, script::START).await?;
        let stdin = process.stdin().ok_or_else(no_stream)?;
        let (stdout, stderr) = (process.stdout(), process.stderr());
        let status = Box::pin(process.take_status().ok_or_else(no_stream)?);
        let mut exec =
            Self { _process: process, status, ended: Ended::NotYet, stdin, stdout, stderr };
        exec.write(format!("{}\n{text}", text.len()).as_bytes()).await?;
        Ok(exec)
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.write_while_reading(bytes, &mut Buffers::default(), |_, _| {}).await
    }

    /// Writes all of a piece of input; what the script says meanwhile is passed on.
    pub(super) async fn write_while_reading(
        &mut self,
        mut piece: &[u8],
        buffers: &mut Buffers,
        mut pass: impl FnMut(OutputStream, &[u8]),
    ) -> Result<()> {
        while !piece.is_empty() {
            match self.exchange(piece, buffers).await? {
                Exchanged::Taken(count) => piece = &piece[count..],
                Exchanged::Said(stream, count) => pass(stream, buffers.of(stream, count)),
            }
        }
        Ok(())
    }

    /// Writes the beginning of a piece of input or reads a piece of output, whichever comes first.
    pub(super) async fn exchange(
        &mut self,
        piece: &[u8],
        buffers: &mut Buffers,
    ) -> Result<Exchanged> {
        let Self { stdin, stdout, stderr, status, ended, .. } = self;
        loop {
            let (stream, count) = tokio::select! {
                written = stdin.write(piece) => return match written {
                    Ok(0) => Err(cut()),
                    written => written.map(Exchanged::Taken).map_err(broken),
                },
                status = &mut *status, if ended.is_open() => {
                    *ended = Ended::of(status);
                    return Err(cut());
                }
                count = piece_of(stdout.as_mut(), &mut buffers.stdout), if stdout.is_some() => {
                    (OutputStream::Stdout, count)
                }
                count = piece_of(stderr.as_mut(), &mut buffers.stderr), if stderr.is_some() => {
                    (OutputStream::Stderr, count)
                }
            };
            match (stream, count) {
                (OutputStream::Stdout, 0) => *stdout = None,
                (OutputStream::Stderr, 0) => *stderr = None,
                _ => return Ok(Exchanged::Said(stream, count)),
            }
            // Nobody reads any more.
            if stdout.is_none() && stderr.is_none() {
                return Err(cut());
            }
        }
    }

    /// The next piece of output into `buffer`; `None` at the end of both streams.
    pub(super) async fn read(&mut self, buffers: &mut Buffers) -> Option<(OutputStream, usize)> {
        loop {
            if matches!(self.ended, Ended::Never) {
                return None;
            }
            let (stream, count) = tokio::select! {
                biased;
                count = piece_of(self.stdout.as_mut(), &mut buffers.stdout), if self.stdout.is_some() => {
                    (OutputStream::Stdout, count)
                }
                count = piece_of(self.stderr.as_mut(), &mut buffers.stderr), if self.stderr.is_some() => {
                    (OutputStream::Stderr, count)
                }
                status = &mut self.status, if self.ended.is_open() => {
                    let is_broken = status.is_none();
                    self.ended = Ended::of(status);
                    if is_broken {
                        return None;
                    }
                    continue;
                }
                else => return None,
            };
            if count > 0 {
                return Some((stream, count));
            }
            match stream {
                OutputStream::Stdout => self.stdout = None,
                OutputStream::Stderr => self.stderr = None,
            }
        }
    }

    /// The code it ended with, after the end of its output; `None` if the connection broke.
    pub(super) async fn code(mut self) -> Option<i32> {
        let status = match std::mem::take(&mut self.ended) {
            Ended::Told(status) => *status,
            Ended::NotYet => self.status.await?,
            Ended::Never => return None,
        };
        if status.status.as_deref() == Some("Success") {
            return Some(0);
        }
        let causes = status.details.and_then(|details| details.causes).unwrap_or_default();
        let code = causes.into_iter().find(|cause| cause.reason.as_deref() == Some("ExitCode"));
        code.and_then(|cause| cause.message?.parse().ok())
    }

    /// All output of a script that says little, and its code.
    pub(super) async fn finish(mut self, most: usize) -> Result<Said> {
        let (mut buffers, mut said) = (Buffers::default(), Said::default());
        while let Some((stream, count)) = self.read(&mut buffers).await {
            let text = match stream {
                OutputStream::Stdout => &mut said.stdout,
                OutputStream::Stderr => &mut said.stderr,
            };
            text.extend_from_slice(buffers.of(stream, count));
            if said.stdout.len() + said.stderr.len() > most {
                return Err(
                    Error::invalid("a session says more than it was asked").context("most", most)
                );
            }
        }
        said.code = self.code().await.ok_or_else(cut)?;
        Ok(said)
    }
}

/// What came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exchanged {
    /// That many bytes of input were taken.
    Taken(usize),
    /// That many bytes of output arrived.
    Said(OutputStream, usize),
}

/// What a script said.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) code: i32,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

/// Where output arrives.
#[derive(Debug)]
pub(super) struct Buffers {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Default for Buffers {
    fn default() -> Self {
        Self { stdout: vec![0; 64 << 10], stderr: vec![0; 64 << 10] }
    }
}

impl Buffers {
    pub(super) fn of(&self, stream: OutputStream, count: usize) -> &[u8] {
        match stream {
            OutputStream::Stdout => &self.stdout[..count],
            OutputStream::Stderr => &self.stderr[..count],
        }
    }
}

async fn piece_of<R: AsyncRead + Unpin>(stream: Option<&mut R>, buffer: &mut [u8]) -> usize {
    match stream {
        // A stream that breaks has ended; the status says whether too early.
        Some(stream) => stream.read(buffer).await.unwrap_or(0),
        None => 0,
    }
}

fn no_stream() -> Error {
    Error::unexpected("a stream to the Pod of a session is missing")
}

fn broken(cause: std::io::Error) -> Error {
    cut().source(cause)
}

/// The error for a connection that broke.
pub(super) fn cut() -> Error {
    Error::new(ErrorKind::Unavailable, "the connection to the Pod of a session broke off")
        .code("connection_lost")
        .advice("open another session; check the way to the cluster if it happens again")
}
