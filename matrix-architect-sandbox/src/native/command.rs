//! The last steps before a command's program: bounds, another user, no capabilities, landlock,
//! seccomp, then, told what to become, streams, directory and exec. The order matters: each step
//! still needs what a later one takes away.

use std::{
    ffi::CString,
    io,
    os::fd::{AsFd as _, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
    process::{DumpableBehavior, Resource, Rlimit},
};

use super::{
    confine,
    fault::{Fault, Step as _},
    init::Layers,
    root::TREE,
    seat::Given,
    supervise, sys,
    wire::{self, Ended, Layer, Program, Rlimits},
};

/// Who a command is inside.
const USER: u32 = 1000;

/// How ready the kernel is to end a command rather than its pid 1 when memory is short; the scale
/// goes to 1000.
const OOM_SCORE: &[u8] = b"500";

/// Starts the process that waits to be told the command and becomes it, and returns when it has.
///
/// It lives in its pid 1's memory until then, which stands still meanwhile: a copy of that memory
/// would cost as much as the program's own start. A user namespace can only be entered this way as
/// the process is made (`check_unshare_flags` of Linux), so its owner must be the command's user.
pub(super) fn start(given: &Given<'_>, layers: &mut Layers<'_>) -> Result<libc::pid_t, Fault> {
    // What root alone may have more of than before.
    limit(Resource::Fsize, given.request.rlimits.file_size)?;
    // The command's streams have to be received before only few files may be open.
    limit(Resource::Nofile, given.request.rlimits.open_files.max(FILES_OF_OUR_OWN))?;
    let user = given.confinement.user;
    if layers.enter(Layer::User, || Ok(()))?.is_some() {
        let started = as_owner(user, || {
            sys::lend_memory(libc::CLONE_NEWUSER, &mut || main(given, layers, true))
        });
        match started.step("creating the command's user namespace") {
            Err(fault) if given.request.proving => layers.lacking.push((Layer::User, fault)),
            started => return started,
        }
    }
    sys::lend_memory(0, &mut || main(given, layers, false)).step("starting the command")
}

/// Starts a process in a user namespace of the command's user; only root can and need become it.
fn as_owner<T>(user: Option<u32>, start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let Some(id) = user else { return start() };
    sys::appear_as(id)?;
    // Changing the user hid this process's files in /proc from the one that is to write them.
    rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable)?;
    let started = start();
    sys::appear_as(0)?;
    started
}

/// Makes itself ready, waits to be told the command, and becomes it.
fn main(given: &Given<'_>, layers: &mut Layers<'_>, has_users: bool) {
    let confined = confine(given, layers, has_users);
    let outcome = confined.and_then(|()| receive(given)).map(|program| {
        // Nobody waits any more: the seat was given up.
        let Some(program) = program else { sys::exit(0) };
        let lacking = std::mem::take(&mut layers.lacking);
        let not_executed =
            (!program.argv.is_empty()).then(|| execute(&program).raw_os_error().unwrap_or(0));
        Ended { not_executed, lacking, ..Ended::default() }
    });
    let _ = supervise::report(given.answer, &outcome);
    sys::exit(127)
}

/// All that can be done before the command is known.
fn confine(given: &Given<'_>, layers: &mut Layers<'_>, has_users: bool) -> Result<(), Fault> {
    let (user, limits) = (given.confinement.user, &given.request.rlimits);
    rustix::process::setsid().step("starting a terminal session")?;
    write_at(given.proc, "self/oom_score_adj", OOM_SCORE).step("preferring the command for OOM")?;
    bound(limits)?;
    if has_users {
        layers.enter(Layer::User, || own_users(given.proc, user))?;
    } else {
        confine::become_owner_with_capabilities(user)?;
    }
    limit(Resource::Nproc, limits.processes)?;
    sys::drop_capabilities().step("giving up capabilities")?;
    rustix::thread::set_no_new_privs(true).step("renouncing new privileges")?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    if let Some(ruleset) = &given.confinement.landlock {
        layers.enter(Layer::Landlock, || {
            sys::restrict_self(ruleset.as_fd()).step("applying landlock")
        })?;
    }
    if let Some(filters) = &given.confinement.filters {
        let is_bounded = given.request.rlimits.data == 0;
        let filter = if is_bounded { &filters.usual } else { &filters.strict };
        layers.enter(Layer::Seccomp, || filter.apply())?;
    }
    Ok(())
}

