//! One command, from its start to its verdict.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    traits::{
        Cancel, Command, Exit, ExitVerdict, LimitReport, Limits, Output, OutputStream,
        OutputSummary, Usage,
    },
};

use super::{
    exec::{Buffers, Exec, cut},
    record::Records,
    render::HOME,
    script::{self, Line},
    session::KubernetesSession,
    verdict::Told,
};
use crate::common::{
    Capped, check_command, check_limits, not_executable, not_found, refuse_absent,
};

/// How long the end of a killed command may take before its Pod goes instead.
const END: Duration = Duration::from_secs(10);

/// Why we ended a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Cancel,
    Timeout,
}

impl Asked {
    const fn verdict(self) -> ExitVerdict {
        match self {
            Self::Cancel => ExitVerdict::Cancelled,
            Self::Timeout => ExitVerdict::TimedOut,
        }
    }
}

/// Runs a command to its end.
pub(super) async fn run(
    session: &KubernetesSession,
    command: &Command,
    output: &mut dyn Output,
    cancel: &Cancel,
) -> Result<Exit> {
    check_command(command)?;
    let limits = command.limits.as_ref().unwrap_or(&session.spec.limits);
    check_limits(limits)?;
    let env = environment(session, command)?;
    let enforcement = session.enforcement(limits);
    if !session.spec.allow_degraded {
        refuse_absent(&enforcement)?;
    }
    let (_turn, unfinished) = session.turn().await?;
    let started = Instant::now();
    let nonce = super::sandbox::random();
    let strict: &[&str] = if session.spec.allow_degraded { &[] } else { &STRICT };
    let text = script::command(&Line {
        argv: &command.argv,
        env: &env,
        directory: command.cwd.as_ref().map_or("", |path| path.as_str()),
        limits,
        input: command.stdin.len(),
        nonce: &nonce,
        strict,
    });
    let exec = Exec::start(session.cluster(), session.pod(), &text).await?;
    let mut ran = Ran {
        exec,
        records: Records::new(&nonce),
        capped: Capped::new(limits.output),
        asked: None,
    };
    let ended = ran.see_out(session, command, output, cancel, limits).await;
    let Ran { exec, records, mut capped, asked } = ran;
    let told = records.finish(|bytes| capped.take(OutputStream::Stderr, bytes, output));
    let told = Told::read(&told);
    let summary = capped.finish(output);
    let code = if ended { exec.code().await } else { None };
    let verdict = match (told.flaw.as_deref(), asked, code) {
        (Some(flaw), _, _) => {
            unfinished.finish();
            return Err(flawed(flaw, command));
        }
        // An end that came before our kill is the command's own.
        (None, asked, Some(code)) if asked.is_none() || told.code.is_some() => {
            // A script that was killed was killed by its command, or with its Pod.
            let ended = if told.is_told() { None } else { session.end_verdict().await? };
            if ended.is_none() {
                unfinished.finish();
            }
            ended.unwrap_or_else(|| told.verdict(code, limits))
        }
        (None, Some(asked), code) => {
            // Without the end of the command, only that of its Pod is sure.
            if code.is_some() {
                unfinished.finish();
            }
            asked.verdict()
        }
        // The session goes with what is unfinished.
        (None, None, _) => session.end_verdict().await?.ok_or_else(cut)?,
    };
    Ok(exit(verdict, started.elapsed(), &told, summary, enforcement))
}

/// The limits without which a command does not start.
const STRICT: [&str; 4] = ["processes", "file_size", "open_files", "cpu"];

fn exit(
    verdict: ExitVerdict,
    wall: Duration,
    told: &Told,
    output: OutputSummary,
    enforcement: Vec<LimitReport>,
) -> Exit {
    let mut usage = Usage::default();
    (usage.wall, usage.user, usage.system) = (wall, told.user, told.system);
    usage.peak_memory = told.peak;
    Exit { verdict, usage, output, enforcement }
}

/// A command that runs.
struct Ran {
    exec: Exec,
    records: Records,
    capped: Capped,
    asked: Option<Asked>,
}

impl Ran {
    /// Feeds the command and takes its output, to its end or ours. Whether its end was seen.
    async fn see_out(
        &mut self,
        session: &KubernetesSession,
        command: &Command,
        output: &mut dyn Output,
        cancel: &Cancel,
        limits: &Limits,
    ) -> bool {
        let wish = {
            let streams = self.streams(command, output);
            tokio::pin!(streams);
            tokio::select! {
                () = &mut streams => return true,
                () = cancel.cancelled() => Asked::Cancel,
                () = tokio::time::sleep(limits.wall) => Asked::Timeout,
            }
        };
        self.asked = Some(wish);
        let ending = async {
            let killed = session.kill().await;
            self.drain(output).await;
            killed
        };
        matches!(tokio::time::timeout(END, ending).await, Ok(Ok(())))
    }

    async fn streams(&mut self, command: &Command, output: &mut dyn Output) {
        let (mut buffers, mut input) = (Buffers::default(), &command.stdin[..]);
        while !input.is_empty() {
            let (piece, rest) = input.split_at(input.len().min(16 << 10));
            // A command may end without reading, and may write before it reads on.
            if self
                .exec
                .write_while_reading(piece, &mut buffers, |stream, bytes| {
                    take(&mut self.records, &mut self.capped, output, stream, bytes);
                })
                .await
                .is_err()
            {
                break;
            }
            input = rest;
        }
        self.drain(output).await;
    }

    async fn drain(&mut self, output: &mut dyn Output) {
        let mut buffers = Buffers::default();
        while let Some((stream, count)) = self.exec.read(&mut buffers).await {
            let bytes = buffers.of(stream, count);
            take(&mut self.records, &mut self.capped, output, stream, bytes);
        }
    }
}

fn take(
    records: &mut Records,
    capped: &mut Capped,
    output: &mut dyn Output,
    stream: OutputStream,
    bytes: &[u8],
) {
    match stream {
        OutputStream::Stdout => capped.take(stream, bytes, output),
        OutputStream::Stderr => records.take(bytes, |bytes| capped.take(stream, bytes, output)),
    }
}

/// What a command finds in its environment.
fn environment(session: &KubernetesSession, command: &Command) -> Result<BTreeMap<String, String>> {
    let own = [("HOME", HOME), ("TMPDIR", "/tmp"), ("LANG", "C.UTF-8"), ("USER", "sandbox")];
    let mut env: BTreeMap<_, _> =
        own.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    env.extend(session.config().path.iter().map(|path| ("PATH".to_owned(), path.clone())));
    for more in [&session.config().env, &session.spec.env, &command.env] {
        env.extend(more.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    let is_name = |name: &str| {
        let first =
            name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        first && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    match env.keys().find(|name| !is_name(name)) {
        None => Ok(env),
        Some(name) => Err(Error::invalid("a shell cannot hold a variable of this name")
            .context("name", name)
            .advice("use letters, digits and '_'")),
    }
}

fn flawed(flaw: &str, command: &Command) -> Error {
    let program = command.argv.first().map_or("", String::as_str);
    match flaw.split_once(' ').unwrap_or((flaw, "")) {
        ("not_found", _) => not_found(program),
        ("not_executable", _) => not_executable(program),
        ("directory", _) => Error::not_found("the directory of a command is not in the tree")
            .code("directory_not_found")
            .context("directory", command.cwd.as_ref().map_or("", |path| path.as_str())),
        (_, limit) => Error::new(ErrorKind::Unsupported, "a limit cannot be held in the Pod")
            .code("not_enforced")
            .context("limit", limit)
            .advice("lower it below the Pod's own, or allow degraded isolation"),
    }
}
