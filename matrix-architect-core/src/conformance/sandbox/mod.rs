//! Commands nobody trusts: every promise of [`Sandbox`].
//!
//! What runs inside is `sh` and the usual small programs beside it.
#![expect(clippy::missing_panics_doc, reason = "a case panics where the backend breaks its word")]
#![expect(clippy::missing_errors_doc, reason = "a case fails with whatever the backend answers")]

mod beside;

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{Serves, check::refused, files::Files};
use crate::{
    error::{ErrorKind, Result},
    id::SessionId,
    traits::{
        Cancel, Collect, Command, Enforcement, Exit, ExitVerdict, Limits, Sandbox, Session,
        SessionSpec, Tree,
    },
};

pub use beside::{
    Programs, a_host_that_is_not_allowed_is_refused_by_name,
    a_service_is_ready_before_start_returns, a_service_outlives_the_end_of_a_command,
    a_service_that_does_not_become_ready_is_told, a_service_that_ended_is_told,
    an_allowed_host_is_reached_and_written_down, there_is_no_way_out_beside_the_proxy,
    what_is_not_supported_is_refused,
};

/// What the suite asks beside a sandbox.
#[async_trait]
pub trait Isolates: Serves<dyn Sandbox> {
    /// Files and folders that exist on the host and must not be seen inside.
    fn hidden(&self) -> Vec<PathBuf>;

    /// A sandbox of the kind, and bounds that it cannot hold; `None` if it can hold all.
    fn beyond_its_means(&self) -> Option<(Arc<dyn Sandbox>, Limits)>;

    /// What sessions of this process have on the machine at the moment: processes, mounts,
    /// cgroups, directories, by name. What is always there is left out.
    async fn leftovers(&self) -> Vec<String>;

    /// Whether it is told when a command wanted more processes than it may have. Where it is not, such a
    /// command may also end with an exit code of its own.
    fn tells_refused_processes(&self) -> bool {
        true
    }

    /// A command line that tries to get out of a session whose network is closed from outside, such
    /// as by a cluster's policy; it ends with 3 where it does not, and the harness knows that from
    /// elsewhere the same address is reached. `None` where sessions have only a loopback interface.
    fn way_out(&self) -> Option<String> {
        None
    }

    /// Programs inside that the cases about egress and services need; `None` for a sandbox that
    /// has neither. Where it has egress, the proxy takes the names `allowed.test` and
    /// `refused.test` for 127.0.0.1.
    fn programs(&self) -> Option<Programs>;
}

/// Expands to one test per promise of [`Sandbox`](crate::traits::Sandbox). The expression makes a
/// harness that [`Isolates`](crate::conformance::sandbox::Isolates).
#[macro_export]
macro_rules! sandbox_suite {
    ($harness:expr) => {
        $crate::__conformance_tests!(
            sandbox,
            $harness,
            [
                a_command_runs_and_its_exit_code_is_told,
                the_tree_is_there_and_writable,
                the_host_is_not_reachable,
                the_environment_is_only_what_was_given,
                a_timeout_kills_the_whole_tree,
                a_memory_hog_is_told_apart,
                a_fork_bomb_is_contained,
                output_beyond_the_cap_is_counted_and_dropped,
                a_limit_that_cannot_be_held_is_refused,
                nothing_is_left_after_close,
                files_written_by_one_command_are_seen_by_the_next,
                what_is_collected_is_an_archive_of_just_that,
                cancel_ends_the_command,
                a_program_that_is_not_there_is_not_found,
                an_allowed_host_is_reached_and_written_down,
                a_host_that_is_not_allowed_is_refused_by_name,
                there_is_no_way_out_beside_the_proxy,
                a_service_is_ready_before_start_returns,
                a_service_that_does_not_become_ready_is_told,
                what_is_not_supported_is_refused,
                a_service_outlives_the_end_of_a_command,
                a_service_that_ended_is_told,
                an_exit_and_a_signal_are_told_apart,
            ]
        );
    };
}

const MIB: u64 = 1 << 20;

/// Small bounds, so that what runs into them does so soon.
fn limits() -> Limits {
    Limits::default()
        .wall(Duration::from_mins(1))
        .memory(256 * MIB)
        .disk(64 * MIB)
        .processes(64)
        .output(MIB)
}