/// Waits for the command and takes its streams and its directory.
fn receive(given: &Given<'_>) -> Result<Option<Program>, Fault> {
    let received = wire::receive::<Program>(given.socket.as_fd());
    let Some((program, stdio)) = received.step("receiving the command")? else { return Ok(None) };
    if stdio.len() != 3 {
        return Err(Fault::new("receiving the command", &Errno::BADMSG.into()));
    }
    for (number, descriptor) in (0..).zip(&stdio) {
        sys::place(descriptor.as_fd(), number).step("connecting the command's streams")?;
    }
    sys::close_on_exec_from(3).step("closing descriptors")?;
    limit(Resource::Nofile, given.request.rlimits.open_files)?;
    let start = Path::new(TREE).join(program.cwd.as_deref().unwrap_or(""));
    rustix::process::chdir(&start)
        .step("entering the command's directory")
        .map_err(|fault| fault.on(program.cwd.as_deref().unwrap_or(".")))?;
    Ok(Some(program))
}

/// Makes the command's user all that exists in its user namespace, and becomes it; and there is no
/// further one.
fn own_users(proc: &OwnedFd, user: Option<u32>) -> Result<(), Fault> {
    // Without one of its own a command is whom the helper made root of its own user namespace.
    let outside = user.unwrap_or(0);
    confine::map_identity(proc.as_fd(), "self", USER, outside, outside)?;
    sys::become_mapped(USER).step("becoming the command's user")?;
    // A second lock behind seccomp's; older kernels have no such file.
    let _ = write_at(proc, "sys/user/max_user_namespaces", b"0");
    Ok(())
}

/// More files than a process of ours has open until it becomes the command.
const FILES_OF_OUR_OWN: u64 = 256;

fn bound(limits: &Rlimits) -> Result<(), Fault> {
    limit(Resource::Core, 0)?;
    // The kernel warns with SIGXCPU at the soft bound and kills at the hard one.
    let most = rustix::process::getrlimit(Resource::Cpu).maximum.unwrap_or(u64::MAX);
    let cpu = limits.cpu_seconds.max(1).min(most);
    set(Resource::Cpu, Rlimit { current: Some(cpu), maximum: Some(most.min(cpu + 1)) })?;
    // What the server may have, and no command needs: the host's memory, its scheduler's favour.
    for (resource, most) in OTHERS {
        limit_to(resource, most)?;
    }
    if limits.data > 0 {
        limit_to(Resource::Data, limits.data)?;
    }
    Ok(())
}

/// Bytes of locked memory and of message queues are what kernels give by default.
const OTHERS: [(Resource, u64); 5] = [
    (Resource::Memlock, 8 << 20),
    (Resource::Msgqueue, 819_200),
    (Resource::Sigpending, 4096),
    (Resource::Rtprio, 0),
    (Resource::Nice, 0),
];

/// Bounds to `most`, or to less if there is less to have.
pub(super) fn limit_to(resource: Resource, most: u64) -> Result<(), Fault> {
    let had = rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX);
    limit(resource, most.min(had))
}

/// Bounds to `most`, for good.
pub(super) fn limit(resource: Resource, most: u64) -> Result<(), Fault> {
    set(resource, Rlimit { current: Some(most), maximum: Some(most) })
}

/// Sets a bound and reads it back.
pub(super) fn set(resource: Resource, wanted: Rlimit) -> Result<(), Fault> {
    let step = "bounding a process";
    rustix::process::setrlimit(resource, wanted)
        .step(step)
        .map_err(|fault| fault.on(format!("{resource:?}")))?;
    if rustix::process::getrlimit(resource) == wanted {
        return Ok(());
    }
    Err(Fault::new(step, &std::io::Error::other("the bound did not stick"))
        .on(format!("{resource:?}")))
}

fn write_at(directory: &OwnedFd, path: &str, text: &[u8]) -> rustix::io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(directory.as_fd(), path, flags, Mode::empty())?;
    rustix::io::write(&file, text).map(drop)
}

/// Executes the program, looked up in the command's `PATH`.
fn execute(run: &Program) -> std::io::Error {
    let text = |text: &str| CString::new(text).map_err(|_| std::io::Error::from(Errno::INVAL));
    let argv = run.argv.iter().map(|word| text(word)).collect::<Result<Vec<_>, _>>();
    let env = run
        .env
        .iter()
        .map(|(key, value)| text(&format!("{key}={value}")))
        .collect::<Result<Vec<_>, _>>();
    let (argv, env) = match (argv, env) {
        (Ok(argv), Ok(env)) => (argv, env),
        (Err(cause), _) | (_, Err(cause)) => return cause,
    };
    let program = &run.argv[0];
    if program.contains('/') {
        return sys::exec(&argv[0], &argv, &env);
    }
    let path = run.env.get("PATH").map_or("", String::as_str);
    let mut answer = std::io::Error::from(Errno::NOENT);
    for directory in path.split(':').filter(|directory| !directory.is_empty()) {
        let Ok(candidate) = text(&format!("{directory}/{program}")) else { continue };
        let cause = sys::exec(&candidate, &argv, &env);
        // Like a shell: a program that may not be executed is told, unless one further on may.
        if cause.raw_os_error() != Some(libc::ENOENT) && cause.raw_os_error() != Some(libc::ENOTDIR)
        {
            answer = cause;
        }
    }
    answer
}
