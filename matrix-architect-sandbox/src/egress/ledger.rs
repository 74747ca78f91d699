//! What a session wanted to reach, in order, and how many bytes that came to.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use matrix_architect_core::traits::{Connection, ConnectionOutcome};

/// The most connections that are written down one by one. Later ones are counted with the last one to
/// the same host and port.
const MAX_MADE: usize = 50_000;

/// The most hosts and ports of which it is written down that they were refused, and as many that
/// failed. These bounds are their own, so that no flood of them hides what was reached; what finds no
/// room is counted under `*`.
const MAX_UNMADE: usize = 1000;

/// The longest host that is written down.
const MAX_HOST: usize = 300;

/// The connections of a session.
#[derive(Debug)]
pub(super) struct Ledger {
    records: Mutex<Records>,
    bytes: AtomicU64,
    cap: u64,
}

/// What is written down, in order.
#[derive(Debug, Default)]
struct Records {
    all: Vec<Arc<Record>>,
    made: usize,
    refused: Unmade,
    failed: Unmade,
}

/// What was not made, by host and port.
#[derive(Debug, Default)]
struct Unmade {
    known: BTreeMap<(String, u16), Arc<Record>>,
    left_out: u64,
}

/// A connection, or those that are counted with it.
#[derive(Debug)]
pub(super) struct Record {
    count: AtomicU64,
    connection: Mutex<Connection>,
    sent: AtomicU64,
    received: AtomicU64,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// From the session.
    Sent,
    /// To the session.
    Received,
}

impl Ledger {
    pub(super) fn new(cap: u64) -> Self {
        Self { records: Mutex::default(), bytes: AtomicU64::new(0), cap }
    }

    /// Writes a connection down.
    pub(super) fn record(&self, host: &str, port: u16, outcome: ConnectionOutcome) -> Arc<Record> {
        let host: String = host.chars().filter(|char| !char.is_control()).take(MAX_HOST).collect();
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.record(Connection::new(host, port, outcome))
    }

    /// Whether the bytes may go, which then are counted.
    pub(super) fn take(&self, record: &Record, direction: Direction, bytes: u64) -> bool {
        let counter = match direction {
            Direction::Sent => &record.sent,
            Direction::Received => &record.received,
        };
        counter.fetch_add(bytes, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) <= self.cap
    }

    /// Whether there are bytes left.
    pub(super) fn is_spent(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) >= self.cap
    }

    /// Bytes of the whole session.
    pub(super) const fn cap(&self) -> u64 {
        self.cap
    }

    /// What was written down so far.
    pub(super) fn connections(&self) -> Vec<Connection> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let mut connections: Vec<_> =
            records.all.iter().map(|record| record.connection()).collect();
        let only_counted = "more hosts than are written down".to_owned();
        for (unmade, outcome) in [
            (&records.refused, ConnectionOutcome::Refused(only_counted.clone())),
            (&records.failed, ConnectionOutcome::Failed(only_counted)),
        ] {
            if unmade.left_out > 0 {
                let mut rest = Connection::new("*", 0, outcome);
                rest.count = unmade.left_out;
                connections.push(rest);
            }
        }
        connections
    }
}

impl Records {
    fn record(&mut self, connection: Connection) -> Arc<Record> {
        let unmade = match connection.outcome {
            ConnectionOutcome::Refused(_) => &mut self.refused,
            ConnectionOutcome::Failed(_) => &mut self.failed,
            _ => return self.made(connection),
        };
        let place = (connection.host.clone(), connection.port);
        if let Some(known) = unmade.known.get(&place) {
            known.count.fetch_add(1, Ordering::Relaxed);
            return Arc::clone(known);
        }
        let record = Record::of(connection);
        if unmade.known.len() == MAX_UNMADE {
            unmade.left_out += 1;
            return record;
        }
        unmade.known.insert(place, Arc::clone(&record));
        self.all.push(Arc::clone(&record));
        record
    }

    /// Only hosts that somebody allowed come here, so there are few, and each has an earlier record
    /// once there is no room for more.
    fn made(&mut self, connection: Connection) -> Arc<Record> {
        if self.made >= MAX_MADE
            && let Some(like) = self.all.iter().rev().find(|record| record.is_like(&connection))
        {
            like.count.fetch_add(1, Ordering::Relaxed);
            return Arc::clone(like);
        }
        self.made += 1;
        let record = Record::of(connection);
        self.all.push(Arc::clone(&record));
        record
    }
}

impl Record {
    fn of(connection: Connection) -> Arc<Self> {
        Arc::new(Self {
            count: AtomicU64::new(1),
            connection: Mutex::new(connection),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
        })
    }

    fn is_like(&self, other: &Connection) -> bool {
        let own = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        (&own.host, own.port, &own.outcome) == (&other.host, other.port, &other.outcome)
    }

    /// Writes down which address was reached.
    pub(super) fn reached(&self, address: IpAddr) {
        self.change(|connection| connection.address = Some(address));
    }

    /// Writes down that what was allowed did not come to its end.
    pub(super) fn failed(&self, why: impl Into<String>) {
        self.change(|connection| connection.outcome = ConnectionOutcome::Failed(why.into()));
    }

    fn change(&self, change: impl FnOnce(&mut Connection)) {
        change(&mut self.connection.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn connection(&self) -> Connection {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let mut connection = connection.clone();
        connection.count = self.count.load(Ordering::Relaxed);
        connection.sent = self.sent.load(Ordering::Relaxed);
        connection.received = self.received.load(Ordering::Relaxed);
        connection
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> ConnectionOutcome {
        ConnectionOutcome::Refused("not listed".to_owned())
    }

    #[test]
    fn no_flood_hides_what_was_reached_and_nothing_is_left_uncounted() {
        let ledger = Ledger::new(u64::MAX);
        for number in 0..20_000 {
            ledger.record(&format!("junk{}.test", number % 2000), 443, refused());
        }
        let failed = ConnectionOutcome::Failed("nobody answers".to_owned());
        for _ in 0..3 {
            ledger.record("listed.test", 443, failed.clone());
        }
        for _ in 0..MAX_MADE + 5 {
            let record = ledger.record("listed.test", 443, ConnectionOutcome::Allowed);
            assert!(ledger.take(&record, Direction::Sent, 2));
        }
        let connections = ledger.connections();
        let of = |outcome: &ConnectionOutcome| -> Vec<_> {
            connections.iter().filter(|connection| connection.outcome == *outcome).collect()
        };
        let made = of(&ConnectionOutcome::Allowed);
        assert_eq!(made.len(), MAX_MADE);
        assert_eq!((made[0].count, made[0].sent), (1, 2));
        let last = made.last().unwrap();
        assert_eq!((last.count, last.sent), (6, 12), "the rest is counted with the last");
        assert_eq!(of(&failed).iter().map(|connection| connection.count).collect::<Vec<_>>(), [3]);
        assert_eq!(of(&refused()).len(), MAX_UNMADE);
        assert!(of(&refused()).iter().all(|connection| connection.count == 10));
        let rest = connections.last().unwrap();
        assert_eq!((rest.host.as_str(), rest.count), ("*", 10_000));
        assert!(matches!(rest.outcome, ConnectionOutcome::Refused(_)), "{rest:?}");
    }
}
