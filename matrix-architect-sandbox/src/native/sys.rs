//! The few system calls no library offers in a safe form: clone, credentials, seccomp's and
//! landlock's last step, exec. Everything that is `unsafe` in this crate is in this file.
#![expect(unsafe_code, reason = "raw system calls of the sandbox, each with its own reason below")]

use std::{
    ffi::{CStr, CString},
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    ptr,
};

use rustix::event::{PollFd, PollFlags, Timespec};
use tokio::io::unix::AsyncFd;

fn check(returned: libc::c_long) -> io::Result<libc::c_long> {
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(returned) }
}

fn check_int(returned: libc::c_int) -> io::Result<()> {
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Which side of a [`clone`] this is.
#[derive(Debug)]
pub(super) enum Side {
    Child,
    Parent(Child),
}

/// A child process.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) pid: libc::pid_t,
    pub(super) pidfd: OwnedFd,
}

/// Forks with namespace flags. Only for processes with a single thread, in which a child may do
/// whatever its parent may.
pub(super) fn clone(flags: libc::c_int) -> io::Result<Side> {
    let mut pidfd: RawFd = -1;
    let flags = libc::c_long::from(flags | libc::CLONE_PIDFD | libc::SIGCHLD);
    // SAFETY: without CLONE_VM and with a null stack this is a fork; the kernel writes the pidfd
    // to a live local. All callers run in the single-threaded helper, so no lock can be held.
    let made = check(unsafe {
        libc::syscall(libc::SYS_clone, flags, 0_usize, &raw mut pidfd, 0_usize, 0_usize)
    });
    let pid = made.map_err(too_many_namespaces)?;
    if pid == 0 {
        return Ok(Side::Child);
    }
    // SAFETY: the kernel has just made this descriptor for us.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    Ok(Side::Parent(Child { pid, pidfd }))
}

/// Room for what a process does in another's memory until it executes its program.
const STACK: usize = 512 << 10;

/// Starts a process in this one's memory, on a stack of its own, and waits until it has executed a
/// program or ended. Nothing is copied for it, and nothing of it is left here but what it changed.
/// `child` ends it.
pub(super) fn lend_memory<F: FnMut()>(
    flags: libc::c_int,
    child: &mut F,
) -> io::Result<libc::pid_t> {
    extern "C" fn enter<F: FnMut()>(child: *mut libc::c_void) -> libc::c_int {
        // SAFETY: it points to the closure of the parent, which neither moves nor runs meanwhile.
        unsafe { (*child.cast::<F>())() };
        127
    }
    let mut stack = vec![0_u128; STACK / size_of::<u128>()];
    let top = stack.as_mut_ptr_range().end.cast();
    let flags = flags | libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: the stack is aligned, grows down from its end and outlives the call, at whose end the
    // child has left this memory. This process has one thread and stands still until then, so that
    // the child has what belongs to a thread for itself.
    let pid = unsafe { libc::clone(enter::<F>, top, flags, (&raw mut *child).cast()) };
    check_int(pid).map(|()| pid)
}

/// Enters the namespaces of `kind` that a descriptor of `/proc/<pid>/ns` stands for.
pub(super) fn enter(namespace: BorrowedFd<'_>, kind: libc::c_int) -> io::Result<()> {
    // SAFETY: takes a descriptor and flags.
    check_int(unsafe { libc::setns(namespace.as_raw_fd(), kind) })
}

/// Leaves namespaces for fresh ones.
pub(super) fn unshare(flags: libc::c_int) -> io::Result<()> {
    // SAFETY: takes no pointers.
    check_int(unsafe { libc::unshare(flags) }).map_err(too_many_namespaces)
}

/// The kernel says that a disk is full where it means `user.max_*_namespaces` (namespaces(7)). Until
/// Linux 4.9 it said `EUSERS`, which means nothing else here.
fn too_many_namespaces(cause: io::Error) -> io::Error {
    if cause.raw_os_error() == Some(libc::ENOSPC) {
        return io::Error::from_raw_os_error(libc::EUSERS);
    }
    cause
}

/// What processes have used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Used {
    pub(super) user_micros: u64,
    pub(super) system_micros: u64,
    /// Of the largest of them, in bytes.
    pub(super) max_rss: u64,
}

/// A process that has ended, with what it and those it waited for have used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reaped {
    pub(super) pid: libc::pid_t,
    pub(super) status: libc::c_int,
    pub(super) used: Used,
}

/// Waits for `pid`, or for any child with -1.
pub(super) fn wait(pid: libc::pid_t) -> io::Result<Reaped> {
    let mut status = 0;
    // SAFETY: a zeroed rusage is a valid rusage.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live locals.
    let pid = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Reaped { pid, status, used: used(&usage) })
}

/// What the children of this process that it waited for have used, and those they waited for.
pub(super) fn used_by_children() -> Used {
    // SAFETY: a zeroed rusage is a valid rusage.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live local; on failure the usage stays zero.
    unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) };
    used(&usage)
}

