//! The native sandbox and bubblewrap answer the same to the same.

use std::time::Duration;

use matrix_architect_core::{
    conformance::files::Files,
    id::SessionId,
    traits::{Bind, Cancel, Collect, Command, ExitVerdict, Limits, Sandbox, SessionSpec},
};
use matrix_architect_sandbox::native::{NativeConfig, NativeSandbox};

use super::ground::Ground;

/// Lines whose verdict and words do not depend on who runs them.
const LINES: [&str; 14] = [
    "true",
    "exit 3",
    "kill -TERM $$",
    "echo out; sleep 0.3; echo err >&2",
    "pwd; id -u; id -g; hostname",
    "env | sort",
    "cat greeting.txt; echo more >> greeting.txt; cat greeting.txt",
    "ls /; ls -A $HOME; ls -A /tmp",
    "touch /usr/x 2>/dev/null || echo refused",
    "mount -t tmpfs none /tmp 2>/dev/null || echo refused",
    "unshare -U true 2>/dev/null || echo refused",
    "cat /proc/net/dev | grep -c :",
    "sleep 100",
    "for i in $(seq 60); do sleep 3 & done; wait",
];

async fn answers(sandbox: &dyn Sandbox) -> Vec<(ExitVerdict, String)> {
    let tree = Files::new(&[("greeting.txt", "hello\n")]).unwrap();
    let mut spec = SessionSpec::new(SessionId::from_number(1));
    spec.limits = Limits::default().memory(128 << 20).disk(64 << 20).processes(32);
    let session = sandbox.open(&tree, &spec).await.unwrap();
    let mut answers = Vec::new();
    for line in LINES {
        let mut command = Command::shell(line);
        command.limits = Some(spec.limits.clone().wall(Duration::from_secs(4)));
        let mut output = Vec::new();
        let exit = session.run(&command, &mut output, &Cancel::new()).await.unwrap();
        answers.push((exit.verdict, String::from_utf8_lossy(&output).into_owned()));
    }
    let archive = session.collect(&Collect::new(["*.txt"])).await.unwrap();
    let archive = archive.collect(1 << 20).await.unwrap();
    answers.push((ExitVerdict::Exited(0), format!("{archive:?}")));
    session.close().await.unwrap();
    answers
}

#[tokio::test]
async fn native_and_bubblewrap_answer_alike() {
    let Some(ground) = Ground::find() else { return };
    let native = NativeSandbox::new(NativeConfig::default()).unwrap();
    let (theirs, ours) = (answers(&ground.sandbox).await, answers(&native).await);
    for ((line, theirs), ours) in LINES.iter().chain([&"collect"]).zip(&theirs).zip(&ours) {
        let words = |answer: &(ExitVerdict, String)| answer.1.clone();
        assert_eq!(theirs.0, ours.0, "{line}: bwrap said {}, native {}", theirs.1, ours.1);
        assert_eq!(words(theirs), words(ours), "{line}");
    }
}

#[tokio::test]
async fn nothing_is_shown_where_commands_could_put_a_link_in_the_way() {
    let Some(ground) = Ground::find() else { return };
    let mut spec = SessionSpec::new(SessionId::from_number(1));
    let bind = |target: &str| Bind { source: "/usr/bin".into(), target: target.into() };
    for target in ["/workspace/a/b", "/home/sandbox/.cargo/registry", "/tmp/a"] {
        spec.binds = vec![bind(target)];
        let error = ground.sandbox.open(&Files::default(), &spec).await.map(drop).unwrap_err();
        assert_eq!(error.code_str(), "bind_below_writable", "{target}");
    }
    spec.binds = vec![bind("/srv/tools")];
    let session = ground.sandbox.open(&Files::default(), &spec).await.unwrap();
    let command = Command::shell("test -x /srv/tools/env");
    let exit = session.run(&command, &mut Vec::new(), &Cancel::new()).await.unwrap();
    assert_eq!(exit.verdict, ExitVerdict::Exited(0));
    session.close().await.unwrap();
}

#[tokio::test]
async fn a_session_that_fills_its_folders_is_told_and_gets_no_more_than_its_command_may() {
    let Some(ground) = Ground::find() else { return };
    let mut spec = SessionSpec::new(SessionId::from_number(1));
    spec.limits = Limits::default().disk(4 << 20);
    let session = ground.sandbox.open(&Files::default(), &spec).await.unwrap();
    let mut fill = Command::shell("head -c 6000000 /dev/zero > big");
    let exit = session.run(&fill, &mut Vec::new(), &Cancel::new()).await.unwrap();
    assert_eq!(exit.verdict, ExitVerdict::DiskExceeded);
    let count = Command::shell("test $(stat -c %s big) -le 4194304");
    let exit = session.run(&count, &mut Vec::new(), &Cancel::new()).await.unwrap();
    assert_eq!(exit.verdict, ExitVerdict::Exited(0), "the kernel holds the bound");
    fill.limits = Some(spec.limits.clone().disk(16 << 20));
    let exit = session.run(&fill, &mut Vec::new(), &Cancel::new()).await.unwrap();
    assert_eq!(exit.verdict, ExitVerdict::Exited(0));
    let error = session.run(&count, &mut Vec::new(), &Cancel::new()).await.unwrap_err();
    assert!(error.to_string().contains("holds more than the command's disk limit"), "{error}");
    session.close().await.unwrap();
}

#[tokio::test]
async fn what_is_in_the_environment_is_in_no_argument_on_the_host() {
    let Some(ground) = Ground::find() else { return };
    let mut spec = SessionSpec::new(SessionId::from_number(1));
    spec.env.insert("TOKEN".to_owned(), "canary-of-the-environment".to_owned());
    let session = ground.sandbox.open(&Files::default(), &spec).await.unwrap();
    let cancel = Cancel::new();
    let (command, mut output) = (Command::shell("sleep 1; echo $TOKEN"), Vec::new());
    let look = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let lines = std::fs::read_dir("/proc").unwrap().flatten();
        lines
            .filter_map(|process| std::fs::read(process.path().join("cmdline")).ok())
            .filter(|line| String::from_utf8_lossy(line).contains("canary-of-the-environment"))
            .count()
    };
    let (exit, seen) = tokio::join!(session.run(&command, &mut output, &cancel), look);
    assert_eq!(exit.unwrap().verdict, ExitVerdict::Exited(0));
    assert_eq!(output, b"canary-of-the-environment\n");
    assert_eq!(seen, 0);
    session.close().await.unwrap();
}
