//! Decides what a session's root is made of.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use matrix_architect_core::traits::Bind;

use super::{config::NativeConfig, root::HOME, wire::RootPlan};

/// Where distributions keep programs and libraries.
const SYSTEM: [&str; 7] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/// What programs need of `/etc`: the loader's cache, alternatives, certificates, names of
/// services. Private keys, passwords and the host's own settings are elsewhere.
const SETTINGS: [&str; 15] = [
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/crypto-policies",
    "/etc/debian_version",
    "/etc/fonts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/mime.types",
    "/etc/pki/ca-trust",
    "/etc/pki/tls/certs",
    "/etc/protocols",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
];

/// Links that stay links, because what they name is shown.
const LINKS: [&str; 2] = ["/etc/localtime", "/etc/os-release"];

const FILES: [(&str, &str); 6] = [
    (
        "/etc/passwd",
        "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\n\
         sandbox:x:1000:1000:sandbox:/home/sandbox:/bin/sh\n\
         nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    ),
    ("/etc/group", "root:x:0:\nsandbox:x:1000:\nnogroup:x:65534:\n"),
    ("/etc/hosts", "127.0.0.1 localhost sandbox\n::1 localhost sandbox\n"),
    ("/etc/hostname", "sandbox\n"),
    ("/etc/resolv.conf", ""),
    ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\nservices: files\n"),
];

/// The root of every session of a sandbox.
pub(crate) fn root(config: &NativeConfig) -> RootPlan {
    let mut plan = RootPlan::default();
    for path in SYSTEM.into_iter().chain(SETTINGS).chain(LINKS) {
        show(&mut plan, Path::new(path));
    }
    plan.files = FILES.map(|(path, content)| (path.to_owned(), content.to_owned())).into();
    plan.binds.extend(config.toolchains.binds.iter().cloned());
    plan
}

fn show(plan: &mut RootPlan, path: &Path) {
    if let Ok(target) = path.read_link() {
        plan.links.push((path.display().to_string(), target.display().to_string()));
    } else if path.exists() {
        plan.binds.push(Bind { source: path.to_owned(), target: path.to_owned() });
    }
}

/// The environment every command starts from; nothing of it is the server's.
pub(crate) fn environment(config: &NativeConfig) -> BTreeMap<String, String> {
    let system = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"];
    let mut path = config.toolchains.path.clone();
    path.extend(system.map(PathBuf::from));
    let mut seen = std::collections::BTreeSet::new();
    path.retain(|directory| seen.insert(directory.clone()));
    let path = path.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(":");
    let own = [("PATH", path.as_str()), ("HOME", HOME), ("TMPDIR", "/tmp"), ("LANG", "C.UTF-8")];
    let mut env: BTreeMap<_, _> =
        own.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    env.insert("USER".to_owned(), "sandbox".to_owned());
    env.extend(config.toolchains.env.clone());
    env
}