fn used(usage: &libc::rusage) -> Used {
    let micros = |time: libc::timeval| {
        u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000
            + u64::try_from(time.tv_usec).unwrap_or(0)
    };
    Used {
        user_micros: micros(usage.ru_utime),
        system_micros: micros(usage.ru_stime),
        max_rss: u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024,
    }
}

/// Makes the mounts below a detached or attached mount obey `attributes`.
pub(super) fn set_mount_attributes(
    mount: BorrowedFd<'_>,
    attributes: u64,
    recursive: bool,
) -> io::Result<()> {
    let request =
        libc::mount_attr { attr_set: attributes, attr_clr: 0, propagation: 0, userns_fd: 0 };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a C string and the size is that of the struct pointed to.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const request,
            size_of::<libc::mount_attr>(),
        )
    })
    .map(drop)
}

/// Becomes another user and group for good, without supplementary groups.
pub(super) fn become_user(id: u32) -> io::Result<()> {
    // SAFETY: the process has one thread, and an empty list needs no pointer.
    check_int(unsafe { libc::setgroups(0, ptr::null()) })?;
    // SAFETY: takes no pointers.
    check_int(unsafe { libc::setresgid(id, id, id) })?;
    // SAFETY: takes no pointers.
    check_int(unsafe { libc::setresuid(id, id, id) })
}

/// Becomes who owns what is made now, or root again, and stays whom it was otherwise. The other
/// groups of the process are given up.
pub(super) fn appear_as(id: u32) -> io::Result<()> {
    const AS_BEFORE: u32 = u32::MAX;
    // From root's user to another, root's rights end with the last step; and back, begin with the first.
    let user = || {
        // SAFETY: takes no pointers.
        check_int(unsafe { libc::setresuid(AS_BEFORE, id, AS_BEFORE) })
    };
    if id == 0 {
        user()?;
    }
    // SAFETY: the process has one thread, and an empty list needs no pointer.
    check_int(unsafe { libc::setgroups(0, ptr::null()) })?;
    // SAFETY: takes no pointers.
    check_int(unsafe { libc::setresgid(AS_BEFORE, id, AS_BEFORE) })?;
    if id == 0 { Ok(()) } else { user() }
}

/// Becomes, in all ways, whom this user namespace calls so.
pub(super) fn become_mapped(id: u32) -> io::Result<()> {
    // SAFETY: takes no pointers.
    check_int(unsafe { libc::setresgid(id, id, id) })?;
    // SAFETY: takes no pointers.
    check_int(unsafe { libc::setresuid(id, id, id) })
}

/// Gives up every capability, also for programs executed later.
pub(super) fn drop_capabilities() -> io::Result<()> {
    for capability in 0..64_u64 {
        // SAFETY: takes no pointers.
        let dropped = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
        if dropped < 0 {
            match io::Error::last_os_error().raw_os_error() {
                // One more than the kernel knows; or, without CAP_SETPCAP, a set that cannot
                // shrink, which no new privileges covers.
                Some(libc::EINVAL | libc::EPERM) => break,
                _ => return Err(io::Error::last_os_error()),
            }
        }
    }
    // SAFETY: takes no pointers.
    check_int(unsafe {
        libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    })?;
    let nothing = rustix::thread::CapabilitySets {
        effective: rustix::thread::CapabilitySet::empty(),
        permitted: rustix::thread::CapabilitySet::empty(),
        inheritable: rustix::thread::CapabilitySet::empty(),
    };
    Ok(rustix::thread::set_capabilities(None, nothing)?)
}

/// Puts this process under a landlock ruleset for good.
pub(super) fn restrict_self(ruleset: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: takes a descriptor and flags.
    check(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0_usize) })
        .map(drop)
}

/// Lets no descriptor from `first` up survive an exec.
pub(super) fn close_on_exec_from(first: u32) -> io::Result<()> {
    let flags = libc::CLOSE_RANGE_CLOEXEC;
    // SAFETY: sets a flag on descriptors and closes none.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, flags) }).map(drop)
}

/// Has a program start with its streams alone, whatever else this process has open and forgot to
/// mark.
#[cfg(feature = "bwrap")]
pub(crate) fn with_streams_alone(program: &mut std::process::Command) {
    use std::os::unix::process::CommandExt as _;
    // SAFETY: between fork and exec it makes one system call, which takes no lock and allocates
    // nothing.
    unsafe { program.pre_exec(|| close_on_exec_from(3)) };
}

/// Closes every descriptor from `first` up.
pub(super) fn close_from(first: u32) {
    // SAFETY: called once, before the helper has opened anything: what is open was inherited by
    // mistake and nothing in this process owns it.
    unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0_u32) };
}

