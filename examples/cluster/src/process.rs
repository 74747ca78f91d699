//! Containers as processes of this machine: bubblewrap for the first one, `nsenter` for those that
//! come by exec, and a seccomp filter for all. A process that joins namespaces does not get the
//! filter of those that are in them, so each one sets it by itself.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::Value;
use tokio::process::{Child, Command};

use crate::validate::items;

/// What is always in an image.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A filter that stands for a runtime's own, and then the program.
const RUNTIME_DEFAULT: &str = include_str!("runtime_default.pl");

/// Joins a cgroup, opens a file for what bubblewrap tells, and goes on as somebody else.
const PRELUDE: &str = "cgroup=$1 info=$2; shift 2; \
    [ \"$cgroup\" = - ] || echo 0 >\"$cgroup/cgroup.procs\" || exit 125; \
    [ \"$info\" = - ] || exec 9>\"$info\"; exec \"$@\"";

/// One container of a Pod, as processes see it.
#[derive(Clone, Debug)]
pub(crate) struct Container {
    pub(crate) name: String,
    argv: Vec<String>,
    env: Vec<(String, String)>,
    directory: String,
    user: u32,
    read_only: bool,
    filtered: bool,
    pub(crate) stdin: bool,
    mounts: Vec<(PathBuf, String, bool)>,
    pub(crate) cgroup: Option<PathBuf>,
    folder: PathBuf,
}

