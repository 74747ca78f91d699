//! What a session wanted to reach, in order, and how many bytes that came to.

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use matrix_architect_core::traits::{Connection, ConnectionOutcome};

/// Later connections are counted by their bytes alone.
const MAX_RECORDS: usize = 10_000;

/// The longest host that is written down.
const MAX_HOST: usize = 300;

/// The connections of a session.
#[derive(Debug)]
pub(super) struct Ledger {
    records: Mutex<Vec<Arc<Record>>>,
    bytes: AtomicU64,
    cap: u64,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Record {
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
        let record = Arc::new(Record {
            connection: Mutex::new(Connection::new(host, port, outcome)),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
        });
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        if records.len() < MAX_RECORDS {
            records.push(Arc::clone(&record));
        }
        record
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
        records.iter().map(|record| record.connection()).collect()
    }
}

impl Record {
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
        connection.sent = self.sent.load(Ordering::Relaxed);
        connection.received = self.received.load(Ordering::Relaxed);
        connection
    }
}
