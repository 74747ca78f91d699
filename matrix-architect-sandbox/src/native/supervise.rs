//! Watching one child of a session to its end.

use std::{
    fs::File,
    io::{self, Read as _},
    os::fd::{AsFd as _, OwnedFd},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec},
    process::Signal,
};
use serde::{Deserialize, Serialize};

use super::{
    fault::{Fault, Step as _},
    keeper::Keeper,
    meter::Meter,
    sys,
    wire::{self, Ended, Reply, Request, RunRequest},
};

/// How often usage is looked at where the kernel holds no limit.
const TICK: Duration = Duration::from_millis(20);

/// A child, what it will say, and what bounds it.
#[derive(Debug)]
pub(super) struct Work<'a> {
    pub(super) child: sys::Child,
    pub(super) report: OwnedFd,
    pub(super) meter: Option<OwnedFd>,
    pub(super) run: Option<&'a RunRequest>,
}

/// Writes a report for [`to_the_end`]; short enough to be written at once.
pub(super) fn report(pipe: &OwnedFd, what: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    rustix::io::write(pipe, &line)?;
    Ok(())
}

/// Waits for the child, ending it if the server says so or a bound is crossed.
pub(super) fn to_the_end(keeper: &Keeper, work: Work<'_>) -> Result<Reply, Fault> {
    let mut meter = Meter::new(work.meter, work.run)?;
    loop {
        let ended = wait_a_tick(keeper, &work.child)?;
        meter.look(&keeper.scratch);
        if ended {
            break;
        }
        if meter.is_exceeded() {
            kill(&work.child);
        }
    }
    let reaped = sys::wait(work.child.pid).step("waiting for the command")?;
    if work.run.is_none() {
        return read_report::<Reply>(work.report)?.ok_or_else(killed);
    }
    let mut ended = match read_report::<Result<Ended, Fault>>(work.report)? {
        Some(ended) => ended?,
        None => Ended::default(),
    };
    ended.user_micros = reaped.user_micros;
    ended.system_micros = reaped.system_micros;
    ended.peak_memory = reaped.max_rss;
    meter.conclude(&mut ended);
    Ok(Reply::Ended(ended))
}

fn killed() -> Fault {
    Fault::new("moving files", &io::Error::other("it was ended before it was done"))
}

/// Whether the child has ended.
fn wait_a_tick(keeper: &Keeper, child: &sys::Child) -> Result<bool, Fault> {
    let mut waits =
        [PollFd::new(&child.pidfd, PollFlags::IN), PollFd::new(&keeper.socket, PollFlags::IN)];
    let tick = Timespec { tv_sec: 0, tv_nsec: i64::from(TICK.subsec_nanos()) };
    match rustix::event::poll(&mut waits, Some(&tick)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(cause) => return Err(Fault::new("waiting for the command", &cause.into())),
    }
    let (ended, spoken) = (!waits[0].revents().is_empty(), !waits[1].revents().is_empty());
    if spoken {
        match wire::receive::<Request>(keeper.socket.as_fd()) {
            Ok(Some((Request::Kill, _))) => kill(child),
            // The server is gone or gave the session up: as pid 1 we take everything with us.
            _ => sys::exit(0),
        }
    }
    Ok(ended)
}

/// Ends the command's first process, and with it its whole pid namespace.
fn kill(child: &sys::Child) {
    let _ = rustix::process::pidfd_send_signal(&child.pidfd, Signal::KILL);
}

fn read_report<T: for<'a> Deserialize<'a>>(pipe: OwnedFd) -> Result<Option<T>, Fault> {
    let mut text = String::new();
    File::from(pipe).read_to_string(&mut text).step("reading the command's report")?;
    // The first word counts: a program that could not be executed is told before its exit.
    match text.lines().next() {
        None => Ok(None),
        Some(line) => serde_json::from_str(line)
            .map(Some)
            .map_err(|cause| Fault::new("reading the command's report", &cause.into())),
    }
}