fn spec(number: u128) -> SessionSpec {
    SessionSpec { limits: limits(), ..SessionSpec::new(SessionId::from_number(number)) }
}

fn sample() -> Result<Files> {
    Files::new(&[("greeting.txt", "hello"), ("src/run.sh", "#!/bin/sh\necho ran\n")])
}

async fn opened(harness: &impl Serves<dyn Sandbox>) -> Result<Box<dyn Session>> {
    harness.backend().open(&sample()?, &spec(1)).await
}

/// Runs a line of shell and returns how it ended and what it said.
async fn say(session: &dyn Session, line: &str) -> Result<(Exit, String)> {
    let mut output = Vec::new();
    let exit = session.run(&Command::shell(line), &mut output, &Cancel::new()).await?;
    Ok((exit, String::from_utf8_lossy(&output).into_owned()))
}

fn bounded(line: &str, limits: Limits) -> Command {
    Command { limits: Some(limits), ..Command::shell(line) }
}

fn enforcement(exit: &Exit, name: &str) -> Enforcement {
    let found = exit.enforcement.iter().find(|report| report.name == name);
    found.map_or(Enforcement::Absent, |report| report.enforcement)
}

/// Promise 1.
pub async fn a_command_runs_and_its_exit_code_is_told(harness: impl Isolates) -> Result<()> {
    let session = opened(&harness).await?;
    let (exit, output) = say(&*session, "echo out; echo err >&2; exit 7").await?;
    assert_eq!(exit.verdict, ExitVerdict::Exited(7));
    assert!(output.contains("out\n") && output.contains("err\n"), "{output:?}");
    assert_eq!((exit.output.stdout, exit.output.stderr, exit.output.dropped), (4, 4, 0));
    assert!(exit.usage.wall > Duration::ZERO);
    let (exit, _) = say(&*session, "kill -SEGV $$").await?;
    assert_eq!(exit.verdict, ExitVerdict::Signalled(11));
    let mut read = Command::new(["cat"]);
    read.stdin = "from stdin".into();
    let mut output = Vec::new();
    let exit = session.run(&read, &mut output, &Cancel::new()).await?;
    assert_eq!((exit.verdict, &output[..]), (ExitVerdict::Exited(0), &b"from stdin"[..]));
    session.close().await
}

/// Promise 2.
pub async fn the_tree_is_there_and_writable(harness: impl Isolates) -> Result<()> {
    let tree = sample()?;
    let before = tree.pack().await?.collect(usize::MAX).await?;
    let session = harness.backend().open(&tree, &spec(2)).await?;
    let (exit, output) =
        say(&*session, "cat greeting.txt && src/run.sh && echo bye > greeting.txt && rm -r src")
            .await?;
    assert_eq!((exit.verdict, output.as_str()), (ExitVerdict::Exited(0), "helloran\n"));
    session.close().await?;
    assert_eq!(tree.pack().await?.collect(usize::MAX).await?, before);
    Ok(())
}

/// Promise 3.
pub async fn the_host_is_not_reachable(harness: impl Isolates) -> Result<()> {
    let session = opened(&harness).await?;
    let hidden = harness.hidden();
    assert!(!hidden.is_empty(), "the harness names nothing that must be hidden");
    for path in hidden {
        assert!(
            path.exists(),
            "{} must exist on the host, or the case proves nothing",
            path.display()
        );
        let (exit, _) = say(&*session, &format!("test -e '{}'", path.display())).await?;
        assert_eq!(exit.verdict, ExitVerdict::Exited(1), "{} is seen inside", path.display());
    }
    if let Some(way_out) = harness.way_out() {
        let (exit, output) = say(&*session, &way_out).await?;
        assert_eq!(exit.verdict, ExitVerdict::Exited(3), "the network is not closed: {output}");
    } else {
        let (exit, output) = say(&*session, "cut -d: -f1 -s /proc/net/dev | tr -d ' '").await?;
        assert_eq!((exit.verdict, output.trim()), (ExitVerdict::Exited(0), "lo"), "only loopback");
    }
    let (exit, _) =
        say(&*session, "touch /usr/planted || touch /etc/planted || touch /planted").await?;
    assert_ne!(exit.verdict, ExitVerdict::Exited(0), "the root can be written");
    let (_, output) = say(&*session, "ls /proc | grep -c '^[0-9]'").await?;
    let seen: u32 = output.trim().parse().unwrap_or(u32::MAX);
    assert!(seen <= 8, "{seen} processes are seen inside");
    session.close().await
}