/// Whether this process may become others.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl Container {
    /// Reads a container of a Pod whose files are in a folder.
    pub(crate) fn new(
        pod: &Value,
        container: &Value,
        folder: &Path,
        cgroup: Option<PathBuf>,
    ) -> Self {
        let (of_pod, security) = (&pod["spec"]["securityContext"], &container["securityContext"]);
        let effective =
            |field: &str| if security[field].is_null() { &of_pod[field] } else { &security[field] };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let user =
            effective("runAsUser").as_u64().and_then(|user| u32::try_from(user).ok()).unwrap_or(0);
        let argv = items(&container["command"])
            .iter()
            .chain(items(&container["args"]))
            .map(text)
            .collect::<Vec<_>>();
        let mut env = vec![
            ("PATH".to_owned(), PATH.to_owned()),
            ("HOSTNAME".to_owned(), text(&pod["metadata"]["name"])),
            ("KUBERNETES_SERVICE_HOST".to_owned(), "10.96.0.1".to_owned()),
            ("KUBERNETES_SERVICE_PORT".to_owned(), "443".to_owned()),
        ];
        env.extend(
            items(&container["env"]).iter().map(|one| (text(&one["name"]), text(&one["value"]))),
        );
        let mounts = items(&container["volumeMounts"]).iter().map(|mount| {
            let volume = folder.join("volumes").join(text(&mount["name"]));
            (volume, text(&mount["mountPath"]), mount["readOnly"] == true)
        });
        Self {
            name: text(&container["name"]),
            argv: if argv.is_empty() { vec!["sh".to_owned()] } else { argv },
            env,
            directory: container["workingDir"].as_str().unwrap_or("/").to_owned(),
            user,
            read_only: security["readOnlyRootFilesystem"] == true,
            filtered: effective("seccompProfile")["type"] == "RuntimeDefault",
            stdin: container["stdin"] == true,
            mounts: mounts.collect(),
            cgroup,
            folder: folder.to_owned(),
        }
    }

    /// Where what it writes is kept.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.name))
    }

    fn info(&self) -> PathBuf {
        self.folder.join(format!("{}.info", self.name))
    }

    /// As whom it runs on this machine: root inside is nobody outside.
    fn outside(&self) -> u32 {
        if self.user == 0 { 65534 } else { self.user }
    }

    /// Starts its first process.
    pub(crate) fn start(&self) -> io::Result<Child> {
        // What an earlier process told is not this one's.
        fs::write(self.info(), "")?;
        let mut bwrap: Vec<OsString> = words(&[
            "bwrap",
            "--unshare-all",
            "--die-with-parent",
            "--as-pid-1",
            "--cap-drop",
            "ALL",
            "--ro-bind",
            "/usr",
            "/usr",
            "--symlink",
            "usr/bin",
            "/bin",
            "--symlink",
            "usr/sbin",
            "/sbin",
            "--symlink",
            "usr/lib",
            "/lib",
            "--symlink",
            "usr/lib64",
            "/lib64",
            "--proc",
            "/proc",
            "--tmpfs",
            "/dev/shm",
            "--info-fd",
            "9",
        ]);
        let user = self.user.to_string();
        bwrap.extend(words(&["--uid", &user, "--gid", &user]));
        for device in ["null", "zero", "full", "random", "urandom"] {
            let path = format!("/dev/{device}");
            bwrap.extend(words(&["--dev-bind", &path, &path]));
        }
        for file in ["/etc/ld.so.cache", "/etc/alternatives", "/etc/ssl/certs"] {
            bwrap.extend(words(&["--ro-bind-try", file, file]));
        }
        if let Some(cgroup) = &self.cgroup {
            bwrap.extend([
                "--ro-bind".into(),
                cgroup.clone().into_os_string(),
                "/sys/fs/cgroup/memory".into(),
            ]);
        }
        for (volume, path, read_only) in &self.mounts {
            let how = if *read_only { "--ro-bind" } else { "--bind" };
            bwrap.extend([how.into(), volume.clone().into_os_string(), path.into()]);
        }
        if self.read_only {
            bwrap.extend(words(&["--remount-ro", "/"]));
        }
        bwrap.extend(words(&["--chdir", &self.directory, "--"]));
        let mut command = self.command(&self.info(), bwrap, &self.argv);
        command.kill_on_drop(true);
        command.stdin(if self.stdin { Stdio::piped() } else { Stdio::null() });
        command.spawn()
    }

    /// The number of its first process on this machine, once it is there: before bubblewrap has
    /// made way for it, its namespaces are half made.
    pub(crate) async fn first(&self) -> Option<i32> {
        for _ in 0..1000 {
            let told = fs::read_to_string(self.info()).unwrap_or_default();
            // Written by pieces; whole with the last brace.
            if told.trim_end().ends_with('}') {
                let told: Value = serde_json::from_str(&told).ok()?;
                let first = told["child-pid"].as_i64().and_then(|pid| i32::try_from(pid).ok())?;
                let name = fs::read_to_string(format!("/proc/{first}/comm")).ok();
                if name.as_deref() != Some("bwrap\n") {
                    return name.map(|_| first);
                }
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        None
    }

    /// Starts another process beside the first. It is not killed when its caller has gone.
    pub(crate) fn exec(&self, first: i32, argv: &[String], stdin: bool) -> io::Result<Child> {
        let first = first.to_string();
        let join = words(&[
            "nsenter",
            "--preserve-credentials",
            "-t",
            &first,
            "-U",
            "-m",
            "-p",
            "-n",
            "-i",
            "-u",
            "--",
        ]);
        let mut command = self.command(Path::new("-"), join, argv);
        command.stdin(if stdin { Stdio::piped() } else { Stdio::null() });
        command.spawn()
    }

    fn command(&self, info: &Path, enter: Vec<OsString>, argv: &[String]) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", PRELUDE, "sh"]);
        command.arg(self.cgroup.as_deref().unwrap_or(Path::new("-"))).arg(info);
        if is_root() {
            let user = self.outside().to_string();
            command.args(["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups"]);
        }
        command.args(enter);
        if self.filtered {
            command.args(["perl", "-e", RUNTIME_DEFAULT]);
        }
        command.args(argv).env_clear().envs(self.env.iter().cloned()).current_dir("/");
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Makes the folder of a volume theirs.
    pub(crate) fn own(&self, path: &Path) -> io::Result<()> {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777))?;
        if is_root() { chown(path, Some(self.outside()), Some(self.outside())) } else { Ok(()) }
    }

    /// Whether the kernel killed in it for want of memory.
    pub(crate) fn was_out_of_memory(&self) -> bool {
        let Some(cgroup) = &self.cgroup else { return false };
        let text = fs::read_to_string(cgroup.join("memory.oom_control")).unwrap_or_default();
        text.lines().any(|line| line.strip_prefix("oom_kill ").is_some_and(|count| count != "0"))
    }
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}
