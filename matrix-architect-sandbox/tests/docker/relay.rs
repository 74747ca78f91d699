//! An engine that lies about process numbers: as one on another machine seems to, whose numbers
//! mean something else here.

use std::{
    io::{Read as _, Write as _},
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Whether every number could be replaced.
pub(crate) type Fits = Arc<AtomicBool>;

/// Passes everything between a socket and the engine, with `pid` in the place of every process
/// number that the engine tells. Ends with the process.
pub(crate) fn lie(socket: &Path, pid: u32) -> Fits {
    let listener = UnixListener::bind(socket).unwrap();
    let fits = Fits::new(AtomicBool::new(true));
    let shared = Arc::clone(&fits);
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(client), Ok(engine)) = (client, UnixStream::connect("/var/run/docker.sock"))
            else {
                return;
            };
            let mut liar = Liar::new(pid, Arc::clone(&shared));
            let (to, from) = (engine.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || copy(from, to, |_| {}));
            std::thread::spawn(move || copy(engine, client, |bytes| liar.change(bytes)));
        }
    });
    fits
}

fn copy(mut from: UnixStream, mut to: UnixStream, mut change: impl FnMut(&mut [u8])) {
    let mut piece = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut piece) {
        change(&mut piece[..read]);
        if to.write_all(&piece[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// Replaces numbers in place, so that lengths stay: JSON takes blanks before a number.
struct Liar {
    pid: Vec<u8>,
    fits: Fits,
    matched: usize,
    /// Where the digits of the number that is read began in what was changed, and how many.
    digits: usize,
}

const KEY: &[u8] = b"\"Pid\":";

impl Liar {
    fn new(pid: u32, fits: Fits) -> Self {
        Self { pid: pid.to_string().into_bytes(), fits, matched: 0, digits: 0 }
    }

    fn change(&mut self, bytes: &mut [u8]) {
        for at in 0..bytes.len() {
            if self.matched < KEY.len() {
                let goes_on = bytes[at] == KEY[self.matched];
                let begins = usize::from(bytes[at] == KEY[0]);
                self.matched = if goes_on { self.matched + 1 } else { begins };
            } else if bytes[at].is_ascii_digit() {
                self.digits += 1;
            } else {
                self.replace(&mut bytes[..at]);
                (self.matched, self.digits) = (0, 0);
            }
        }
    }

    /// The number ends here.
    fn replace(&self, before: &mut [u8]) {
        let none = before.last() == Some(&b'0') && self.digits == 1;
        if none {
            return;
        }
        let room = before.len().checked_sub(self.digits).map(|begin| &mut before[begin..]);
        match room {
            Some(room) if room.len() >= self.pid.len() => {
                let blank = room.len() - self.pid.len();
                room[..blank].fill(b' ');
                room[blank..].copy_from_slice(&self.pid);
            }
            _ => self.fits.store(false, Ordering::SeqCst),
        }
    }
}