/// Promise 4.
pub async fn the_environment_is_only_what_was_given(harness: impl Isolates) -> Result<()> {
    let mut spec = spec(4);
    spec.env.insert("FROM_SESSION".to_owned(), "s".to_owned());
    let session = harness.backend().open(&sample()?, &spec).await?;
    let mut command = Command::new(["env"]);
    command.env.insert("FROM_COMMAND".to_owned(), "c".to_owned());
    let mut output = Vec::new();
    session.run(&command, &mut output, &Cancel::new()).await?;
    let output = String::from_utf8_lossy(&output);
    let names = output.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name);
    let mut names = names.collect::<Vec<_>>();
    let given = ["FROM_SESSION", "FROM_COMMAND"];
    assert!(given.iter().all(|name| names.contains(name)), "{names:?}");
    // What a backend may add of its own; never what the server has in its environment.
    let own = ["PATH", "HOME", "TMPDIR", "LANG", "USER", "PWD", "SHLVL", "_", "HOSTNAME"];
    names.retain(|name| !given.contains(name) && !own.contains(name));
    assert!(names.is_empty(), "{names:?} were not given");
    session.close().await
}

/// Promise 5.
pub async fn a_timeout_kills_the_whole_tree(harness: impl Isolates) -> Result<()> {
    let session = opened(&harness).await?;
    let daemon = "trap '' TERM; setsid sh -c 'trap \"\" TERM; (while :; do date > beat; sleep 0.05; done) &' & \
                  while :; do sleep 1; done";
    let mut output = Vec::new();
    let command = bounded(daemon, limits().wall(Duration::from_millis(1500)));
    let exit = session.run(&command, &mut output, &Cancel::new()).await?;
    assert_eq!(exit.verdict, ExitVerdict::TimedOut);
    assert!(exit.usage.wall < Duration::from_secs(30), "{:?}", exit.usage.wall);
    let (exit, _) =
        say(&*session, "test -e beat && rm beat && sleep 0.4 && test ! -e beat").await?;
    assert_eq!(exit.verdict, ExitVerdict::Exited(0), "the daemon still beats, or never did");
    session.close().await
}

/// Promise 6.
pub async fn a_memory_hog_is_told_apart(harness: impl Isolates) -> Result<()> {
    let session = opened(&harness).await?;
    let (exit, _) = say(&*session, "true").await?;
    if !matches!(enforcement(&exit, "memory"), Enforcement::Enforced | Enforcement::Polled) {
        // Promised only where the tree's memory is bounded.
        return session.close().await;
    }
    // One endless line, which has to be kept.
    let command = bounded("exec tail /dev/zero", limits().memory(64 * MIB));
    let exit = session.run(&command, &mut Vec::new(), &Cancel::new()).await?;
    assert_eq!(exit.verdict, ExitVerdict::OutOfMemory);
    let (exit, _) = say(&*session, "true").await?;
    assert_eq!(exit.verdict, ExitVerdict::Exited(0), "the session outlives its commands");
    session.close().await
}

/// Promise 7.
pub async fn a_fork_bomb_is_contained(harness: impl Isolates) -> Result<()> {
    let session = opened(&harness).await?;
    let few = || limits().processes(32).wall(Duration::from_secs(3));
    let look = session.run(&bounded("true", few()), &mut Vec::new(), &Cancel::new()).await?;
    let held = enforcement(&look, "processes");
    assert_eq!(held, Enforcement::Enforced, "no bomb is lit where nothing holds it");
    let count = "for i in $(seq 100); do sleep 2 & done 2>/dev/null; ls /proc | grep -c '^[0-9]'";
    let mut output = Vec::new();
    let many = session.run(&bounded(count, few()), &mut output, &Cancel::new()).await?;
    let most = String::from_utf8_lossy(&output).lines().filter_map(|line| line.parse().ok()).max();
    assert!(most.unwrap_or(0_u32) <= 34, "{most:?} processes at once; {:?}", many.verdict);
    let bomb = bounded("b() { b | b & }; b; while :; do sleep 1; done", few());
    let exit = session.run(&bomb, &mut Vec::new(), &Cancel::new()).await?;
    let contained = [ExitVerdict::TimedOut, ExitVerdict::ProcessesExceeded];
    let by_itself = !harness.tells_refused_processes()
        && matches!(exit.verdict, ExitVerdict::Exited(code) if code != 0);
    assert!(by_itself || contained.contains(&exit.verdict), "{:?}", exit.verdict);
    let (exit, _) = say(&*session, "true").await?;
    assert_eq!(exit.verdict, ExitVerdict::Exited(0), "the session outlives the bomb");
    session.close().await
}

