//! Watching the children of a session to their ends.

use std::{io, os::fd::OwnedFd};

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
    pub(super) kind: Kind,
    /// Where it says how it ended; `None` once all is said.
    pub(super) report: Option<OwnedFd>,
    said: Vec<u8>,
}

/// What a child is for.
#[derive(Debug)]
pub(super) enum Kind {
    /// A command that the server waits for.
    Command(Meter),
    /// A service, which nobody waits for, and its place in the order of their start.
    Service(usize, Meter),
    /// A piece of our own code that the server waits for.
    Errand,
    /// What nobody waits for: a seat that was not needed, a pid 1 whose command has been told, an
    /// errand that is done.
    Dismissed,
}

/// Whom the end of a child is told, and in which words.
#[derive(Debug)]
pub(super) enum Conclusion {
    /// Nobody: it has been told, or nobody ever asked.
    Nobody,
    /// The server, which waits.
    Server(Result<Reply, Fault>),
    /// Whoever looks at the services.
    Service(usize, Result<Ended, Fault>),
}

/// Writes a line of a child's report; short enough to be written at once.
pub(super) fn report(pipe: &OwnedFd, what: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    rustix::io::write(pipe, &line)?;
    Ok(())
}

impl Watched {
    pub(super) const fn new(child: sys::Child, kind: Kind, report: OwnedFd) -> Self {
        Self { child, kind, report: Some(report), said: Vec::new() }
    }

    /// Whether it has to be looked at from time to time.
    pub(super) const fn is_metered(&self) -> bool {
        matches!(self.kind, Kind::Command(_) | Kind::Service(..))
    }

    /// Whether it is the service of that place.
    pub(super) fn is_service_at(&self, place: usize) -> bool {
        matches!(self.kind, Kind::Service(own, _) if own == place)
    }

    /// Whether it lives as long as the session.
    pub(super) const fn is_service(&self) -> bool {
        matches!(self.kind, Kind::Service(..))
    }

    /// Looks at what it uses, and ends it if that is too much.
    pub(super) fn look(&mut self, scratch: &Scratch) {
        let (Kind::Command(meter) | Kind::Service(_, meter)) = &mut self.kind else { return };
        meter.look(scratch);
        if meter.is_exceeded() {
            self.kill();
        }
    }

    /// Ends it, and with a command's first process its whole pid namespace.
    pub(super) fn kill(&self) {
        let _ = rustix::process::pidfd_send_signal(&self.child.pidfd, Signal::KILL);
    }

    /// Takes what it has said since; must not be called when it might have said nothing.
    pub(super) fn hear(&mut self) {
        let Some(report) = &self.report else { return };
        let mut text = [0; 8 << 10];
        match rustix::io::retry_on_intr(|| rustix::io::read(report, &mut text)) {
            Ok(length) if length > 0 => self.said.extend_from_slice(&text[..length]),
            _ => self.report = None,
        }
    }

    /// Whether its pid 1 has said that nothing of the command is alive any more.
    pub(super) fn is_alone(&self) -> bool {
        let alone = |line| matches!(serde_json::from_slice(line), Ok(Ok::<Ended, Fault>(ended)) if ended.alone);
        self.is_metered() && self.said.split(|byte| *byte == b'\n').any(alone)
    }

    /// Whether it is an errand that has said all there is to say, though it has not ended yet.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.kind, Kind::Errand) && self.said.contains(&b'\n')
    }

    /// What is told of its end, and whom. Call it when the child has ended, with what it used, or
    /// when it is alone or done.
    pub(super) fn conclude(&mut self, used: Option<sys::Used>) -> Conclusion {
        match std::mem::replace(&mut self.kind, Kind::Dismissed) {
            Kind::Dismissed => Conclusion::Nobody,
            Kind::Errand => {
                let told = self.first_word::<Reply>();
                Conclusion::Server(told.and_then(|reply| reply.ok_or_else(killed)))
            }
            Kind::Command(meter) => Conclusion::Server(self.end(&meter, used).map(Reply::Ended)),
            Kind::Service(place, meter) => Conclusion::Service(place, self.end(&meter, used)),
        }
    }

    /// How a command or a service ended.
    fn end(&self, meter: &Meter, used: Option<sys::Used>) -> Result<Ended, Fault> {
        let told = self.first_word::<Result<Ended, Fault>>()?;
        Ok(meter.conclude(told.unwrap_or_else(|| Ok(Ended::default()))?, used))
    }

    /// The first word counts: a program that could not be executed is told before its exit.
    fn first_word<T: for<'a> Deserialize<'a>>(&self) -> Result<Option<T>, Fault> {
        match self.said.split(|byte| *byte == b'\n').next() {
            None | Some([]) => Ok(None),
            Some(line) => {
                serde_json::from_slice(line).map(Some).step("reading the command's report")
            }
        }
    }
}

fn killed() -> Fault {
    Fault::new("moving files", &io::Error::other("it was ended before it was done"))
}
