//! What a session is made of: binds, toolchains, layers; and what it refuses to be.

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use matrix_architect_core::{
    conformance::files::Files,
    error::ErrorKind,
    id::SessionId,
    path::RelPath,
    traits::{Bind, Cancel, Command, ExitVerdict, Limits, Sandbox as _, SessionSpec},
};
use matrix_architect_sandbox::native::{
    CgroupUse, NativeConfig, NativeSandbox, detect_toolchains, doctor,
};

use super::ground::Ground;
use crate::{
    alone::{again, is_alone, succeeded},
    own::runtime,
};

fn bounds() -> Limits {
    Limits::default().memory(128 << 20).disk(16 << 20).processes(64)
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_a_reason() {
    let ground = Ground::with_cgroups();
    let mut spec = SessionSpec::new(SessionId::from_number(1));
    spec.limits = bounds().disk(64 << 10);
    let large = Files::new(&[("large", &"x".repeat(1 << 20))]).unwrap();
    let error = ground.sandbox.open(&large, &spec).await.unwrap_err();
    assert!(error.to_string().contains("raise the session's disk limit"), "{error}");
    spec.limits = bounds();
    let absent = std::path::PathBuf::from("/nonexistent/vendor");
    spec.binds = vec![Bind { source: absent, target: "/vendor".into() }];
    let error = ground.sandbox.open(&Files::default(), &spec).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("/nonexistent/vendor"), "{error}");
    spec.binds.clear();
    let session = ground.sandbox.open(&Files::default(), &spec).await.unwrap();
    let mut command = Command::shell("true");
    command.cwd = Some(RelPath::new("no/such/folder").unwrap());
    let error = session.run(&command, &mut Vec::new(), &Cancel::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    command.cwd = None;
    command.argv = vec!["a\0b".to_owned()];
    let error = session.run(&command, &mut Vec::new(), &Cancel::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    command.argv = vec!["/etc/passwd".to_owned()];
    let error = session.run(&command, &mut Vec::new(), &Cancel::new()).await.unwrap_err();
    assert_eq!(error.code_str(), "program_not_executable", "{error}");
    session.close().await.unwrap();
}

#[tokio::test]
async fn binds_are_shown_read_only_and_beside_them_can_be_written() {
    let ground = Ground::with_cgroups();
    let vendor = tempfile::tempdir().unwrap();
    fs::set_permissions(vendor.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(vendor.path().join("crate"), "vendored").unwrap();
    let mut spec = SessionSpec::new(SessionId::from_number(1));
    spec.limits = bounds();
    let targets = ["/home/sandbox/.cargo/registry", "/workspace/vendor", "/srv/vendor"];
    spec.binds = targets
        .map(|target| Bind { source: vendor.path().to_owned(), target: target.into() })
        .into();
    let session = ground.sandbox.open(&Files::default(), &spec).await.unwrap();
    let line = "cat ~/.cargo/registry/crate vendor/crate /srv/vendor/crate && \
                echo x > ~/.cargo/config && ! touch vendor/planted 2>&-";
    let mut output = Vec::new();
    let exit = session.run(&Command::shell(line), &mut output, &Cancel::new()).await.unwrap();
    let told = String::from_utf8_lossy(&output);
    assert_eq!((exit.verdict, &*told), (ExitVerdict::Exited(0), "vendoredvendoredvendored"));
    session.close().await.unwrap();
}

#[test]
fn where_no_more_namespaces_may_be_made_the_limit_is_named() {
    let test = "native::setup::where_no_more_namespaces_may_be_made_the_limit_is_named";
    if is_alone() {
        let opened = runtime().block_on(async {
            let sandbox = NativeSandbox::new(NativeConfig::default().cgroups(CgroupUse::Off))?;
            let mut spec = SessionSpec::new(SessionId::from_number(1));
            (spec.limits, spec.allow_degraded) = (bounds(), true);
            sandbox.open(&Files::default(), &spec).await.map(drop)
        });
        let error = opened.unwrap_err().to_string();
        assert!(error.contains("user.max_*_namespaces") && !error.contains("disk"), "{error}");
        return;
    }
    let child = again(test);
    // The limits of a user namespace hold for whoever is in it and for nobody else.
    let line =
        "for limit in /proc/sys/user/max_*_namespaces; do echo 0 > $limit; done; exec \"$@\"";
    let output = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "sh", "-c", line, "sh"])
        .arg(child.get_program())
        .args(child.get_args())
        .envs(child.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .output()
        .unwrap();
    succeeded(&output);
}

#[test]
fn the_doctor_proves_every_layer_and_limit() {
    let started = std::time::Instant::now();
    let checks = doctor(&NativeConfig::default());
    let took = started.elapsed();
    let layers: Vec<_> = checks.iter().map(|check| check.layer.as_str()).collect();
    for layer in ["network", "seccomp", "landlock", "proc", "memory", "processes", "disk"] {
        assert!(layers.contains(&layer), "{layers:?}");
    }
    for check in &checks {
        assert!(check.ok != check.detail.starts_with("not held"), "{check:?}");
        assert!(check.ok || !check.remedy.is_empty(), "no remedy: {check:?}");
    }
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn credentials_beside_a_toolchain_are_not_shown() {
    let home = tempfile::tempdir().unwrap();
    let cargo = home.path().join(".cargo/bin");
    let toolchain = home.path().join(".rustup/toolchains/stable-x/bin");
    let local = home.path().join(".local/bin");
    let node = home.path().join("node/bin");
    for directory in [&cargo, &toolchain, &local, &node, &home.path().join("node/lib")] {
        fs::create_dir_all(directory).unwrap();
    }
    fs::create_dir_all(home.path().join(".local/lib")).unwrap();
    fs::write(cargo.join("rustup"), "").unwrap();
    fs::write(home.path().join(".cargo/credentials.toml"), "token").unwrap();
    fs::write(home.path().join(".rustup/settings.toml"), "default_toolchain = \"stable\"").unwrap();
    let path = std::env::join_paths([&cargo, &local, &node, &"/usr/bin".into()]).unwrap();
    let found = detect_toolchains(home.path(), &path);
    let shown: Vec<_> = found.binds.iter().map(|bind| bind.source.clone()).collect();
    assert!(shown.contains(&cargo) && shown.contains(&home.path().join("node")), "{shown:?}");
    let secret = home.path().join(".cargo/credentials.toml");
    assert!(!shown.iter().any(|shown| secret.starts_with(shown)), "{shown:?}");
    assert!(!shown.contains(&home.path().join(".local")), "{shown:?}");
    assert_eq!(found.path[0], toolchain, "the toolchain itself comes before the proxies");
}