/// Promise 8.
pub async fn output_beyond_the_cap_is_counted_and_dropped(harness: impl Isolates) -> Result<()> {
    let session = opened(&harness).await?;
    let flood = "echo first; head -c 50000000 /dev/zero; echo last; echo error >&2";
    let mut output = Vec::new();
    let command = bounded(flood, limits().output(10_000));
    let exit = session.run(&command, &mut output, &Cancel::new()).await?;
    assert_eq!(exit.verdict, ExitVerdict::Exited(0));
    assert_eq!((exit.output.stdout, exit.output.stderr), (50_000_011, 6));
    let kept = exit.output.stdout + exit.output.stderr - exit.output.dropped;
    assert!((9_000..=10_000).contains(&kept), "{kept} bytes were kept");
    assert!((output.len() as u64) < kept + 200, "more was passed on than was kept");
    assert!(output.starts_with(b"first\n"));
    assert!(output.windows(5).any(|window| window == b"last\n"));
    session.close().await
}

/// Promise 9.
pub async fn a_limit_that_cannot_be_held_is_refused(harness: impl Isolates) -> Result<()> {
    let Some((sandbox, beyond)) = harness.beyond_its_means() else { return Ok(()) };
    let mut spec = SessionSpec { limits: beyond, ..spec(9) };
    let command = Command::shell("true");
    let strict = match sandbox.open(&sample()?, &spec).await {
        Ok(session) => session.run(&command, &mut Vec::new(), &Cancel::new()).await.map(drop),
        Err(refused) => Err(refused),
    };
    let error = refused(strict, ErrorKind::Unsupported);
    assert!(error.advice_str().is_some(), "no remedy in {error:?}");
    spec.allow_degraded = true;
    let session = sandbox.open(&sample()?, &spec).await?;
    let exit = session.run(&command, &mut Vec::new(), &Cancel::new()).await?;
    let absent = |report: &crate::traits::LimitReport| report.enforcement == Enforcement::Absent;
    assert!(exit.enforcement.iter().any(absent), "what is not held is not reported");
    session.close().await
}

/// Promise 10.
pub async fn nothing_is_left_after_close(harness: impl Isolates) -> Result<()> {
    let session = opened(&harness).await?;
    say(&*session, "setsid sleep 1000 & touch left /tmp/left").await?;
    session.close().await?;
    gone(&harness).await;
    let dropped = opened(&harness).await?;
    say(&*dropped, "setsid sleep 1000 & true").await?;
    drop(dropped);
    gone(&harness).await;
    // A run that is dropped closes its session.
    let session = opened(&harness).await?;
    let (endless, mut output) = (Command::shell("sleep 1000"), Vec::new());
    let cancel = Cancel::new();
    let run = session.run(&endless, &mut output, &cancel);
    assert!(tokio::time::timeout(Duration::from_millis(300), run).await.is_err());
    gone(&harness).await;
    drop(session);
    Ok(())
}

/// The end of processes takes the kernel a moment.
async fn gone(harness: &impl Isolates) {
    let mut left = harness.leftovers().await;
    for _ in 0..200 {
        if left.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        left = harness.leftovers().await;
    }
    assert!(left.is_empty(), "left behind: {left:?}");
}

/// Promise 11.
pub async fn files_written_by_one_command_are_seen_by_the_next(
    harness: impl Isolates,
) -> Result<()> {
    let session = opened(&harness).await?;
    say(&*session, "mkdir -p made && echo kept > made/file && echo cached > $HOME/cache").await?;
    let (_, output) = say(&*session, "cat made/file $HOME/cache").await?;
    assert_eq!(output, "kept\ncached\n");
    session.close().await
}

