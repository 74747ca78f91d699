//! What a session sees as `/`: the toolchains read-only, a private `/dev`, `/proc`, and one
//! size-capped space in memory for everything that can be written.
//!
//! What does not differ from session to session is made once, in a mount namespace of its own: the
//! template. A session enters it, takes a copy for itself, and adds what is its own. All of that
//! lives in the session's mount namespace: when the session's processes are gone, so is it,
//! whatever happened to the server.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, CWD, Gid, Mode, OFlags, Uid},
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags,
        OpenTreeFlags, UnmountFlags,
    },
};

use matrix_architect_core::traits::Bind;

use super::{
    confine,
    fault::{Fault, Step as _},
    sys,
    wire::RootPlan,
};

/// Where the tree is.
pub(crate) const TREE: &str = "/workspace";
/// Where commands keep their caches and settings.
pub(crate) const HOME: &str = "/home/sandbox";

/// What can be written, by the name of its directory in the writable space, where it appears, and
/// with which permissions.
const WRITABLE: [(&str, &str, u32); 4] = [
    ("tree", TREE, 0o755),
    ("home", HOME, 0o755),
    ("tmp", "/tmp", 0o1777),
    ("shm", "/dev/shm", 0o1777),
];

const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

/// Whether the sandbox has something of its own at a place or below it.
pub(super) fn is_reserved(target: &Path) -> bool {
    let own = ["/proc", "/dev"].iter().any(|own| target.starts_with(own));
    own || target == Path::new("/")
        || WRITABLE.iter().any(|(_, place, _)| target == Path::new(place))
}

/// Whether a place is one in which commands write, so that a session can make it for itself.
pub(super) fn is_writable(target: &Path) -> bool {
    WRITABLE.iter().any(|(_, place, _)| target.starts_with(place))
}

/// A place that exists on every machine and that nobody looks at in this mount namespace again.
const FOUNDATION: &str = "/tmp";

/// Builds a root in this process's own mount namespace and moves into it. What a session has for
/// itself, its writable space and `/proc`, has its places and is not there yet.
pub(super) fn build(plan: &RootPlan) -> Result<(), Fault> {
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .step("making the mounts private")?;
    // Before the foundation hides what is below it.
    let mut binds = Vec::with_capacity(plan.binds.len() + DEVICES.len() + 1);
    for bind in &plan.binds {
        binds.push((take(bind)?, bind.target.clone()));
    }
    for device in DEVICES {
        let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        let path = Path::new("/dev").join(device);
        binds.push((clone_of(&path, attributes)?, path));
    }
    if !confine::is_in_first_users() {
        // A user namespace gets a new /proc only while it sees a whole one.
        let path = PathBuf::from("/proc");
        binds.push((clone_of(&path, MountAttrFlags::MOUNT_ATTR_NOSUID)?, path));
    }
    let base = tmpfs(&[("size", "1m"), ("nr_inodes", "4096"), ("mode", "0755")])?;
    attach(base.as_fd(), CWD, Path::new(FOUNDATION)).step("mounting the new root")?;
    rustix::process::fchdir(&base).step("entering the new root")?;
    furnish(plan)?;
    for place in WRITABLE.iter().map(|(_, place, _)| *place).chain(["/proc"]) {
        make_directories(&relative(Path::new(place))).step("making a place in the new root")?;
    }
    for (mount, target) in &binds {
        place(mount, &relative(target), None).map_err(|fault| fault.on(target.display()))?;
    }
    rustix::process::pivot_root(".", ".").step("pivoting into the new root")?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).step("leaving the host's root")?;
    rustix::process::chdir("/").step("entering the new root")?;
    sys::set_mount_attributes(base.as_fd(), MountAttrFlags::MOUNT_ATTR_RDONLY.bits().into(), false)
        .step("making the new root read-only")
}

