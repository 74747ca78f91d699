//! The last steps before a command's program: bounds, another user, no capabilities, landlock,
//! seccomp, and exec. The order matters: each step still needs what a later one takes away.

use std::{
    ffi::CString,
    os::fd::{AsFd as _, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
    process::{Resource, Rlimit},
};

use super::{
    confine,
    confinement::Confinement,
    fault::{Fault, Step as _},
    init::Layers,
    root::TREE,
    supervise, sys,
    wire::{Ended, Layer, Rlimits, RunRequest},
};

/// Who a command is inside.
const USER: u32 = 1000;

/// How ready the kernel is to end a command rather than its pid 1 when memory is short; the scale
/// goes to 1000.
const OOM_SCORE: &[u8] = b"500";

/// Becomes the command.
pub(super) fn main(
    confinement: &Confinement,
    run: &RunRequest,
    stdio: &[OwnedFd; 3],
    answer: &OwnedFd,
    mut layers: Layers<'_>,
    proc: Option<&OwnedFd>,
) -> ! {
    let outcome = confine(confinement, run, stdio, &mut layers, proc).map(|()| {
        let lacking = std::mem::take(&mut layers.lacking);
        let not_executed = (!run.argv.is_empty()).then(|| execute(run).raw_os_error().unwrap_or(0));
        Ended { not_executed, lacking, ..Ended::default() }
    });
    let _ = supervise::report(answer, &outcome);
    sys::exit(127)
}

fn confine(
    confinement: &Confinement,
    run: &RunRequest,
    stdio: &[OwnedFd; 3],
    layers: &mut Layers<'_>,
    proc: Option<&OwnedFd>,
) -> Result<(), Fault> {
    for (number, descriptor) in (0..).zip(stdio) {
        sys::place(descriptor.as_fd(), number).step("connecting the command's streams")?;
    }
    sys::close_on_exec_from(3).step("closing descriptors")?;
    rustix::process::setsid().step("starting a terminal session")?;
    if let Some(proc) = proc {
        write_at(proc, "self/oom_score_adj", OOM_SCORE).step("preferring the command for OOM")?;
    }
    bound(&run.rlimits)?;
    confine::become_owner_with_capabilities(confinement.user)?;
    if let Some(proc) = proc {
        layers.enter(Layer::User, || own_users(proc, confinement.user.unwrap_or(0)))?;
    }
    limit(Resource::Nproc, run.rlimits.processes)?;
    sys::drop_capabilities().step("giving up capabilities")?;
    rustix::thread::set_no_new_privs(true).step("renouncing new privileges")?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let start = Path::new(TREE).join(run.cwd.as_deref().unwrap_or(""));
    rustix::process::chdir(&start)
        .step("entering the command's directory")
        .map_err(|fault| fault.on(run.cwd.as_deref().unwrap_or(".")))?;
    if let Some(ruleset) = &confinement.landlock {
        layers.enter(Layer::Landlock, || {
            sys::restrict_self(ruleset.as_fd()).step("applying landlock")
        })?;
    }
    if let Some(filters) = &confinement.filters {
        layers.enter(Layer::Seccomp, || filters.apply())?;
    }
    Ok(())
}

/// A user namespace in which nothing but the command's own user exists, and no further one.
fn own_users(proc: &OwnedFd, outside: u32) -> Result<(), Fault> {
    sys::unshare(libc::CLONE_NEWUSER).step("creating the command's user namespace")?;
    confine::map_identity(proc.as_fd(), "self", USER, outside, outside)?;
    // A second lock behind seccomp's; older kernels have no such file.
    let _ = write_at(proc, "sys/user/max_user_namespaces", b"0");
    Ok(())
}

fn bound(limits: &Rlimits) -> Result<(), Fault> {
    limit(Resource::Core, 0)?;
    limit(Resource::Fsize, limits.file_size)?;
    limit(Resource::Nofile, limits.open_files)?;
    // The kernel warns with SIGXCPU at the soft bound and kills at the hard one.
    let cpu = limits.cpu_seconds.max(1);
    set(Resource::Cpu, Rlimit { current: Some(cpu), maximum: Some(cpu + 1) })?;
    if limits.data > 0 {
        limit(Resource::Data, limits.data)?;
    }
    Ok(())
}

fn limit(resource: Resource, most: u64) -> Result<(), Fault> {
    set(resource, Rlimit { current: Some(most), maximum: Some(most) })
}

/// Sets a bound and reads it back.
fn set(resource: Resource, wanted: Rlimit) -> Result<(), Fault> {
    let step = "bounding the command";
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
fn execute(run: &RunRequest) -> std::io::Error {
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
