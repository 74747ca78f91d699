//! Servers that go away, watches that end, Pods that are deleted under their session, and owners
//! that die.

use std::{sync::Arc, time::Duration};

use matrix_architect_cluster::Options;
use matrix_architect_core::{
    conformance::files::Files,
    error::ErrorKind,
    traits::{Cancel, Collect, Command, ExitVerdict, Output, OutputStream, Sandbox as _, Session},
};
use matrix_architect_sandbox::kubernetes::KubernetesSandbox;
use tokio::sync::Notify;

use super::ground::{Ground, image, spec};

async fn opened(ground: &Ground) -> Box<dyn Session> {
    let tree = Files::new(&[("greeting.txt", "hello")]).unwrap();
    ground.sandbox.open(&tree, &spec()).await.unwrap()
}

async fn ran(session: &dyn Session, line: &str) -> (ExitVerdict, String) {
    let mut output = Vec::new();
    let exit = session.run(&Command::shell(line), &mut output, &Cancel::new()).await.unwrap();
    (exit.verdict, String::from_utf8_lossy(&output).into_owned())
}

/// The names of the sessions' Pods.
async fn names(ground: &Ground) -> Vec<String> {
    let pods = ground.pods().await.list(&kube::api::ListParams::default()).await.unwrap();
    pods.items.into_iter().map(|pod| pod.metadata.name.unwrap()).collect()
}

#[tokio::test]
async fn watches_that_end_after_every_event_are_begun_anew() {
    let mut options = Options::new([image()]);
    options.watch_events = Some(1);
    // So short that a watch is too old as soon as a Pod has changed twice.
    options.history = 2;
    let ground = Ground::with(options).await;
    let session = opened(&ground).await;
    assert_eq!(
        ran(&*session, "cat greeting.txt").await,
        (ExitVerdict::Exited(0), "hello".to_owned())
    );
    session.close().await.unwrap();
}

/// Output that tells when there is some.
struct Heard {
    said: Vec<u8>,
    begun: Arc<Notify>,
}

impl Heard {
    fn new() -> (Self, Arc<Notify>) {
        let begun = Arc::<Notify>::default();
        (Self { said: Vec::new(), begun: Arc::clone(&begun) }, begun)
    }
}

impl Output for Heard {
    fn write(&mut self, _: OutputStream, bytes: &[u8]) {
        self.said.extend_from_slice(bytes);
        self.begun.notify_one();
    }
}

#[tokio::test]
async fn a_pod_that_is_deleted_under_its_session_is_told() {
    let ground = Ground::new().await;
    let session = opened(&ground).await;
    let (pods, name) = (ground.pods().await, names(&ground).await.remove(0));
    let command = Command::shell("echo begun; sleep 1000");
    let ((mut output, begun), cancel) = (Heard::new(), Cancel::new());
    let deleting = async {
        begun.notified().await;
        pods.delete(&name, &kube::api::DeleteParams::default().grace_period(0)).await.unwrap();
    };
    let (exit, ()) = tokio::join!(session.run(&command, &mut output, &cancel), deleting);
    let error = exit.unwrap_err();
    assert_eq!(
        (error.kind(), error.code_str()),
        (ErrorKind::Unavailable, "session_closed"),
        "{error}"
    );
    assert_eq!(output.said, b"begun\n");
    let error = session.run(&command, &mut output, &cancel).await.unwrap_err();
    assert_eq!(error.code_str(), "session_closed");
    session.close().await.unwrap();
}

#[tokio::test]
async fn a_command_that_fills_the_disk_loses_its_pod_and_is_told() {
    let ground = Ground::new().await;
    let session = opened(&ground).await;
    let fill = "head -c 100000000 /dev/zero > full; sleep 1000";
    let mut output = Vec::new();
    let exit = session.run(&Command::shell(fill), &mut output, &Cancel::new()).await.unwrap();
    assert_eq!(exit.verdict, ExitVerdict::DiskExceeded);
    let error =
        session.run(&Command::shell("true"), &mut output, &Cancel::new()).await.unwrap_err();
    assert_eq!(error.code_str(), "session_closed");
    session.close().await.unwrap();
}

