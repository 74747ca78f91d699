//! What isolation costs, beside every peer that is here: the rows of the targets' first section,
//! each as a ratio.
//!
//! All contenders run the same program, static and with nothing in it but its exit. Where latency is
//! compared they take turns in one loop, and where throughput is, in short blocks; on a busy
//! machine only what was measured side by side compares. The sandboxes' figures hold with everything
//! on: namespaces, landlock, seccomp, cgroups where the machine lets us make some, output pumped,
//! verdict and usage told, and, when cold, the session opened, closed and gone.
//!
//! Peers are found in the path; those that are missing are named. What the bench makes (an image, two
//! bundles, a root) it removes. The programs nsjail and hakoniwa, which few systems have as packages, may
//! also be named by `ARCHITECT_BENCH_NSJAIL` and `ARCHITECT_BENCH_HAKONIWA`. `ARCHITECT_BENCH_BLOCKS` says for
//! how many blocks of three seconds two workers run, 3 unless told; the targets' minute is 20.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on stops")]
#![expect(clippy::print_stdout, reason = "the tables are what this bench is for")]

mod bounds;
mod containers;
mod latency;
mod native;
mod peers;
mod root;
mod sustained;
mod table;

use native::Native;
use peers::Peers;
use root::Root;
use table::Targets;

fn main() {
    // Of all that criterion's benches take, only the filter that runs none is known here.
    if std::env::args().any(|word| word == "--test" || word == "--list") {
        return;
    }
    let (root, folder) = (Root::new(), tempfile::tempdir().unwrap());
    std::fs::write(folder.path().join("hello.txt"), "hello").unwrap();
    println!("load average before: {}", load());
    let peers = Peers::look(&root);
    let mut targets = Targets::default();
    let cold = Native::new(&root, folder.path(), 0);
    let warm = Native::new(&root, folder.path(), 1);
    latency::compare(&peers, &cold, &warm, folder.path(), &mut targets);
    drop(warm);
    sustained::compare(&peers, &root, &cold, folder.path(), &mut targets);
    bounds::large_server(&cold, &mut targets);
    bounds::flood(&cold, &mut targets);
    bounds::timeouts(&cold, &mut targets);
    bounds::doctor(&mut targets);
    if let Some(image) = &peers.image {
        containers::flood(image, folder.path());
    }
    targets.print();
    println!("\nload average after: {}", load());
}

fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
