//! What is left behind: after many runs, after a flood, after the server was killed.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::Stdio,
    time::{Duration, Instant},
};

use matrix_architect_core::{
    conformance::{files::Files, sandbox::Isolates as _},
    traits::{Cancel, Command, Sandbox as _},
};

use super::ground::{Ground, cgroups, children, mounts, only_child};
use crate::{
    alone::{again, is_alone},
    own::{Told, a_flood_needs_no_memory, alone, open_descriptors, runtime, spec},
};

#[test]
fn two_hundred_runs_leave_nothing_behind() {
    alone("native::leaks::two_hundred_runs_leave_nothing_behind", || {
        runtime().block_on(async {
            let ground = Ground::with_cgroups();
            let before = (open_descriptors(), mounts());
            for number in 0..100 {
                let session = ground.sandbox.open(&Files::default(), &spec(number)).await.unwrap();
                for _ in 0..2 {
                    let line = Command::shell("setsid sleep 100 & echo x > file");
                    session.run(&line, &mut Vec::new(), &Cancel::new()).await.unwrap();
                }
                session.close().await.unwrap();
            }
            let mut left = ground.leftovers().await;
            let until = Instant::now() + Duration::from_secs(10);
            while !left.is_empty() && Instant::now() < until {
                tokio::time::sleep(Duration::from_millis(50)).await;
                left = ground.leftovers().await;
            }
            assert_eq!(left, Vec::<String>::new());
            assert_eq!((open_descriptors(), mounts()), before);
            assert_eq!(children(std::process::id()).len(), 1, "the helper alone");
        });
    });
}

#[test]
fn a_flood_of_output_needs_no_more_memory_than_its_cap() {
    alone("native::leaks::a_flood_of_output_needs_no_more_memory_than_its_cap", || {
        runtime().block_on(async {
            let ground = Ground::with_cgroups();
            a_flood_needs_no_memory(&ground.sandbox, 0, 2048).await;
        });
    });
}

#[test]
fn a_killed_server_takes_its_sessions_along_and_the_next_reaps_the_rest() {
    let test =
        "native::leaks::a_killed_server_takes_its_sessions_along_and_the_next_reaps_the_rest";
    if is_alone() {
        return runtime().block_on(run_until_killed());
    }
    let mut server = again(test).stdout(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(server.stdout.take().unwrap()).lines();
    // The test harness speaks first, perhaps on the same line.
    let helper = told.find_map(|line| line.unwrap().split("helper ").nth(1)?.parse().ok()).unwrap();
    told.find(|line| line.as_ref().unwrap().contains("inside")).unwrap().unwrap();
    let session = runtime().block_on(only_child(helper));
    let had_cgroups = !cgroups(helper).is_empty();
    server.kill().unwrap();
    server.wait().unwrap();
    let until = Instant::now() + Duration::from_secs(5);
    let gone = |pid: &u32| !fs::exists(format!("/proc/{pid}")).unwrap();
    while !(gone(&helper) && gone(&session)) {
        assert!(Instant::now() < until, "the helper or its session outlived the server");
        std::thread::sleep(Duration::from_millis(10));
    }
    let ground = Ground::with_cgroups();
    let reaped = runtime().block_on(ground.sandbox.reap()).unwrap();
    assert!(reaped >= u64::from(had_cgroups), "{reaped} sessions were reaped");
    assert_eq!(cgroups(helper), Vec::<String>::new());
}

/// Lives as a server that runs a command for ever.
#[expect(clippy::print_stdout, reason = "the test that started this process listens")]
async fn run_until_killed() {
    let ground = Ground::with_cgroups();
    println!("\nhelper {}", ground.sandbox.helper_id());
    let session = ground.sandbox.open(&Files::default(), &spec(1)).await.unwrap();
    let line =
        Command::shell("setsid sh -c 'trap \"\" TERM; sleep 1000' & echo inside; sleep 1000");
    session.run(&line, &mut Told, &Cancel::new()).await.unwrap();
}

#[test]
fn a_helper_that_was_killed_is_started_again() {
    runtime().block_on(async {
        let ground = Ground::with_cgroups();
        let pid = rustix::process::Pid::from_raw(ground.sandbox.helper_id().cast_signed()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        let until = Instant::now() + Duration::from_secs(5);
        let session = loop {
            match ground.sandbox.open(&Files::default(), &spec(1)).await {
                Ok(session) => break session,
                Err(error) => assert!(error.is_retryable() && Instant::now() < until, "{error:?}"),
            }
        };
        let exit = session.run(&Command::shell("true"), &mut Vec::new(), &Cancel::new()).await;
        assert!(exit.unwrap().verdict.is_success());
        session.close().await.unwrap();
    });
}
