//! What cannot be, and what is said about it.

use std::{fs, os::unix::fs::PermissionsExt as _};

use matrix_architect_core::{
    conformance::{files::Files, sandbox::Isolates as _},
    error::{Error, ErrorKind},
    id::SessionId,
    path::RelPath,
    traits::{
        Bind, Cancel, Collect, Command, Enforcement, ExitVerdict, Limits, Sandbox as _, SessionSpec,
    },
};
use matrix_architect_sandbox::docker::{
    ContainerRuntime, DockerConfig, DockerSandbox, Pinning, doctor,
};

use super::{
    ground::{Ground, config},
    gvisor,
};

fn spec() -> SessionSpec {
    let mut spec = SessionSpec::new(SessionId::from_number(1));
    spec.limits = Limits::default().memory(128 << 20).disk(16 << 20).processes(64);
    spec
}

async fn refused(config: DockerConfig) -> Error {
    DockerSandbox::connect(config).await.unwrap_err()
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_told_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = DockerConfig::new("any");
    config.socket = folder.path().join("docker.sock");
    let error = refused(config.clone()).await;
    assert_eq!((error.kind(), error.code_str()), (ErrorKind::Unavailable, "docker_unreachable"));
    assert!(error.to_string().contains("install Docker"), "{error}");
    // A socket on which nobody listens any more.
    drop(std::os::unix::net::UnixListener::bind(&config.socket).unwrap());
    let error = refused(config.clone()).await;
    assert!(error.to_string().contains("systemctl start docker"), "{error}");
    let checks = doctor(&config).await;
    assert!(checks.iter().all(|check| !check.ok && !check.remedy.is_empty()), "{checks:?}");
    let layers: Vec<_> = checks.iter().map(|check| check.layer.as_str()).collect();
    assert_eq!(layers, ["socket", "sessions"], "{checks:?}");
}

#[tokio::test]
async fn what_the_engine_does_not_have_is_told_with_the_remedy() {
    let Some(ground) = Ground::here().await else { return };
    let error = refused(DockerConfig::new("architect-no-such-image:1")).await;
    assert_eq!((error.kind(), error.code_str()), (ErrorKind::NotFound, "no_image"));
    assert!(error.to_string().contains("docker pull architect-no-such-image:1"), "{error}");
    let checks = doctor(&DockerConfig::new("architect-no-such-image:1")).await;
    assert_eq!(checks[0].layer, "image", "{checks:?}");
    assert!(checks[0].remedy.contains("docker pull"), "{checks:?}");
    if !gvisor::is_here() {
        let mut runtime = config();
        runtime.runtime = ContainerRuntime::GVisor;
        let error = refused(runtime).await;
        assert_eq!(error.code_str(), "no_runtime", "{error}");
    }
    let mut pinned = config();
    pinned.pinning = Pinning::Demanded;
    let error = refused(pinned.clone()).await;
    assert!(error.to_string().contains("digest"), "{error}");
    ground.sandbox.image().clone_into(&mut pinned.image);
    assert!(DockerSandbox::connect(pinned).await.is_ok(), "the digest itself will do");
}

#[tokio::test]
async fn the_digest_is_recorded_with_every_command() {
    let Some(ground) = Ground::here().await else { return };
    let session = ground.sandbox.open(&Files::default(), &spec()).await.unwrap();
    let exit = session.run(&Command::shell("true"), &mut Vec::new(), &Cancel::new()).await.unwrap();
    let image = exit.enforcement.iter().find(|report| report.name == "image").unwrap();
    assert!(image.by.contains("sha256:"), "{image:?}");
    session.close().await.unwrap();
}

#[tokio::test]
async fn every_layer_and_limit_is_proven_and_told() {
    if Ground::here().await.is_none() {
        return;
    }
    let checks = doctor(&config()).await;
    let layers: Vec<_> = checks.iter().map(|check| check.layer.as_str()).collect();
    for layer in ["network", "seccomp", "capabilities", "memory", "processes", "disk", "file_size"]
    {
        assert!(layers.contains(&layer), "{layers:?}");
    }
    for check in &checks {
        assert!(check.ok != check.detail.starts_with("not held"), "{check:?}");
        assert!(check.ok || !check.remedy.is_empty(), "no remedy: {check:?}");
    }
}