/// Promise 12.
pub async fn what_is_collected_is_an_archive_of_just_that(harness: impl Isolates) -> Result<()> {
    let session = opened(&harness).await?;
    let (exit, _) = say(
        &*session,
        "mkdir -p dist/deep && echo wheel > dist/a.whl && echo no > dist/b.txt && \
         echo deep > dist/deep/c.whl && ln -s a.whl dist/inside.whl && \
         ln -s /etc/passwd dist/absolute.whl && ln -s ../../../etc/passwd dist/up.whl && \
         mkfifo dist/pipe.whl && echo app > app",
    )
    .await?;
    assert_eq!(exit.verdict, ExitVerdict::Exited(0));
    let archive = session.collect(&Collect::new(["dist/*.whl", "app", "absent"])).await?;
    assert_eq!(names(&archive.collect(1 << 20).await?), ["app", "dist/a.whl", "dist/inside.whl"]);
    let archive = session.collect(&Collect::new(["dist/deep"])).await?;
    assert_eq!(names(&archive.collect(1 << 20).await?), ["dist/deep/c.whl"]);
    let mut few = Collect::new(["**"]);
    few.max_bytes = 8;
    refused(session.collect(&few).await?.collect(1 << 20).await, ErrorKind::Invalid);
    few.max_bytes = 1 << 20;
    few.max_entries = 2;
    refused(session.collect(&few).await?.collect(1 << 20).await, ErrorKind::Invalid);
    session.close().await
}

/// The names in a ustar archive, in order.
fn names(archive: &[u8]) -> Vec<String> {
    let text = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes.split(|byte| *byte == 0).next().unwrap_or_default())
            .into_owned()
    };
    let (mut names, mut at) = (Vec::new(), 0);
    while archive.get(at).is_some_and(|byte| *byte != 0) {
        names.push(text(&archive[at..at + 100]));
        let size = usize::from_str_radix(text(&archive[at + 124..at + 136]).trim(), 8).unwrap_or(0);
        at += 512 + size.next_multiple_of(512);
    }
    names
}

/// Promise 13.
pub async fn cancel_ends_the_command(harness: impl Isolates) -> Result<()> {
    let session = opened(&harness).await?;
    let cancel = Cancel::new();
    let wish = cancel.clone();
    let (command, mut output) = (Command::shell("sleep 1000"), Vec::new());
    let later = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        wish.cancel();
    };
    let (exit, ()) = tokio::join!(session.run(&command, &mut output, &cancel), later);
    assert_eq!(exit?.verdict, ExitVerdict::Cancelled);
    let (exit, _) = say(&*session, "true").await?;
    assert_eq!(exit.verdict, ExitVerdict::Exited(0), "the session outlives a cancelled command");
    session.close().await
}

/// Promise 14.
pub async fn a_program_that_is_not_there_is_not_found(harness: impl Isolates) -> Result<()> {
    let session = opened(&harness).await?;
    let absent = Command::new(["no-such-program-anywhere"]);
    let error =
        refused(session.run(&absent, &mut Vec::new(), &Cancel::new()).await, ErrorKind::NotFound);
    assert_eq!(error.code_str(), "program_not_found");
    let (exit, _) = say(&*session, "true").await?;
    assert_eq!(exit.verdict, ExitVerdict::Exited(0), "the session outlives a missing program");
    session.close().await
}

/// Promise 23.
pub async fn an_exit_and_a_signal_are_told_apart(harness: impl Isolates) -> Result<()> {
    let session = opened(&harness).await?;
    for signal in [1, 6, 9, 11, 15] {
        let (exit, _) = say(&*session, &format!("exit {}", 128 + signal)).await?;
        assert_eq!(exit.verdict, ExitVerdict::Exited(128 + signal));
        let (exit, _) = say(&*session, &format!("kill -{signal} $$")).await?;
        assert_eq!(exit.verdict, ExitVerdict::Signalled(signal));
    }
    // Not the command's own: that of a child, which its shell hands on as a number.
    let (exit, _) = say(&*session, "sh -c 'kill -9 $$'; exit $?").await?;
    assert_eq!(exit.verdict, ExitVerdict::Exited(137));
    let fed = [("exit 137", ExitVerdict::Exited(137)), ("kill -9 $$", ExitVerdict::Signalled(9))];
    for (end, verdict) in fed {
        let mut command = Command::shell(format!("read -r line; {end}"));
        command.stdin = "from stdin\n".into();
        let exit = session.run(&command, &mut Vec::new(), &Cancel::new()).await?;
        assert_eq!(exit.verdict, verdict);
    }
    session.close().await
}
