//! Watching the children of a session to their ends.

use std::{
    fs::File,
    io::{self, Read as _},
    os::fd::OwnedFd,
};

use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use super::{
    fault::{Fault, Step as _},
    meter::Meter,
    root::Scratch,
    sys,
    wire::{Ended, Reply},
};

/// A child and what is known about it.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) child: sys::Child,
    /// Where it says how it ended.
    pub(super) report: OwnedFd,
    pub(super) kind: Kind,
}

/// What a child is for.
#[derive(Debug)]
pub(super) enum Kind {
    /// A command that the server waits for.
    Command(Meter),
    /// A piece of our own code that the server waits for.
    Errand,
}

/// Writes a report for [`Watched::conclude`]; short enough to be written at once.
pub(super) fn report(pipe: &OwnedFd, what: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    rustix::io::write(pipe, &line)?;
    Ok(())
}

impl Watched {
    /// Whether it has to be looked at from time to time.
    pub(super) const fn is_metered(&self) -> bool {
        matches!(self.kind, Kind::Command(_))
    }

    /// Looks at what it uses, and ends it if that is too much.
    pub(super) fn look(&mut self, scratch: &Scratch) {
        let Kind::Command(meter) = &mut self.kind else { return };
        meter.look(scratch);
        if meter.is_exceeded() {
            self.kill();
        }
    }

    /// Ends it, and with a command's first process its whole pid namespace.
    pub(super) fn kill(&self) {
        let _ = rustix::process::pidfd_send_signal(&self.child.pidfd, Signal::KILL);
    }

    /// Takes the report of a child that has ended.
    pub(super) fn conclude(mut self, scratch: &Scratch) -> Result<Reply, Fault> {
        self.look(scratch);
        let reaped = sys::wait(self.child.pid).step("waiting for the command")?;
        let meter = match self.kind {
            Kind::Errand => return read_report::<Reply>(self.report)?.ok_or_else(killed),
            Kind::Command(meter) => meter,
        };
        let mut ended = match read_report::<Result<Ended, Fault>>(self.report)? {
            Some(ended) => ended?,
            None => Ended::default(),
        };
        ended.user_micros = reaped.user_micros;
        ended.system_micros = reaped.system_micros;
        ended.peak_memory = reaped.max_rss;
        meter.conclude(&mut ended);
        Ok(Reply::Ended(ended))
    }
}

fn killed() -> Fault {
    Fault::new("moving files", &io::Error::other("it was ended before it was done"))
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