#[tokio::test]
async fn a_disk_of_a_commands_own_is_refused_or_reported() {
    let Some(ground) = Ground::here().await else { return };
    let mut spec = spec();
    let mut command = Command::shell("true");
    command.limits = Some(spec.limits.clone().disk(8 << 20));
    let session = ground.sandbox.open(&Files::default(), &spec).await.unwrap();
    let error = session.run(&command, &mut Vec::new(), &Cancel::new()).await.unwrap_err();
    assert_eq!((error.kind(), error.code_str()), (ErrorKind::Unsupported, "not_enforced"));
    assert!(error.advice_str().is_some(), "{error}");
    session.close().await.unwrap();
    spec.allow_degraded = true;
    let session = ground.sandbox.open(&Files::default(), &spec).await.unwrap();
    let exit = session.run(&command, &mut Vec::new(), &Cancel::new()).await.unwrap();
    let disk = exit.enforcement.iter().find(|report| report.name == "disk").unwrap();
    assert_eq!(disk.enforcement, Enforcement::Absent);
    session.close().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_a_reason() {
    let Some(ground) = Ground::here().await else { return };
    let mut small = spec();
    small.limits = small.limits.disk(64 << 10);
    let large = Files::new(&[("large", &"x".repeat(1 << 20))]).unwrap();
    let error = ground.sandbox.open(&large, &small).await.unwrap_err();
    assert!(error.to_string().contains("raise the session's disk limit"), "{error}");
    let mut bind = spec();
    bind.binds = vec![Bind { source: "/nonexistent/vendor".into(), target: "/vendor".into() }];
    let error = ground.sandbox.open(&Files::default(), &bind).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let session = ground.sandbox.open(&Files::default(), &spec()).await.unwrap();
    let mut command = Command::shell("true");
    command.cwd = Some(RelPath::new("no/such/folder").unwrap());
    let error = session.run(&command, &mut Vec::new(), &Cancel::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    command.cwd = None;
    command.argv = vec!["/etc/passwd".to_owned()];
    let error = session.run(&command, &mut Vec::new(), &Cancel::new()).await.unwrap_err();
    assert_eq!(error.code_str(), "program_not_executable", "{error}");
    command.env.insert("A;touch x".to_owned(), String::new());
    let error = session.run(&command, &mut Vec::new(), &Cancel::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    session.close().await.unwrap();
    assert_eq!(ground.leftovers().await, Vec::<String>::new());
}

#[tokio::test]
async fn binds_are_shown_read_only() {
    let Some(ground) = Ground::here().await else { return };
    let vendor = tempfile::tempdir().unwrap();
    fs::set_permissions(vendor.path(), fs::Permissions::from_mode(0o777)).unwrap();
    fs::write(vendor.path().join("crate"), "vendored").unwrap();
    let mut spec = spec();
    let bind = |target: &str| Bind { source: vendor.path().to_owned(), target: target.into() };
    for target in ["/home/sandbox/.cargo/registry", "/workspace/vendor", "/tmp/vendor"] {
        spec.binds = vec![bind(target)];
        let error = ground.sandbox.open(&Files::default(), &spec).await.map(drop).unwrap_err();
        assert_eq!(error.code_str(), "bind_below_writable", "{target}");
    }
    spec.binds = vec![bind("/srv/vendor"), bind("/opt/vendor")];
    let session = ground.sandbox.open(&Files::default(), &spec).await.unwrap();
    let line = "cat /opt/vendor/crate /srv/vendor/crate && ! touch /srv/vendor/planted 2>&-";
    let mut output = Vec::new();
    let exit = session.run(&Command::shell(line), &mut output, &Cancel::new()).await.unwrap();
    let told = String::from_utf8_lossy(&output);
    assert_eq!((exit.verdict, &*told), (ExitVerdict::Exited(0), "vendoredvendored"));
    session.close().await.unwrap();
}

#[tokio::test]
async fn nothing_is_typed_into_anybodys_terminal() {
    let Some(ground) = Ground::here().await else { return };
    let session = ground.sandbox.open(&Files::default(), &spec()).await.unwrap();
    // TIOCSTI, TIOCLINUX, and as the control TCGETS, which asks a pipe what it is.
    let script = "import fcntl\nfor request in 0x5412, 0x541c, 0x5401:\n    \
                  try: fcntl.ioctl(0, request, b'x' * 64)\n    \
                  except OSError as error: print(error.errno)";
    let (mut output, cancel) = (Vec::new(), Cancel::new());
    let typing = Command::new(["python3", "-c", script]);
    session.run(&typing, &mut output, &cancel).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output), "1\n1\n25\n", "EPERM, EPERM, ENOTTY");
    session.close().await.unwrap();
}

#[tokio::test]
async fn links_do_not_lead_the_collector_out() {
    let Some(ground) = Ground::here().await else { return };
    let session = ground.sandbox.open(&Files::default(), &spec()).await.unwrap();
    let line = Command::shell(
        "ln -s / root && ln -s /etc dist && mkdir a && ln -s ../.. a/up && ln -s / a/all && \
         ln -s /proc/self/fd/0 fd && echo content > real && ln real twin && mkfifo pipe && \
         mkdir b && ln real b/third && ln -s ../a b/sideways && printf x > 'new
line' && chmod 4755 real && printf x > \"$(printf '\\377')\"",
    );
    let exit = session.run(&line, &mut Vec::new(), &Cancel::new()).await.unwrap();
    assert_eq!(exit.verdict, ExitVerdict::Exited(0));
    let names = |archive: &[u8]| {
        let mut entries = tar::Archive::new(archive);
        let entries = entries.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            let name = entry.path().unwrap().display().to_string();
            (name, entry.header().mode().unwrap(), entry.size())
        });
        entries.collect::<Vec<_>>()
    };
    let what = Collect::new([
        "dist/passwd",
        "root/etc/*",
        "a/**",
        "fd",
        "pipe",
        "real",
        "../*",
        "/etc/*",
        "dist",
        "b/sideways/up",
    ]);
    let archive = session.collect(&what).await.unwrap().collect(1 << 20).await.unwrap();
    assert_eq!(names(&archive), [("real".to_owned(), 0o755, 8)], "no link that leaves");
    // Names of one file are files of their own, whichever of them the engine packed first.
    let what = Collect::new(["twin", "b/*"]);
    let archive = session.collect(&what).await.unwrap().collect(1 << 20).await.unwrap();
    let expected = [("b/sideways", 0o777, 0), ("b/third", 0o755, 8), ("twin", 0o755, 8)];
    assert_eq!(names(&archive), expected.map(|(name, mode, size)| (name.to_owned(), mode, size)));
    let archive = session.collect(&Collect::new(["**"])).await.unwrap();
    let mut all = names(&archive.collect(1 << 20).await.unwrap());
    all.sort();
    let all: Vec<_> = all.iter().map(|(name, _, _)| name.as_str()).collect();
    assert_eq!(all, ["b/sideways", "b/third", "new\nline", "real", "twin"]);
    session.close().await.unwrap();
}
