//! Two workers for a while, contender after contender in short blocks.

use std::{
    path::Path,
    sync::Barrier,
    time::{Duration, Instant},
};

use crate::{
    containers::Api,
    native::Native,
    peers::{Peers, bwrap, succeeds},
    root::Root,
    table::Targets,
};

/// How long two workers run before it is the next contender's turn.
const BLOCK: Duration = Duration::from_secs(3);

/// How often it is each contender's turn.
#[expect(clippy::disallowed_methods, reason = "how long a bench may take is told by who runs it")]
fn blocks() -> u32 {
    std::env::var("ARCHITECT_BENCH_BLOCKS").map_or(3, |blocks| blocks.parse().unwrap())
}

/// How often two workers get through in a second; what a worker needs is made before.
fn by_two<W: FnMut()>(start: impl Fn() -> W + Sync) -> f64 {
    let together = Barrier::new(2);
    let count = || {
        let mut work = start();
        together.wait();
        let (started, mut count) = (Instant::now(), 0_u32);
        while started.elapsed() < BLOCK {
            work();
            count += 1;
        }
        f64::from(count) / started.elapsed().as_secs_f64()
    };
    std::thread::scope(|scope| {
        let workers = [scope.spawn(count), scope.spawn(count)];
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    })
}

const BWRAP: &str = "bwrap";
const API: &str = "Docker API, hardened";
const OWN: &str = "native, a session for each";
const WARM: &str = "native, a session for each, from a warm pool of two";
const OPEN: &str = "native, in open sessions";

pub(crate) fn compare(
    peers: &Peers,
    root: &Root,
    cold: &Native,
    folder: &Path,
    targets: &mut Targets,
) {
    let pool = Native::new(root, folder, 2);
    let (program, image) = (&peers.program, peers.image.as_ref());
    let with = |native: &Native| Native::with(native.sandbox.clone(), folder);
    let plain = || by_two(|| || assert!(succeeds(program, &[])));
    let wrapped = || by_two(|| || assert!(bwrap(program)));
    let whole = |native: &Native| {
        by_two(|| {
            let native = with(native);
            move || native.whole()
        })
    };
    let (own, warm) = (|| whole(cold), || whole(&pool));
    let open = || {
        by_two(|| {
            let native = with(cold);
            let session = native.open();
            move || native.run(&*session)
        })
    };
    let mut contenders: Vec<(&str, &dyn Fn() -> f64)> = vec![("plain exec", &plain)];
    if peers.bwrap {
        contenders.push((BWRAP, &wrapped));
    }
    contenders.extend([(OWN, &own as &dyn Fn() -> f64), (WARM, &warm), (OPEN, &open)]);
    let api = || {
        by_two(|| {
            let api = Api::new(image.unwrap());
            move || api.whole()
        })
    };
    if image.is_some() {
        contenders.push((API, &api));
    }
    let (mut rates, blocks) = (vec![0.0; contenders.len()], blocks());
    for _ in 0..blocks {
        for ((_, contender), rate) in contenders.iter().zip(&mut rates) {
            *rate += contender() / f64::from(blocks);
        }
    }
    let names = contenders.iter().map(|(name, _)| *name);
    println!("\n| two workers, {blocks} blocks of 3 s each | runs/s | of bwrap | of Docker API |");
    tell(&names.zip(rates).collect::<Vec<_>>(), targets);
}

fn tell(rates: &[(&str, f64)], targets: &mut Targets) {
    let rate = |name: &str| rates.iter().find(|(other, _)| *other == name).map(|(_, rate)| *rate);
    println!("|---|---|---|---|");
    let of = |own: f64, peer| {
        rate(peer).map_or("missing".to_owned(), |peer| format!("{:.2}", own / peer))
    };
    for (name, own) in rates {
        println!("| {name} | {own:.1} | {} | {} |", of(*own, BWRAP), of(*own, API));
    }
    for own in [OWN, WARM, OPEN] {
        for (peer, target, least) in [(BWRAP, "≥ 3 ×", 3.0), (API, "≥ 40 ×", 40.0)] {
            let ratio = rate(own).zip(rate(peer)).map(|(own, peer)| own / peer);
            let measured = ratio.map(|ratio| (ratio, format!("{ratio:.2} ×")));
            targets.at_least(&format!("two workers, {own}, of {peer}"), target, least, measured);
        }
    }
}
