//! Every way to end is told apart.

use std::time::Duration;

use matrix_architect_core::{
    conformance::files::Files,
    id::SessionId,
    traits::{Cancel, Command, Enforcement, Exit, ExitVerdict, Limits, Sandbox as _, SessionSpec},
};

use super::ground::Ground;

const MIB: u64 = 1 << 20;

fn bounds() -> Limits {
    Limits::default().wall(Duration::from_secs(30)).memory(128 * MIB).disk(16 * MIB).processes(64)
}

/// Runs one line in a session of its own.
async fn ended(ground: &Ground, line: &str, limits: Limits) -> (Exit, String) {
    let mut spec = SessionSpec::new(SessionId::from_number(1));
    spec.limits = limits;
    let session = ground.sandbox.open(&Files::default(), &spec).await.unwrap();
    let mut output = Vec::new();
    let exit = session.run(&Command::shell(line), &mut output, &Cancel::new()).await.unwrap();
    session.close().await.unwrap();
    (exit, String::from_utf8_lossy(&output).into_owned())
}

async fn verdict(ground: &Ground, line: &str, limits: Limits) -> ExitVerdict {
    ended(ground, line, limits).await.0.verdict
}

fn grounds() -> [Ground; 2] {
    [Ground::with_cgroups(), Ground::without_cgroups()]
}

#[tokio::test]
async fn a_full_disk_is_told() {
    for ground in grounds() {
        let line = "dd if=/dev/zero of=big bs=1M count=64 2>&1";
        assert_eq!(verdict(&ground, line, bounds()).await, ExitVerdict::DiskExceeded);
        let line = "dd if=/dev/zero of=/tmp/big bs=1M count=64 2>&1";
        assert_eq!(verdict(&ground, line, bounds()).await, ExitVerdict::DiskExceeded);
        let line = "i=0; while : > f$i; do i=$((i+1)); done";
        assert_eq!(verdict(&ground, line, bounds()).await, ExitVerdict::DiskExceeded, "inodes");
    }
}

#[tokio::test]
async fn the_disk_limit_is_exact_and_a_commands_own() {
    let ground = Ground::with_cgroups();
    let mut spec = SessionSpec::new(SessionId::from_number(1));
    spec.limits = bounds();
    let session = ground.sandbox.open(&Files::default(), &spec).await.unwrap();
    let mut command = Command::shell("head -c 12m /dev/zero > file && stat -fc '%b %S' .");
    command.limits = Some(bounds().disk(32 * MIB));
    let mut output = Vec::new();
    let exit = session.run(&command, &mut output, &Cancel::new()).await.unwrap();
    assert_eq!(exit.verdict, ExitVerdict::Exited(0));
    assert_eq!(String::from_utf8_lossy(&output).trim(), "8192 4096", "32 MiB are told inside");
    command.limits = Some(bounds().disk(4 * MIB));
    let refused = session.run(&command, &mut output, &Cancel::new()).await.unwrap_err();
    assert!(refused.to_string().contains("already holds more"), "{refused}");
    session.close().await.unwrap();
}

#[tokio::test]
async fn a_file_that_grew_too_large_is_told() {
    let ground = Ground::with_cgroups();
    let line = "exec dd if=/dev/zero of=big bs=1M count=8";
    assert_eq!(verdict(&ground, line, bounds().file_size(MIB)).await, ExitVerdict::DiskExceeded);
}

#[tokio::test]
async fn cpu_time_of_the_whole_tree_is_told() {
    for ground in grounds() {
        let spin = "while :; do :; done";
        let two = format!("({spin}) & ({spin}) & wait");
        let limits = || bounds().cpu(Duration::from_secs(1));
        let (exit, _) = ended(&ground, &two, limits()).await;
        assert_eq!(exit.verdict, ExitVerdict::CpuExceeded);
        let used = exit.usage.user + exit.usage.system;
        assert!((0.9..2.5).contains(&used.as_secs_f64()), "{used:?}");
    }
}

#[tokio::test]
async fn memory_is_told_and_so_is_a_process_that_coped() {
    let ground = Ground::with_cgroups();
    let (exit, _) = ended(&ground, "tail /dev/zero; exit 0", bounds()).await;
    let report = exit.enforcement.iter().find(|report| report.name == "memory").unwrap();
    if report.enforcement == Enforcement::Enforced {
        assert_eq!(exit.verdict, ExitVerdict::Exited(0), "the shell lived and was content");
        assert!(exit.usage.peak_memory <= 128 * MIB, "{}", exit.usage.peak_memory);
        assert!(exit.usage.peak_memory > 100 * MIB, "{}", exit.usage.peak_memory);
        let failed = verdict(&ground, "tail /dev/zero", bounds()).await;
        assert_eq!(failed, ExitVerdict::OutOfMemory);
    } else {
        assert_eq!(exit.verdict, ExitVerdict::OutOfMemory, "the watch ends the whole tree");
    }
}

#[tokio::test]
async fn refused_processes_are_told() {
    for ground in grounds() {
        // Each process lives long enough for a watch to see it.
        let line = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 0.3 & done; wait; exit 3";
        let limits = || bounds().processes(6);
        assert_eq!(verdict(&ground, line, limits()).await, ExitVerdict::ProcessesExceeded);
        assert_eq!(verdict(&ground, line, bounds()).await, ExitVerdict::Exited(3), "enough");
    }
}

