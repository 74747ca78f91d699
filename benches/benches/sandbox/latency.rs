//! Start to exit, all contenders in turn.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use crate::{
    containers::{Api, Image, Ours},
    native::Native,
    peers::{self, Peers, bwrap, succeeds},
    table::{Targets, percentile},
};

const ROUNDS: usize = 200;
/// Every how many rounds it is a container's turn, which takes a hundred times as long.
const SELDOM: usize = 8;
/// Long enough for an engine to remove what it was told to and to have made what we keep ready.
const PAUSE: Duration = Duration::from_millis(1500);

/// Somebody whose turn it is now and then, and how long each turn took.
struct Contender<'a> {
    name: &'static str,
    every: usize,
    turn: Box<dyn Fn() -> Duration + 'a>,
    times: Vec<Option<Duration>>,
}

impl<'a> Contender<'a> {
    fn new(name: &'static str, every: usize, turn: impl Fn() -> Duration + 'a) -> Self {
        Self { name, every, turn: Box::new(turn), times: Vec::new() }
    }

    fn take_turn(&mut self, round: usize) {
        let is_due = round.is_multiple_of(self.every);
        self.times.push(is_due.then(|| (self.turn)()));
    }

    /// p10 and median, in milliseconds.
    fn figures(&self) -> (f64, f64) {
        let times: Vec<_> = self.times.iter().flatten().copied().collect();
        (percentile(&times, 10), percentile(&times, 50))
    }

    /// How p10 and median compare to a peer's in the rounds that both took part in.
    fn of(&self, peer: &Self) -> (f64, f64) {
        let both = self.times.iter().zip(&peer.times).filter_map(|(own, other)| own.zip(*other));
        let (own, other): (Vec<_>, Vec<_>) = both.unzip();
        let at = |percent| percentile(&own, percent) / percentile(&other, percent);
        (at(10), at(50))
    }
}

fn timed<'a>(work: impl Fn() + 'a) -> impl Fn() -> Duration + 'a {
    move || {
        let started = Instant::now();
        work();
        started.elapsed()
    }
}

/// What the rows of the targets name.
const PLAIN: &str = "plain exec";
const BWRAP: &str = "bwrap --unshare-all";
const API: &str = "Docker API, hardened: create, start, wait, remove";
const COLD: &str = "**native, cold: open, run, close**";
const WARM: &str = "**native, from the warm pool: adopt, run**";

/// All contenders in turn, so that whatever else the machine does hits them alike.
pub(crate) fn compare(
    peers: &Peers,
    native: &Native,
    warm: &Native,
    folder: &Path,
    targets: &mut Targets,
) {
    let session = native.open();
    let containers = peers.image.as_ref().map(|image| Containers::new(image, folder));
    let mut contenders = by_program(peers);
    contenders.push(Contender::new(COLD, 1, timed(|| native.whole())));
    contenders.push(Contender::new(WARM, 1, || warm.adopted()));
    let in_session = || native.run(&*session);
    contenders.push(Contender::new("native, run in an open session", 1, timed(in_session)));
    if let Some(containers) = &containers {
        contenders.extend(containers.contenders());
    }
    for round in 0..ROUNDS {
        for contender in &mut contenders {
            contender.take_turn(round);
        }
        if containers.is_some() && round.is_multiple_of(SELDOM) {
            std::thread::sleep(PAUSE);
        }
    }
    print(&contenders);
    rows(&contenders, targets);
    drop(contenders);
    containers.into_iter().for_each(Containers::close);
    native.close(session);
}

fn by_program(peers: &Peers) -> Vec<Contender<'_>> {
    let program = &peers.program;
    let mut contenders =
        vec![Contender::new(PLAIN, 1, timed(move || assert!(succeeds(program, &[]))))];
    if peers.bwrap {
        contenders.push(Contender::new(BWRAP, 1, timed(move || assert!(bwrap(program)))));
    }
    if let Some(nsjail) = &peers.nsjail {
        let turn = timed(move || assert!(peers::nsjail(nsjail, program)));
        contenders.push(Contender::new("nsjail -Mo", 1, turn));
    }
    if let Some(hakoniwa) = &peers.hakoniwa {
        let turn = timed(move || assert!(peers::hakoniwa(hakoniwa, program)));
        contenders.push(Contender::new("hakoniwa run", 1, turn));
    }
    if let Some(crun) = &peers.crun {
        let turn = timed(move || assert!(crun.run()));
        contenders.push(Contender::new("crun run, without cgroups", 1, turn));
    }
    if let Some(bundle) = &peers.runc {
        let turn = timed(move || assert!(bundle.runc()));
        contenders.push(Contender::new("runc run", 2, turn));
    }
    contenders
}

