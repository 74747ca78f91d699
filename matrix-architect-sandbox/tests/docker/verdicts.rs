//! Every way to end is told apart.

use std::{fs, time::Duration};

use matrix_architect_core::{
    conformance::files::Files,
    id::SessionId,
    traits::{Cancel, Command, Exit, ExitVerdict, Limits, Sandbox as _, SessionSpec},
};

use super::ground::Ground;

pub(super) const MIB: u64 = 1 << 20;

fn bounds() -> Limits {
    Limits::default().wall(Duration::from_mins(1)).memory(128 * MIB).disk(16 * MIB).processes(64)
}

/// Runs one line in a session of its own.
pub(super) async fn ended(ground: &Ground, line: &str, limits: Limits) -> (Exit, String) {
    let mut spec = SessionSpec::new(SessionId::from_number(1));
    spec.limits = limits;
    let session = ground.sandbox.open(&Files::default(), &spec).await.unwrap();
    let mut output = Vec::new();
    let exit = session.run(&Command::shell(line), &mut output, &Cancel::new()).await.unwrap();
    session.close().await.unwrap();
    (exit, String::from_utf8_lossy(&output).into_owned())
}

#[tokio::test]
async fn a_full_disk_is_told() {
    let Some(ground) = Ground::here().await else { return };
    for line in [
        "dd if=/dev/zero of=big bs=1M count=64 2>&1",
        "dd if=/dev/zero of=/tmp/big bs=1M count=64 2>&1",
        "dd if=/dev/zero of=/dev/shm/big bs=1M count=64 2>&1",
        "i=0; while : > f$i; do i=$((i+1)); done",
    ] {
        let (exit, told) = ended(&ground, line, bounds()).await;
        assert_eq!(exit.verdict, ExitVerdict::DiskExceeded, "{line}: {told}");
    }
}

#[tokio::test]
async fn a_file_that_grew_too_large_is_told() {
    let Some(ground) = Ground::here().await else { return };
    let line = "exec dd if=/dev/zero of=big bs=1M count=8";
    let (exit, told) = ended(&ground, line, bounds().file_size(MIB)).await;
    assert_eq!(exit.verdict, ExitVerdict::DiskExceeded, "{told}");
}

#[tokio::test]
async fn cpu_time_of_the_whole_tree_is_told() {
    let Some(ground) = Ground::here().await else { return };
    let spin = "while :; do :; done";
    let two = format!("({spin}) & ({spin}) & wait");
    let (exit, _) = ended(&ground, &two, bounds().cpu(Duration::from_secs(1))).await;
    assert_eq!(exit.verdict, ExitVerdict::CpuExceeded);
    let used = exit.usage.user + exit.usage.system;
    assert!((0.9..3.0).contains(&used.as_secs_f64()), "{used:?}");
}

#[tokio::test]
async fn memory_is_told_and_so_is_a_process_that_coped() {
    let Some(ground) = Ground::here().await else { return };
    let (exit, _) = ended(&ground, "tail /dev/zero; exit 0", bounds()).await;
    assert_eq!(exit.verdict, ExitVerdict::Exited(0), "the shell lived and was content");
    assert!((100 * MIB..=128 * MIB).contains(&exit.usage.peak_memory), "{:?}", exit.usage);
    let (exit, _) = ended(&ground, "tail /dev/zero", bounds()).await;
    assert_eq!(exit.verdict, ExitVerdict::OutOfMemory);
    let (exit, _) = ended(&ground, "true", bounds()).await;
    assert!(exit.usage.peak_memory < 16 * MIB, "the engine's own is not counted: {:?}", exit.usage);
}

#[tokio::test]
async fn refused_processes_are_told() {
    let Some(ground) = Ground::here().await else { return };
    let line = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 0.3 & done; wait; exit 3";
    let (exit, _) = ended(&ground, line, bounds().processes(6)).await;
    assert_eq!(exit.verdict, ExitVerdict::ProcessesExceeded);
    let (exit, _) = ended(&ground, line, bounds()).await;
    assert_eq!(exit.verdict, ExitVerdict::Exited(3), "enough");
}

#[tokio::test]
async fn open_files_and_core_files_are_bounded() {
    let Some(ground) = Ground::here().await else { return };
    let mut limits = bounds();
    limits.open_files = 32;
    let line = "ulimit -Hn; ulimit -Hc; ulimit -n 64 2>&- || echo no";
    let (_, told) = ended(&ground, line, limits).await;
    assert!(told.contains("32\n0\nno\n"), "{told}");
}

#[tokio::test]
async fn a_quota_of_cpus_is_held() {
    let Some(ground) = Ground::here().await else { return };
    let mut limits = bounds();
    limits.cpu_millis = 250;
    let line = "timeout 2 sh -c 'while :; do :; done'";
    let (exit, _) = ended(&ground, line, limits).await;
    let share = (exit.usage.user + exit.usage.system).as_secs_f64() / exit.usage.wall.as_secs_f64();
    assert!(share < 0.35, "{share} of a CPU was used");
}

