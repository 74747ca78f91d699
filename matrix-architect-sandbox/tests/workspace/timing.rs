//! How long our own part takes: run with `cargo test --release --test workspace timing -- --ignored
//! --nocapture`.

use std::time::{Duration, Instant};

use matrix_architect_core::{plan::FileOpKind, traits::Workspace as _};

use crate::{
    change::{change, op},
    repo::{Desk, Repo},
};

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[tokio::test]
#[ignore = "prints figures and promises none"]
async fn a_checkout_and_a_change_of_one_file() {
    let (Some(repo), desk) = (Repo::sample(), Desk::new()) else { return };
    for number in 0..50 {
        repo.write(&format!("src/m{number}.rs"), format!("pub fn f{number}() {{}}\n").repeat(20));
    }
    repo.commit("more");
    let ops = || vec![op(FileOpKind::Update, "README.md", Some("# Changed\n"))];
    for (name, spec) in [("read in place", repo.local()), ("fetched", repo.url(None))] {
        let mut times: [Vec<Duration>; 3] = Default::default();
        for _ in 0..31 {
            let started = Instant::now();
            let base = desk.checkout(&spec).await.unwrap();
            times[0].push(started.elapsed());
            let started = Instant::now();
            let resolved = desk.resolve(&spec, &base, &change(ops())).await.unwrap();
            times[1].push(started.elapsed());
            let started = Instant::now();
            desk.workspace.apply(&*base.tree, &resolved).await.unwrap();
            times[2].push(started.elapsed());
        }
        let [checkout, resolve, apply] = times.map(median);
        println!("{name}: checkout {checkout:?}, resolve {resolve:?}, apply {apply:?}");
    }
}