/// Everything of a Docker engine.
struct Containers<'a> {
    image: &'a Image,
    api: Api,
    cold: Ours,
    warm: Ours,
    session: Box<dyn matrix_architect_core::traits::Session>,
}

impl<'a> Containers<'a> {
    fn new(image: &'a Image, folder: &Path) -> Self {
        let (cold, warm) = (Ours::new(image, folder, 0), Ours::new(image, folder, 1));
        // The first one tells which to keep ready.
        warm.whole();
        std::thread::sleep(PAUSE);
        Self { image, api: Api::new(image), session: cold.open(), cold, warm }
    }

    fn contenders(&self) -> Vec<Contender<'_>> {
        let seldom = |name, turn| Contender { name, every: SELDOM, turn, times: Vec::new() };
        vec![
            seldom("Docker sandbox, warm: adopt, run", Box::new(|| self.warm.adopted())),
            seldom(
                "Docker sandbox, run in an open session",
                Box::new(timed(|| self.cold.run(&*self.session))),
            ),
            seldom("Docker sandbox, cold: open, run, close", Box::new(timed(|| self.cold.whole()))),
            seldom(API, Box::new(timed(|| self.api.whole()))),
            seldom(
                "`docker run --rm --network=none`, hardened",
                Box::new(timed(|| assert!(self.image.client()))),
            ),
        ]
    }

    fn close(self) {
        self.cold.close(self.session);
    }
}

fn find<'a, 'b>(contenders: &'b [Contender<'a>], name: &str) -> Option<&'b Contender<'a>> {
    contenders.iter().find(|contender| contender.name == name)
}

fn print(contenders: &[Contender<'_>]) {
    let peers = [BWRAP, PLAIN, API].map(|name| find(contenders, name));
    println!(
        "\n| start to exit | turns | p10 / median | of bwrap | of plain exec | of Docker API |"
    );
    println!("|---|---|---|---|---|---|");
    for contender in contenders {
        let (low, middle) = contender.figures();
        let turns = contender.times.iter().flatten().count();
        print!("| {} | {turns} | {low:.2} / {middle:.2} ms |", contender.name);
        for peer in peers {
            match peer.map(|peer| contender.of(peer)) {
                Some((low, middle)) if middle < 0.1 => print!(" {low:.3} / {middle:.3} |"),
                Some((low, middle)) => print!(" {low:.2} / {middle:.2} |"),
                None => print!(" missing |"),
            }
        }
        println!();
    }
}

fn rows(contenders: &[Contender<'_>], targets: &mut Targets) {
    let of = |own: &str, peer: &str| {
        let (own, peer) = (find(contenders, own)?, find(contenders, peer)?);
        Some(own.of(peer))
    };
    let both = |ratio: Option<(f64, f64)>| {
        ratio.map(|(low, middle)| (low.max(middle), format!("{low:.2} / {middle:.2} ×")))
    };
    let cold = "native, cold, of bwrap (p10 / median)";
    targets.at_most(cold, "≤ 0.50 ×", 0.50, both(of(COLD, BWRAP)));
    let api = of(COLD, API).map(|(_, middle)| (middle, format!("{middle:.3} ×")));
    targets.at_most("native, cold, of hardened Docker API (median)", "≤ 0.10 ×", 0.10, api);
    let warm = "native, warm pool, of bwrap (p10 / median)";
    targets.at_most(warm, "≤ 0.25 ×", 0.25, both(of(WARM, BWRAP)));
    let plain = of(WARM, PLAIN).map(|(low, _)| (low, format!("{low:.2} ×")));
    targets.at_most("native, warm pool, of plain fork and exec (p10)", "≤ 2.5 ×", 2.5, plain);
}