#[tokio::test]
async fn a_session_that_lives_too_long_is_ended_by_the_cluster() {
    let mut ground = Ground::new().await;
    ground.config.lifetime = Duration::from_secs(2);
    ground.sandbox = KubernetesSandbox::connect(ground.config.clone()).await.unwrap();
    let session = opened(&ground).await;
    let mut output = Vec::new();
    let exit =
        session.run(&Command::shell("sleep 1000"), &mut output, &Cancel::new()).await.unwrap();
    assert_eq!(exit.verdict, ExitVerdict::TimedOut);
    session.close().await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_gone_is_told_and_nothing_hangs() {
    let ground = Ground::new().await;
    let session = opened(&ground).await;
    let command = Command::shell("echo begun; sleep 1000");
    let ((mut output, begun), cancel) = (Heard::new(), Cancel::new());
    let cutting = async {
        begun.notified().await;
        ground.cluster.as_ref().unwrap().cut();
    };
    let (exit, ()) = tokio::join!(session.run(&command, &mut output, &cancel), cutting);
    let error = exit.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(error.advice_str().is_some());
    let tree = Files::new(&[]).unwrap();
    let error = ground.sandbox.open(&tree, &spec()).await.map(drop).unwrap_err();
    assert_eq!(error.code_str(), "cluster_unavailable", "{error:?}");
}

#[tokio::test]
async fn orphans_are_reaped_and_the_living_are_not() {
    let ground = Ground::new().await;
    let orphan = opened(&ground).await;
    let orphaned = names(&ground).await;
    // Its owner dies without a word: neither beats nor deletion.
    std::mem::forget(orphan);
    let other = KubernetesSandbox::connect(ground.config.clone()).await.unwrap();
    assert_eq!(other.reap().await.unwrap(), 0, "its heart still beats");
    let living = opened(&ground).await;
    assert_eq!(ground.sandbox.reap().await.unwrap(), 0, "what is one's own is not reaped");
    assert_eq!(names(&ground).await.len(), 2, "{orphaned:?}");
    living.close().await.unwrap();
}

#[tokio::test]
async fn a_pod_that_has_ended_is_left_to_its_living_owner() {
    let mut ground = Ground::new().await;
    ground.config.lifetime = Duration::from_secs(4);
    ground.sandbox = KubernetesSandbox::connect(ground.config.clone()).await.unwrap();
    let session = opened(&ground).await;
    let other = KubernetesSandbox::connect(ground.config.clone()).await.unwrap();
    let has_ended = async || {
        let pods = ground.pods().await.list(&kube::api::ListParams::default()).await.unwrap();
        let phase =
            |pod: k8s_openapi::api::core::v1::Pod| pod.status.and_then(|status| status.phase);
        pods.items.into_iter().filter_map(phase).any(|phase| phase == "Failed")
    };
    while !has_ended().await {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(other.reap().await.unwrap(), 0, "its owner has not said how it ended");
    assert_eq!(names(&ground).await.len(), 1);
    session.close().await.unwrap();
}

#[tokio::test]
async fn a_session_whose_owner_is_silent_is_an_orphan() {
    let ground = Ground::new().await;
    // The owner's runtime ends, and with it its heart; nobody deletes the Pod.
    let config = ground.config.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let sandbox = KubernetesSandbox::connect(config).await.unwrap();
            let tree = Files::new(&[]).unwrap();
            std::mem::forget(sandbox.open(&tree, &spec()).await.unwrap());
        });
    })
    .join_async()
    .await;
    assert_eq!(names(&ground).await.len(), 1);
    assert_eq!(ground.sandbox.reap().await.unwrap(), 1);
    for _ in 0..100 {
        if names(&ground).await.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the orphan is still there");
}

