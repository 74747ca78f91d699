//! Which jobs next: a pure rule that all backends ask.
//!
//! Two levels. Tenants stand in a ring by virtual time: who was served moves on by one, and who
//! comes back from idling starts where the ring is now, with neither credit nor debt (start-time
//! fair queueing, Goyal, Vin and Cheng 1996, with jobs of unit cost). Within a tenant the priority
//! decides, and a job gains one level of it for every [`AGEING`] it has waited; then the moment
//! from which it was ready; then the order of creation.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::Duration,
};

use matrix_architect_core::{id::TenantId, time::Timestamp};

/// How long a job waits for one level of priority.
const AGEING: Duration = Duration::from_mins(10);

/// A job that is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The order in which it was created.
    pub(crate) number: i64,
    /// Its priority's rank.
    pub(crate) rank: u8,
    /// Since when it is ready.
    pub(crate) ready_at: Timestamp,
}

impl Head {
    fn order(&self) -> (Timestamp, i64) {
        (self.ready_at + AGEING * u32::from(self.rank), self.number)
    }
}

/// A tenant's ready jobs, or the first of them at each priority.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// Whose.
    pub(crate) tenant: TenantId,
    /// The tenant's place in the ring.
    pub(crate) turn: i64,
    /// The jobs, in any order.
    pub(crate) heads: Vec<Head>,
}

/// What was picked.
#[derive(Debug, Default)]
pub(crate) struct Picked {
    /// The jobs' numbers in the order in which they are taken.
    pub(crate) jobs: Vec<i64>,
    /// The new places of the tenants that were served.
    pub(crate) turns: Vec<(TenantId, i64)>,
}

/// Picks up to `max` jobs from the lines. `latest` is the highest place anybody has in the ring.
pub(crate) fn pick(lines: Vec<Line>, latest: i64, max: usize) -> Picked {
    // Whoever was served last had its place just before the highest.
    let present = (latest - 1).max(0);
    let mut queues: Vec<(TenantId, bool, VecDeque<i64>)> = Vec::with_capacity(lines.len());
    let mut ring = BinaryHeap::with_capacity(lines.len());
    let mut lines = lines;
    lines.sort_by(|one, other| one.tenant.cmp(&other.tenant));
    for (place, mut line) in lines.into_iter().enumerate() {
        line.heads.sort_by_key(Head::order);
        ring.push(Reverse((line.turn.max(present), place)));
        let jobs = line.heads.iter().map(|head| head.number).collect();
        queues.push((line.tenant, false, jobs));
    }
    let mut picked = Picked::default();
    let mut turns = vec![0; queues.len()];
    while picked.jobs.len() < max {
        let Some(Reverse((turn, place))) = ring.pop() else { break };
        let (_, served, jobs) = &mut queues[place];
        let Some(job) = jobs.pop_front() else { continue };
        *served = true;
        turns[place] = turn + 1;
        picked.jobs.push(job);
        ring.push(Reverse((turn + 1, place)));
    }
    let served = queues.into_iter().zip(turns).filter(|((_, served, _), _)| *served);
    picked.turns = served.map(|((tenant, ..), turn)| (tenant, turn)).collect();
    picked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(tenant: &str, turn: i64, jobs: impl IntoIterator<Item = i64>) -> Line {
        let head = |number| Head { number, rank: 1, ready_at: Timestamp::default() };
        let heads = jobs.into_iter().map(head).collect();
        Line { tenant: TenantId::new(tenant).unwrap(), turn, heads }
    }

    #[test]
    fn tenants_take_turns_whatever_they_have_waiting() {
        let lines = vec![line("busy", 0, 0..1000), line("small", 0, [2000, 2001])];
        assert_eq!(pick(lines, 0, 5).jobs, [0, 2000, 1, 2001, 2]);
    }

    #[test]
    fn who_comes_back_from_idling_has_no_credit() {
        let lines = vec![line("back", 0, 0..10), line("steady", 100, 10..20)];
        let picked = pick(lines, 100, 4);
        assert_eq!(picked.jobs, [0, 1, 10, 2], "one turn ahead, not a hundred");
        let turn = |name: &str| picked.turns.iter().find(|(id, _)| id.as_str() == name).unwrap().1;
        assert_eq!((turn("back"), turn("steady")), (102, 101));
    }

    #[test]
    fn a_low_job_overtakes_once_it_has_waited_long_enough() {
        let start = Timestamp::default();
        let low = Head { number: 1, rank: 2, ready_at: start };
        let high = |waited: u64| Head {
            number: 2,
            rank: 0,
            ready_at: start + Duration::from_secs(waited),
        };
        let first = |heads: Vec<Head>| {
            let tenant = TenantId::default();
            pick(vec![Line { tenant, turn: 0, heads }], 0, 1).jobs[0]
        };
        assert_eq!(first(vec![low.clone(), high(1199)]), 2);
        assert_eq!(first(vec![low, high(1201)]), 1);
    }

    #[test]
    fn nobody_is_served_when_nothing_waits() {
        let picked = pick(vec![line("idle", 3, [])], 9, 5);
        assert!(picked.jobs.is_empty() && picked.turns.is_empty());
    }
}
