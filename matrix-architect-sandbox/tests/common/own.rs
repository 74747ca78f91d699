//! What a test sees of its own process, which it has to itself.

use std::fs;

use matrix_architect_core::{
    conformance::files::Files,
    id::SessionId,
    traits::{Cancel, Command, Limits, Output, OutputStream, Sandbox, SessionSpec},
};

use crate::alone::{again, is_alone, succeeded};

/// Runs `body` in a process of its own.
pub(crate) fn alone(test: &str, body: impl FnOnce()) {
    if is_alone() {
        return body();
    }
    succeeded(&again(test).output().unwrap());
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// How many descriptors this process has, but for the files of cgroups that are kept to be used again,
/// of which there are never more than the cgroups' own test says.
pub(crate) fn open_descriptors() -> usize {
    let is_of_a_cgroup = |open: &fs::DirEntry| {
        fs::read_link(open.path()).is_ok_and(|what| what.starts_with("/sys/fs/cgroup"))
    };
    let open = fs::read_dir("/proc/self/fd").unwrap().map(Result::unwrap);
    open.filter(|open| !is_of_a_cgroup(open)).count()
}

/// A small session.
pub(crate) fn spec(number: u128) -> SessionSpec {
    let mut spec = SessionSpec::new(SessionId::from_number(number));
    spec.limits = Limits::default().disk(64 << 20).memory(256 << 20);
    spec
}

/// Counts and forgets.
#[derive(Debug, Default)]
struct Counted(u64);

impl Output for Counted {
    fn write(&mut self, _stream: OutputStream, bytes: &[u8]) {
        self.0 += bytes.len() as u64;
    }
}

/// The most memory this process had at once, in KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Demands that so many MiB of output need no more memory than the cap of one, after a few.
pub(crate) async fn a_flood_needs_no_memory(sandbox: &dyn Sandbox, few: u32, many: u32) {
    let mut spec = spec(1);
    spec.limits = spec.limits.output(1 << 20);
    let session = sandbox.open(&Files::default(), &spec).await.unwrap();
    let flood = |mib: u32| Command::shell(format!("head -c {mib}M /dev/zero"));
    session.run(&flood(few), &mut Counted::default(), &Cancel::new()).await.unwrap();
    let before = peak();
    let mut counted = Counted::default();
    let exit = session.run(&flood(many), &mut counted, &Cancel::new()).await.unwrap();
    assert_eq!(exit.output.stdout, u64::from(many) << 20);
    assert!(counted.0 < (1 << 20) + 200);
    let grown = peak() - before;
    assert!(grown <= 2048, "{grown} KiB for a cap of 1024 KiB");
    session.close().await.unwrap();
}

/// Prints what a command prints, for a test that listens.
#[derive(Debug)]
pub(crate) struct Told;

impl Output for Told {
    #[expect(clippy::print_stdout, reason = "the test that started this process listens")]
    fn write(&mut self, _stream: OutputStream, bytes: &[u8]) {
        println!("{}", String::from_utf8_lossy(bytes));
    }
}