/// Adds what is a session's own to its copy of the template: the writable space, what is shown in
/// it, and `/proc`.
pub(super) fn complete(
    disk: u64,
    user: Option<u32>,
    binds: &[(OwnedFd, PathBuf)],
) -> Result<(Scratch, OwnedFd), Fault> {
    let scratch = Scratch::create(disk, user)?;
    for (mount, target) in binds {
        place(mount, target, user).map_err(|fault| fault.on(target.display()))?;
    }
    let proc = new_proc(&[], MountAttrFlags::empty())?;
    let below = rustix::fs::statfs(PROC).step("looking at /proc")?;
    if below.f_type == libc::PROC_SUPER_MAGIC {
        // The host's, which was there to be seen while ours was made.
        rustix::mount::unmount(PROC, UnmountFlags::DETACH).step("leaving the host's /proc")?;
    }
    attach(proc.as_fd(), CWD, Path::new(PROC)).step("mounting /proc")?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let proc = rustix::fs::open(PROC, flags, Mode::empty()).step("opening the session's /proc")?;
    Ok((scratch, proc))
}

const PROC: &str = "/proc";

/// A detached, read-only copy of a host path to be shown inside.
pub(super) fn take(bind: &Bind) -> Result<OwnedFd, Fault> {
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV;
    clone_of(&bind.source, attributes)
}

/// A detached, restricted copy of a host path with all that is mounted below it.
fn clone_of(source: &Path, attributes: MountAttrFlags) -> Result<OwnedFd, Fault> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    let tree = rustix::mount::open_tree(CWD, source, flags)
        .step("opening a host path to show inside")
        .map_err(|fault| fault.on(source.display()))?;
    sys::set_mount_attributes(tree.as_fd(), attributes.bits().into(), true)
        .step("making a host path read-only")
        .map_err(|fault| fault.on(source.display()))?;
    Ok(tree)
}

/// Mounts a taken path where it belongs, making the place for it. Directories on the way that were
/// missing belong to `owner`: commands may write beside what is shown in their writable places.
fn place(mount: &OwnedFd, target: &Path, owner: Option<u32>) -> Result<(), Fault> {
    let found = rustix::fs::fstat(mount).step("looking at a host path")?;
    let made = if rustix::fs::FileType::from_raw_mode(found.st_mode).is_dir() {
        make_directories_of(target, owner)
    } else {
        let parent = target.parent().map_or(Ok(()), |parent| make_directories_of(parent, owner));
        parent.and_then(|()| {
            let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
            rustix::fs::open(target, flags, Mode::from_raw_mode(0o444)).map(drop)
        })
    };
    made.and_then(|()| attach(mount.as_fd(), CWD, target)).step("showing a host path inside")
}

/// The same place under the current directory, which is the new root.
fn relative(path: &Path) -> PathBuf {
    Path::new(".").join(path.strip_prefix("/").unwrap_or(path))
}

fn make_directories(path: &Path) -> rustix::io::Result<()> {
    make_directories_of(path, None)
}

/// Makes a directory and those above it; those that were missing belong to `owner`.
fn make_directories_of(path: &Path, owner: Option<u32>) -> rustix::io::Result<()> {
    let mut so_far = PathBuf::new();
    for part in path.components() {
        so_far.push(part);
        match (rustix::fs::mkdir(&so_far, Mode::from_raw_mode(0o755)), owner) {
            (Ok(()), Some(id)) => {
                rustix::fs::chown(&so_far, Some(Uid::from_raw(id)), Some(Gid::from_raw(id)))?;
            }
            (Ok(()), None) | (Err(rustix::io::Errno::EXIST), _) => {}
            (Err(cause), _) => return Err(cause),
        }
    }
    Ok(())
}

/// Links and small files, and the standard places of `/dev`.
fn furnish(plan: &RootPlan) -> Result<(), Fault> {
    let standard = [
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
        ("/dev/stdout", "/proc/self/fd/1"),
        ("/dev/stderr", "/proc/self/fd/2"),
    ];
    let own = plan.links.iter().map(|(place, to)| (place.as_str(), to.as_str()));
    for (link, to) in own.chain(standard) {
        let link = relative(Path::new(link));
        link.parent()
            .map_or(Ok(()), make_directories)
            .and_then(|()| rustix::fs::symlink(to, &link))
            .step("making a link in the new root")
            .map_err(|fault| fault.on(link.display()))?;
    }
    for (file, content) in &plan.files {
        let file = relative(Path::new(file));
        file.parent()
            .map_or(Ok(()), make_directories)
            .map_err(std::io::Error::from)
            .and_then(|()| std::fs::write(&file, content))
            .step("writing a file in the new root")
            .map_err(|fault| fault.on(file.display()))?;
    }
    Ok(())
}