#[tokio::test]
async fn a_session_that_is_refused_leaves_no_pod_though_its_process_ends_at_once() {
    let mut options = Options::new([image()]);
    options.admission = Some(|pod| pod["spec"]["automountServiceAccountToken"] = true.into());
    let ground = Ground::with(options).await;
    let config = ground.config.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let sandbox = KubernetesSandbox::connect(config).await.unwrap();
            let tree = Files::new(&[]).unwrap();
            let error = sandbox.open(&tree, &spec()).await.map(drop).unwrap_err();
            assert_eq!(error.code_str(), "not_enforced");
        });
        // Nothing that was only begun goes on.
    })
    .join_async()
    .await;
    for _ in 0..100 {
        if names(&ground).await.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the Pod is still there");
}

/// Waits for a thread without blocking the runtime on which the cluster is.
trait JoinAsync {
    async fn join_async(self);
}

impl JoinAsync for std::thread::JoinHandle<()> {
    async fn join_async(self) {
        tokio::task::spawn_blocking(move || self.join().unwrap()).await.unwrap();
    }
}

#[tokio::test]
async fn a_tar_of_the_commands_own_cannot_put_files_elsewhere() {
    let ground = Ground::new().await;
    let session = opened(&ground).await;
    // The image's PATH has no writable folder; what a command can do is to lie about names.
    let (verdict, _) = ran(
        &*session,
        "mkdir -p dist && ln -s /etc/passwd dist/out && printf x > 'dist/new\nline' && \
         printf y > dist/-rf && ln dist/-rf dist/second && printf z > 'dist/./ok'",
    )
    .await;
    assert_eq!(verdict, ExitVerdict::Exited(0));
    let archive = session.collect(&Collect::new(["dist"])).await.unwrap();
    let archive = archive.collect(1 << 20).await.unwrap();
    let mut archive = tar::Archive::new(&archive[..]);
    let names: Vec<_> = archive
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect();
    assert_eq!(names, ["dist/-rf", "dist/new\nline", "dist/ok", "dist/second"]);
    session.close().await.unwrap();
}

#[tokio::test]
async fn secrets_are_not_in_the_command_line_of_an_exec() {
    let ground = Ground::new().await;
    let session = opened(&ground).await;
    let mut command =
        Command::shell("tr '\\0' ' ' < /proc/$PPID/cmdline; tr '\\0' ' ' < /proc/1/cmdline");
    command.env.insert("TOKEN".to_owned(), "hunter2".to_owned());
    let mut output = Vec::new();
    session.run(&command, &mut output, &Cancel::new()).await.unwrap();
    let said = String::from_utf8_lossy(&output);
    assert!(said.contains("sh") && !said.contains("hunter2"), "{said}");
    session.close().await.unwrap();
}

#[tokio::test]
async fn much_input_reaches_a_command_whole() {
    let ground = Ground::new().await;
    let session = opened(&ground).await;
    let mut command = Command::new(["cksum"]);
    let bytes: Vec<u8> = (0..300_001_u32).map(|number| number.to_le_bytes()[0]).collect();
    command.stdin = bytes.into();
    let mut output = Vec::new();
    let exit = session.run(&command, &mut output, &Cancel::new()).await.unwrap();
    assert_eq!(exit.verdict, ExitVerdict::Exited(0));
    assert!(String::from_utf8_lossy(&output).trim().ends_with(" 300001"), "{output:?}");
    // A command that does not read its input ends all the same, were it more than all buffers hold.
    let mut deaf = Command::shell("exit 3");
    deaf.stdin = vec![b'x'; 16 << 20].into();
    let exit = session.run(&deaf, &mut output, &Cancel::new()).await.unwrap();
    assert_eq!(exit.verdict, ExitVerdict::Exited(3));
    session.close().await.unwrap();
}