#[tokio::test]
async fn as_many_processes_as_may_be_are_no_excess() {
    for ground in grounds() {
        // The shell and five more, each long enough to be seen.
        let line = "for i in 1 2 3 4 5; do sleep 0.3 & done; wait; exit 3";
        assert_eq!(verdict(&ground, line, bounds().processes(6)).await, ExitVerdict::Exited(3));
    }
}

#[tokio::test]
async fn open_files_and_core_files_are_bounded() {
    let ground = Ground::with_cgroups();
    let mut limits = bounds();
    limits.open_files = 32;
    let (_, told) =
        ended(&ground, "ulimit -Hn; ulimit -Hc; ulimit -n 64 2>&- || echo no", limits).await;
    assert!(told.contains("32\n0\nno\n"), "{told}");
}

#[tokio::test]
async fn a_quota_of_cpus_is_held_where_it_can_be() {
    let ground = Ground::with_cgroups();
    let mut limits = bounds();
    limits.cpu_millis = 250;
    let mut spec = SessionSpec::new(SessionId::from_number(1));
    spec.limits = limits;
    let session = ground.sandbox.open(&Files::default(), &spec).await.unwrap();
    let line = Command::shell("timeout 2 sh -c 'while :; do :; done'");
    match session.run(&line, &mut Vec::new(), &Cancel::new()).await {
        Ok(exit) => {
            let used = (exit.usage.user + exit.usage.system).as_secs_f64();
            let share = used / exit.usage.wall.as_secs_f64();
            assert!(share < 0.35, "{share} of a CPU was used");
        }
        Err(refused) => assert_eq!(refused.code_str(), "not_enforced"),
    }
    session.close().await.unwrap();
}

#[tokio::test]
async fn what_the_tree_holds_open_after_the_end_is_ended_with_it() {
    let ground = Ground::with_cgroups();
    let (exit, told) = ended(&ground, "setsid sleep 1000 & echo done", bounds()).await;
    assert_eq!((exit.verdict, told.as_str()), (ExitVerdict::Exited(0), "done\n"));
    assert!(exit.usage.wall < Duration::from_secs(5), "{:?}", exit.usage.wall);
}

#[tokio::test]
async fn bytes_that_are_no_text_pass_unchanged() {
    let ground = Ground::with_cgroups();
    let mut spec = SessionSpec::new(SessionId::from_number(1));
    spec.limits = bounds();
    let session = ground.sandbox.open(&Files::default(), &spec).await.unwrap();
    let mut output = Vec::new();
    let command = Command::new(["printf", r"\377\000\376"]);
    session.run(&command, &mut output, &Cancel::new()).await.unwrap();
    assert_eq!(output, [0xff, 0, 0xfe]);
    session.close().await.unwrap();
}

/// Maps and touches so many MiB, shared or private, then forks so many processes that hold on to it
/// or touch as much of their own.
fn hold(what: &str) -> String {
    let program = format!(
        "import mmap, os, sys, time\n\
         def touch(flags):\n  \
           m = mmap.mmap(-1, 60 << 20, flags)\n  \
           for at in range(0, 60 << 20, 4096): m[at] = 1\n  \
           return m\n\
         {what}\ntime.sleep(1)\n"
    );
    format!("exec python3 -I -c '{program}'")
}

#[tokio::test]
async fn memory_that_is_watched_is_counted_fairly() {
    let ground = Ground::without_cgroups();
    let own = "if os.fork() == 0 or os.fork() == 0: pass\nm = touch(mmap.MAP_SHARED)";
    assert_eq!(verdict(&ground, &hold(own), bounds()).await, ExitVerdict::OutOfMemory, "3 x 60");
    let common = "m = touch(mmap.MAP_PRIVATE)\nif os.fork() == 0 or os.fork() == 0: pass";
    assert_eq!(verdict(&ground, &hold(common), bounds()).await, ExitVerdict::Exited(0), "1 x 60");
    let hidden = "os.memfd_create(\"hidden\")";
    assert_eq!(
        verdict(&ground, &hold(hidden), bounds()).await,
        ExitVerdict::Exited(1),
        "no process's"
    );
}

/// Makes a shared segment of so many MiB, fills it, and lets go of it: no process has it then.
fn leave_segment(mebibytes: u64) -> String {
    let program = format!(
        "import ctypes, time\n\
         libc = ctypes.CDLL(None, use_errno=True)\n\
         libc.shmat.restype = ctypes.c_void_p\n\
         segment = libc.shmget(0, {mebibytes} << 20, 0o1600)\n\
         if segment < 0: raise OSError(ctypes.get_errno(), \"refused\")\n\
         address = libc.shmat(segment, None, 0)\n\
         ctypes.memset(address, 1, {mebibytes} << 20)\n\
         libc.shmdt(ctypes.c_void_p(address))\n\
         time.sleep(1)\n"
    );
    format!("exec python3 -I -c '{program}'")
}

#[tokio::test]
async fn memory_of_no_process_counts_where_memory_is_watched() {
    let ground = Ground::without_cgroups();
    let little = || bounds().memory(40 * MIB);
    assert_eq!(verdict(&ground, &leave_segment(4), little()).await, ExitVerdict::Exited(0));
    assert_eq!(verdict(&ground, &leave_segment(48), little()).await, ExitVerdict::OutOfMemory);
    let large = verdict(&ground, &leave_segment(512), bounds()).await;
    assert!([ExitVerdict::OutOfMemory, ExitVerdict::Exited(1)].contains(&large), "{large:?}");
}