fn tmpfs(options: &[(&str, &str)]) -> Result<OwnedFd, Fault> {
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    file_system("tmpfs", options, attributes).step("making a file system in memory")
}

fn file_system(
    kind: &str,
    options: &[(&str, &str)],
    attributes: MountAttrFlags,
) -> rustix::io::Result<OwnedFd> {
    let context = rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        rustix::mount::fsconfig_set_string(context.as_fd(), *key, *value)?;
    }
    rustix::mount::fsconfig_create(context.as_fd())?;
    rustix::mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

fn attach(mount: BorrowedFd<'_>, at: impl AsFd, path: &Path) -> rustix::io::Result<()> {
    rustix::mount::move_mount(mount, "", at, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

/// A detached `/proc` of the current pid namespace.
fn new_proc(options: &[(&str, &str)], attributes: MountAttrFlags) -> Result<OwnedFd, Fault> {
    let always = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    file_system("proc", options, always | attributes).step("making a /proc")
}

/// Files of `/proc` that tell about the host, not about the command.
const MASKED: [&str; 3] = ["/proc/kallsyms", "/proc/keys", "/proc/key-users"];

/// More of them, which only the host's root may open.
const MASKED_FROM_ROOT: [&str; 3] = ["/proc/kcore", "/proc/timer_list", "/proc/sysrq-trigger"];

/// Covers the session's `/proc` by the command's, which is read-only and shows a process only to
/// who may look into it: not the command's pid 1. Nobody inside can take the cover away: that needs
/// a capability over this mount namespace.
pub(super) fn cover_proc(user: Option<u32>) -> Result<(), Fault> {
    let shown = new_proc(&[("hidepid", "2")], MountAttrFlags::MOUNT_ATTR_RDONLY)?;
    attach(shown.as_fd(), CWD, Path::new(PROC)).step("mounting /proc")?;
    // Without a user of its own a command might be the host's root, if without capabilities.
    let more = if user.is_none() { &MASKED_FROM_ROOT[..] } else { &[] };
    for path in MASKED.iter().chain(more) {
        match rustix::mount::mount_bind("/dev/null", *path) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => {}
            Err(cause) => return Err(Fault::new("masking a file of /proc", &cause.into()).on(path)),
        }
    }
    Ok(())
}

/// The folder of the tree with what is shown in it, for who fills it from outside.
pub(super) fn tree() -> Result<OwnedFd, Fault> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(TREE, flags, Mode::empty()).step("opening the folder of the tree")
}

/// Bounds what outlives the processes that made it, and so escapes those who count processes:
/// pages of shared segments, message queues, semaphores (per set, in all, per call, sets).
const IPC_BOUNDS: [(&str, &str); 3] = [
    ("sys/kernel/shmall", "16384"),
    ("sys/kernel/msgmni", "128"),
    ("sys/kernel/sem", "250 32000 32 128"),
];

