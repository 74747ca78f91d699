//! Who listens in a network, by the kernel's list of its sockets. Looking there is noticed by
//! nobody; a connection that says nothing is an error in many a server's log.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
    os::fd::AsFd,
};

use rustix::fs::{Mode, OFlags};

/// The most of a list of sockets that is read: far more than a service and its peers make.
const MOST_SOCKETS: u64 = 16 << 20;

/// Whether something listens on a TCP port in a process's network. `process` is its folder in a
/// `/proc` by that descriptor.
pub(crate) fn listens(proc: impl AsFd, process: &str, port: u16) -> bool {
    ["tcp", "tcp6"].into_iter().any(|list| {
        let (list, flags) = (format!("{process}/net/{list}"), OFlags::RDONLY | OFlags::CLOEXEC);
        let opened = rustix::fs::openat(&proc, list, flags, Mode::empty());
        let Ok(list) = opened else { return false };
        let list = BufReader::new(File::from(list).take(MOST_SOCKETS));
        list.lines().map_while(Result::ok).any(|line| is_listener(&line, port))
    })
}

/// Whether a line of `/proc/net/tcp` is about a socket that listens on the port.
pub(crate) fn is_listener(line: &str, port: u16) -> bool {
    const LISTEN: &str = "0A";
    let mut columns = line.split_ascii_whitespace().skip(1);
    let (local, state) = (columns.next(), columns.nth(1));
    let is_it = |local: &str| {
        local.rsplit_once(':').and_then(|(_, own)| u16::from_str_radix(own, 16).ok()) == Some(port)
    };
    local.is_some_and(is_it) && state == Some(LISTEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_told_from_a_connection_and_from_another_port() {
        let line = |state: &str| {
            format!(
                "   0: 0100007F:1F90 00000000:0000 {state} 00000000:00000000 00:00000000 0 1000"
            )
        };
        assert!(is_listener(&line("0A"), 8080));
        assert!(!is_listener(&line("01"), 8080), "a connection");
        assert!(!is_listener(&line("0A"), 8081), "another port");
        let six = "   0: 00000000000000000000000000000000:1538 0:0000 0A 0:0";
        assert!(is_listener(six, 5432));
        assert!(!is_listener("nonsense", 5432));
        let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt";
        assert!(!is_listener(head, 5432));
    }
}
