//! The cluster, driven by clients that nobody here wrote: `kubectl` and the Python client. What
//! they accept is what the API is.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

use std::{
    path::Path,
    process::{Output, Stdio},
};

use matrix_architect_cluster::{Cluster, Options, Rights};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout},
};

/// The image of the tests' Pods.
const IMAGE: &str = "registry.test/base:1";

/// Says aloud that something is missing; where nothing may be missing, fails.
fn skip(why: &str) {
    assert!(std::env::var_os("ARCHITECT_CI").is_none(), "must not be skipped here: {why}");
    eprintln!("SKIPPED: {why}");
}

async fn cluster() -> (Cluster, tempfile::TempDir) {
    let mut options = Options::new([IMAGE]);
    // kubectl sends no token where there is no TLS.
    options.anonymous = Some(Rights::All);
    let cluster = Cluster::start(options).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("kubeconfig"), cluster.kubeconfig("admin")).unwrap();
    (cluster, folder)
}

async fn ran(folder: &Path, program: &str, arguments: &[&str]) -> Option<Output> {
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).env("KUBECONFIG", folder.join("kubeconfig")).env("HOME", folder);
    command.current_dir(folder).kill_on_drop(true).output().await.ok()
}

/// Runs `kubectl` and returns what it prints; `None` if there is no kubectl.
async fn kubectl(folder: &Path, arguments: &[&str]) -> String {
    let output = ran(folder, "kubectl", arguments).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "kubectl {arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// The lines of a Pod's log as they come.
fn follow(folder: &Path, pod: &str) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut command = tokio::process::Command::new("kubectl");
    command.args(["logs", "-f", pod]).env("KUBECONFIG", folder.join("kubeconfig"));
    command.env("HOME", folder).stdout(Stdio::piped()).kill_on_drop(true);
    let mut follower = command.spawn().unwrap();
    let lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    (follower, lines)
}

/// Whether there is a `kubectl` that speaks websockets by itself: 1.31 and later.
async fn has_kubectl(folder: &Path) -> bool {
    let Some(output) = ran(folder, "kubectl", &["version", "--client", "-o", "json"]).await else {
        return false;
    };
    let Ok(version) = serde_json::from_slice::<serde_json::Value>(&output.stdout) else {
        return false;
    };
    let minor = version["clientVersion"]["minor"].as_str().unwrap_or_default();
    minor.trim_end_matches('+').parse::<u32>().is_ok_and(|minor| minor >= 31)
}

const POD: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 0
  securityContext: {runAsUser: 12345}
  containers:
  - name: main
    image: "registry.test/base:1"
    command: [sh, -c, "trap 'exit 0' TERM; echo one; echo two; while :; do sleep 0.1; done"]
    volumeMounts: [{name: data, mountPath: /data}]
  volumes: [{name: data, emptyDir: {}}]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_drives_a_pod_from_apply_to_delete() {
    let (cluster, folder) = cluster().await;
    let folder = folder.path();
    if !has_kubectl(folder).await {
        // Debian's own is too old for exec; the Python client is the one that CI insists on.
        eprintln!("SKIPPED: no kubectl of 1.31 or later");
        return;
    }
    std::fs::write(folder.join("pod.yaml"), POD).unwrap();
    assert!(kubectl(folder, &["apply", "-f", "pod.yaml"]).await.contains("pod/web created"));
    kubectl(folder, &["wait", "--for=condition=Ready", "pod/web", "--timeout=60s"]).await;
    let version = ["get", "pod", "web", "-o", "jsonpath={.metadata.resourceVersion}"];
    let before = kubectl(folder, &version).await;
    kubectl(folder, &["apply", "-f", "pod.yaml"]).await;
    assert_eq!(kubectl(folder, &version).await, before, "what is the same is not written");
    let table = kubectl(folder, &["get", "pods", "-l", "app=web"]).await;
    assert!(
        table.contains("READY") && table.contains("1/1") && table.contains("Running"),
        "{table}"
    );
    assert_eq!(
        kubectl(folder, &["get", "pod", "web", "-o", "jsonpath={.status.phase}"]).await,
        "Running"
    );
    assert_eq!(
        kubectl(folder, &["exec", "web", "--", "sh", "-c", "echo $((6 * 7))"]).await,
        "42\n"
    );
    let failed =
        ran(folder, "kubectl", &["exec", "web", "--", "sh", "-c", "exit 5"]).await.unwrap();
    assert_eq!(failed.status.code(), Some(5));
    assert_eq!(kubectl(folder, &["logs", "web", "--tail=1"]).await, "two\n");
    std::fs::write(folder.join("local"), "there and back").unwrap();
    kubectl(folder, &["cp", "local", "web:/data/remote"]).await;
    kubectl(folder, &["cp", "web:/data/remote", "again"]).await;
    assert_eq!(std::fs::read_to_string(folder.join("again")).unwrap(), "there and back");
    let (mut follower, mut followed) = follow(folder, "web");
    let mut lines = vec![followed.next_line().await.unwrap(), followed.next_line().await.unwrap()];
    let deleted = kubectl(folder, &["delete", "pod", "web"]).await;
    lines.push(followed.next_line().await.unwrap());
    assert_eq!(lines, [Some("one".to_owned()), Some("two".to_owned()), None]);
    assert!(follower.wait().await.unwrap().success());
    assert!(deleted.contains("pod \"web\" deleted"), "{deleted}");
    cluster.stop().await;
    assert_eq!(cluster.running(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_is_refused_what_is_wrong() {
    let (_cluster, folder) = cluster().await;
    let folder = folder.path();
    if !has_kubectl(folder).await {
        eprintln!("SKIPPED: no kubectl of 1.31 or later");
        return;
    }
    for (from, to, words) in [
        ("restartPolicy", "restartPolice", "unknown field \"spec.restartPolice\""),
        ("name: web", "name: Web", "RFC 1123"),
        ("name: data, mountPath", "name: date, mountPath", "Not found: \"date\""),
        ("app: web", "app: 'a b'", "a valid label"),
    ] {
        std::fs::write(folder.join("pod.yaml"), POD.replace(from, to)).unwrap();
        let output = ran(folder, "kubectl", &["apply", "-f", "pod.yaml"]).await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(words), "{said}");
    }
}

/// Debian's tools folder of CI, else whatever Python has the client.
async fn python(folder: &Path) -> Option<&'static str> {
    for python in ["/opt/architect-tools/bin/python3", "python3"] {
        let output = ran(folder, python, &["-c", "import kubernetes"]).await;
        if output.is_some_and(|output| output.status.success()) {
            return Some(python);
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_client_drives_a_pod_from_create_to_delete() {
    let (cluster, folder) = cluster().await;
    let Some(python) = python(folder.path()).await else {
        return skip("no Python with the package kubernetes");
    };
    let output = ran(folder.path(), python, &["-c", include_str!("drive.py")]).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "driven");
    cluster.stop().await;
    assert_eq!(cluster.running(), [""; 0]);
}