/// Closes every descriptor but the standard ones and `keep`, in a process that has just been forked
/// and never drops what it has of its parent's.
pub(super) fn close_all_but(keep: &[BorrowedFd<'_>]) {
    let mut keep: Vec<_> = keep.iter().map(|kept| kept.as_raw_fd().cast_unsigned()).collect();
    keep.sort_unstable();
    let mut from = 3;
    for kept in keep.into_iter().chain([u32::MAX]) {
        if from < kept {
            // SAFETY: the caller neither uses nor drops what owns these descriptors: it is a copy of
            // its parent's memory that ends without destructors.
            unsafe { libc::syscall(libc::SYS_close_range, from, kept - 1, 0_u32) };
        }
        from = kept.saturating_add(1).max(from);
    }
}

/// Makes `from` also the descriptor `to`, without close-on-exec.
pub(super) fn place(from: BorrowedFd<'_>, to: RawFd) -> io::Result<()> {
    if from.as_raw_fd() == to {
        // SAFETY: takes no pointers.
        return check_int(unsafe { libc::fcntl(to, libc::F_SETFD, 0) });
    }
    // SAFETY: replaces a standard descriptor that no Rust object owns.
    check_int(unsafe { libc::dup2(from.as_raw_fd(), to) })
}

/// Gives signals back their default actions, for the command inherits what is ignored.
pub(super) fn reset_signals() {
    for signal in 1..=64 {
        // SAFETY: restores defaults; signals that cannot be set answer an error that is no matter.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: a zeroed set is an empty set on Linux, and the old set is not asked for.
    unsafe {
        let none: libc::sigset_t = std::mem::zeroed();
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
    }
}

/// Whether this process waits for its children, or the kernel reaps them by itself.
pub(super) fn heed_children(heed: bool) {
    let disposition = if heed { libc::SIG_DFL } else { libc::SIG_IGN };
    // SAFETY: sets a disposition without a handler.
    unsafe { libc::signal(libc::SIGCHLD, disposition) };
}

/// Executes a program; returns only the reason why that failed.
pub(super) fn exec(program: &CStr, argv: &[CString], env: &[CString]) -> io::Error {
    let pointers = |strings: &[CString]| {
        strings.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect::<Vec<_>>()
    };
    let (argv, env) = (pointers(argv), pointers(env));
    // SAFETY: both are null-terminated arrays of C strings that outlive the call.
    unsafe { libc::execve(program.as_ptr(), argv.as_ptr(), env.as_ptr()) };
    io::Error::last_os_error()
}

/// Ends the process at once, without unwinding or destructors.
pub(super) fn exit(code: i32) -> ! {
    // SAFETY: ends the process.
    unsafe { libc::_exit(code) }
}

/// Gives freed memory back to the kernel, which otherwise is copied with each fork.
pub(super) fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes no pointers, and the process has one thread.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Brings the loopback interface up.
pub(super) fn loopback_up(socket: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: a zeroed ifreq is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (place, byte) in request.ifr_name.iter_mut().zip(b"lo") {
        *place = byte.cast_signed();
    }
    request.ifr_ifru.ifru_flags =
        libc::c_short::try_from(libc::IFF_UP | libc::IFF_RUNNING).unwrap_or(0);
    // SAFETY: the request is an ifreq with a name and flags, as the call wants it.
    check_int(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) })
}

/// Takes a descriptor by its number, once, where the caller knows that it is open and unowned.
pub(super) fn take_descriptor(number: RawFd) -> OwnedFd {
    // SAFETY: the only caller takes descriptor 0 at the start of the helper, which owns it.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// Whether the process that a pidfd stands for has ended.
pub(super) fn has_ended(pidfd: BorrowedFd<'_>) -> bool {
    let mut wait = [PollFd::from_borrowed_fd(pidfd, PollFlags::IN)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    // Who cannot be asked counts as alive: the socket tells, too.
    rustix::io::retry_on_intr(|| rustix::event::poll(&mut wait, Some(&at_once)))
        .is_ok_and(|fired| fired > 0)
}

/// Lets a runtime wait on a descriptor.
pub(super) fn watch(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` keeps its descriptor open and the same until it is dropped, which the
    // `AsyncFd` that owns it does after deregistering.
    unsafe { AsyncFd::register(descriptor) }.map_err(Into::into)
}

/// Runs before `main` in every program that links this crate; see [`super::hook`].
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn(libc::c_int, *const *const libc::c_char) = before_main;

extern "C" fn before_main(argc: libc::c_int, argv: *const *const libc::c_char) {
    if cfg!(not(target_env = "gnu")) || argc != 1 || argv.is_null() {
        return;
    }
    // SAFETY: glibc hands constructors the arguments of main, of which there is one.
    let name = unsafe { *argv };
    if name.is_null() {
        return;
    }
    // SAFETY: arguments are C strings.
    super::hook::run_if_called_for(unsafe { CStr::from_ptr(name) });
}