#[tokio::test]
async fn what_the_tree_holds_open_after_the_end_is_ended_with_it() {
    let Some(ground) = Ground::here().await else { return };
    let spec = SessionSpec::new(SessionId::from_number(1));
    let session = ground.sandbox.open(&Files::default(), &spec).await.unwrap();
    let line = "setsid sh -c 'while :; do : >beat; sleep 0.02; done' & \
                while ! test -e beat; do :; done; echo done";
    let mut output = Vec::new();
    let exit = session.run(&Command::shell(line), &mut output, &Cancel::new()).await.unwrap();
    assert_eq!((exit.verdict, &output[..]), (ExitVerdict::Exited(0), &b"done\n"[..]));
    // The tree is nobody's between two commands.
    let look = Command::shell("rm beat; sleep 0.3; test ! -e beat");
    let exit = session.run(&look, &mut Vec::new(), &Cancel::new()).await.unwrap();
    assert_eq!(exit.verdict, ExitVerdict::Exited(0), "it still beats");
    session.close().await.unwrap();
}

#[tokio::test]
async fn bytes_that_are_no_text_pass_unchanged_in_both_directions() {
    let Some(ground) = Ground::here().await else { return };
    let spec = SessionSpec::new(SessionId::from_number(1));
    let session = ground.sandbox.open(&Files::default(), &spec).await.unwrap();
    let mut output = Vec::new();
    let mut command = Command::new(["cat"]);
    let bytes: Vec<u8> = (0..=u8::MAX).rev().cycle().take(300_000).collect();
    command.stdin = bytes.clone().into();
    let exit = session.run(&command, &mut output, &Cancel::new()).await.unwrap();
    assert_eq!(exit.verdict, ExitVerdict::Exited(0));
    assert!(output == bytes, "{} bytes of {}", output.len(), bytes.len());
    session.close().await.unwrap();
}

#[tokio::test]
async fn codes_that_mean_something_to_a_shell_are_the_commands_own() {
    let Some(ground) = Ground::here().await else { return };
    for code in [1, 2, 126, 127, 128, 255] {
        let (exit, _) = ended(&ground, &format!("exit {code}"), bounds()).await;
        assert_eq!(exit.verdict, ExitVerdict::Exited(code));
    }
    let (exit, _) = ended(&ground, "kill -TERM 1; kill -KILL 1; kill -TERM $$", bounds()).await;
    assert_eq!(exit.verdict, ExitVerdict::Signalled(15), "process 1 takes no signal from inside");
}

/// Processes that sleep where a session's tree is mounted, as the host sees them.
fn sleepers(tree: &(String, String)) -> usize {
    let sees = |text: &str| text.lines().filter_map(mounted).any(|(place, _)| place == *tree);
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|process| process.path());
    let sleeping = processes.filter(|process| {
        let line = fs::read_to_string(process.join("cmdline")).unwrap_or_default();
        let mounts = fs::read_to_string(process.join("mountinfo")).unwrap_or_default();
        line.starts_with("sleep\0") && sees(&mounts)
    });
    sleeping.count()
}

/// Of a line of `mountinfo` the device and what of it is mounted, and where.
fn mounted(line: &str) -> Option<((String, String), &str)> {
    let mut fields = line.split(' ').skip(2);
    let (device, root) = (fields.next()?.to_owned(), fields.next()?.to_owned());
    Some(((device, root), fields.next()?))
}

#[tokio::test]
async fn nothing_that_could_write_lives_when_a_command_has_ended() {
    let Some(ground) = Ground::here().await else { return };
    let mut spec = SessionSpec::new(SessionId::from_number(1));
    spec.limits = bounds();
    let session = ground.sandbox.open(&Files::default(), &spec).await.unwrap();
    let (mut mounts, cancel) = (Vec::new(), Cancel::new());
    let told = Command::new(["cat", "/proc/self/mountinfo"]);
    session.run(&told, &mut mounts, &cancel).await.unwrap();
    let mounts = String::from_utf8(mounts).unwrap();
    let tree = mounts.lines().filter_map(mounted).find(|(_, at)| *at == "/workspace").unwrap().0;
    let (sleep, mut output) = (Command::shell("sleep 2"), Vec::new());
    let seeing = async {
        for _ in 0..100 {
            if sleepers(&tree) > 0 {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    };
    let (exit, is_seen) = tokio::join!(session.run(&sleep, &mut output, &cancel), seeing);
    assert_eq!(exit.unwrap().verdict, ExitVerdict::Exited(0));
    assert!(is_seen, "the engine's processes are not seen from here");
    // The shell waits by a `sleep` of its own, which would still be there.
    assert_eq!(sleepers(&tree), 0);
    session.close().await.unwrap();
}