/// Bounds this process's own ipc namespace, and says whether all bounds hold. Before Linux 6.11 only
/// the first user namespace may; elsewhere the kernel's own bounds remain.
pub(super) fn bound_ipc(proc: &OwnedFd) -> bool {
    let hold = |(file, bound): (&str, &str)| {
        let file = rustix::fs::openat(proc, file, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
        rustix::io::write(&file, bound.as_bytes())?;
        let mut text = [0; 64];
        let length = rustix::io::pread(&file, &mut text, 0)?;
        let told = String::from_utf8_lossy(&text[..length]).into_owned();
        rustix::io::Result::Ok(told.split_ascii_whitespace().eq(bound.split(' ')))
    };
    IPC_BOUNDS.into_iter().filter(|one| !hold(*one).unwrap_or(false)).count() == 0
}

/// The one space of a session that can be written: a file system in memory, capped in bytes and
/// in files.
#[derive(Debug)]
pub(super) struct Scratch {
    root: OwnedFd,
    size: u64,
}

impl Scratch {
    fn create(size: u64, user: Option<u32>) -> Result<Self, Fault> {
        let inodes = inodes(size).to_string();
        let bytes = size.to_string();
        let options = [("size", bytes.as_str()), ("nr_inodes", &inodes), ("mode", "0755")];
        let root = tmpfs(&options)?;
        for (name, target, mode) in WRITABLE {
            Self::directory(&root, name, mode, user)
                .step("making a writable directory")
                .map_err(|fault| fault.on(target))?;
        }
        for (directory, target) in Self::parts(&root).step("dividing the writable space")? {
            attach(directory.as_fd(), CWD, Path::new(target))
                .step("mounting the writable space")
                .map_err(|fault| fault.on(target))?;
        }
        let scratch = Self { root, size };
        scratch.check()?;
        Ok(scratch)
    }

    /// Reads back that the kernel holds the size, which it rounds up to whole pages.
    fn check(&self) -> Result<(), Fault> {
        let step = "bounding the writable space";
        let space = rustix::fs::fstatvfs(&self.root).step(step)?;
        if space.f_blocks == self.size.div_ceil(space.f_frsize) {
            return Ok(());
        }
        Err(Fault::new(step, &std::io::Error::other("the size did not stick")))
    }

    fn directory(
        root: &OwnedFd,
        name: &str,
        mode: u32,
        user: Option<u32>,
    ) -> rustix::io::Result<()> {
        rustix::fs::mkdirat(root, name, Mode::from_raw_mode(mode))?;
        rustix::fs::chmodat(root, name, Mode::from_raw_mode(mode), AtFlags::empty())?;
        if let Some(id) = user {
            let owner = (Some(Uid::from_raw(id)), Some(Gid::from_raw(id)));
            rustix::fs::chownat(root, name, owner.0, owner.1, AtFlags::empty())?;
        }
        Ok(())
    }

    /// Its directories, each as a mount of its own, and where they belong. Before Linux 6.15 parts
    /// can only be taken of what is mounted somewhere.
    fn parts(root: &OwnedFd) -> rustix::io::Result<Vec<(OwnedFd, &'static str)>> {
        let take = |(name, target, _): &(&'static str, &'static str, u32)| {
            let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
            Ok((rustix::mount::open_tree(root, *name, flags)?, *target))
        };
        let parts = WRITABLE.iter().map(take).collect();
        if !matches!(parts, Err(rustix::io::Errno::INVAL)) {
            return parts;
        }
        attach(root.as_fd(), CWD, Path::new(TREE))?;
        let parts = WRITABLE.iter().map(take).collect();
        rustix::mount::unmount(TREE, UnmountFlags::DETACH)?;
        parts
    }

    /// Gives the space another size and reads back that it has it.
    pub(super) fn resize(&mut self, size: u64) -> Result<(), Fault> {
        if size == self.size {
            return Ok(());
        }
        let step = "bounding the writable space";
        let context = rustix::mount::fspick(
            self.root.as_fd(),
            "",
            rustix::mount::FsPickFlags::FSPICK_CLOEXEC
                | rustix::mount::FsPickFlags::FSPICK_EMPTY_PATH,
        )
        .step(step)?;
        rustix::mount::fsconfig_set_string(context.as_fd(), "size", size.to_string()).step(step)?;
        rustix::mount::fsconfig_set_string(context.as_fd(), "nr_inodes", inodes(size).to_string())
            .step(step)?;
        rustix::mount::fsconfig_reconfigure(context.as_fd())
            .step(step)
            .map_err(|fault| fault.on("it already holds more than the command's disk limit"))?;
        self.size = size;
        self.check()
    }

    /// Whether next to nothing more can be written.
    pub(super) fn is_full(&self) -> bool {
        rustix::fs::fstatvfs(&self.root)
            .is_ok_and(|space| space.f_bavail * space.f_frsize < 64 << 10 || space.f_ffree < 4)
    }
}

/// One file per 4 KiB, but enough for small spaces and not so many that their kernel memory
/// becomes the larger part.
pub(crate) fn inodes(size: u64) -> u64 {
    (size / 4096).clamp(4096, 4 << 20)
}
