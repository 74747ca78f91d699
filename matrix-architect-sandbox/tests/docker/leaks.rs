//! What is left behind: after many sessions, after a flood, after the server was killed.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
    time::{Duration, Instant},
};

use matrix_architect_core::{
    conformance::{files::Files, sandbox::Isolates as _},
    id::{JobId, TenantId},
    tenant::JobRef,
    traits::{Cancel, Command, Fence, Sandbox as _},
};

use super::ground::{Ground, all_are_gone, labelled};
use crate::{
    alone::{again, is_alone},
    image::docker,
    own::{Told, a_flood_needs_no_memory, alone, open_descriptors, runtime, spec},
};

#[test]
fn many_sessions_leave_nothing_behind_and_some_are_kept_ready() {
    alone("docker::leaks::many_sessions_leave_nothing_behind_and_some_are_kept_ready", || {
        // The first runtime of a process opens what its signals need.
        drop(runtime());
        let before = open_descriptors();
        let label = runtime().block_on(async {
            let ground = Ground::with(|config| config.warm(1)).await?;
            for number in 0..8 {
                let session = ground.sandbox.open(&Files::default(), &spec(number)).await.unwrap();
                for _ in 0..2 {
                    let line = Command::shell("setsid sleep 100 & echo x > file");
                    session.run(&line, &mut Vec::new(), &Cancel::new()).await.unwrap();
                }
                if number % 2 == 0 {
                    session.close().await.unwrap();
                }
            }
            Some(ground.sandbox.label())
        });
        let Some(label) = label else { return };
        // The last one to go waited for what was kept ready and what was only dropped.
        all_are_gone(&label);
        assert_eq!(open_descriptors(), before);
    });
}

#[tokio::test]
async fn a_session_that_was_kept_ready_is_nobodys_before() {
    let Some(ground) = Ground::with(|config| config.warm(1)).await else { return };
    for number in 0..3 {
        let tree = Files::new(&[("number", &number.to_string())]).unwrap();
        let session = ground.sandbox.open(&tree, &spec(number)).await.unwrap();
        let line = Command::shell("cat number; ls -A . ~ /tmp /dev/shm; echo > /tmp/left");
        let mut output = Vec::new();
        session.run(&line, &mut output, &Cancel::new()).await.unwrap();
        let told = String::from_utf8_lossy(&output);
        let empty = ".:\nnumber\n\n/dev/shm:\n\n/home/sandbox:\n\n/tmp:\n";
        assert_eq!(told, format!("{number}{empty}"));
        session.close().await.unwrap();
    }
}

#[test]
fn a_flood_of_output_needs_no_more_memory_than_its_cap() {
    alone("docker::leaks::a_flood_of_output_needs_no_more_memory_than_its_cap", || {
        runtime().block_on(async {
            let Some(ground) = Ground::here().await else { return };
            a_flood_needs_no_memory(&ground.sandbox, 20, 256).await;
        });
    });
}

#[test]
fn what_a_killed_server_leaves_is_reaped_and_what_lives_is_not() {
    let test = "docker::leaks::what_a_killed_server_leaves_is_reaped_and_what_lives_is_not";
    if is_alone() {
        return runtime().block_on(run_until_killed());
    }
    runtime().block_on(async {
        let Some(ground) = Ground::here().await else { return };
        let living = ground.sandbox.open(&Files::default(), &spec(1)).await.unwrap();
        let mut server = again(test).stdout(Stdio::piped()).spawn().unwrap();
        let mut told = BufReader::new(server.stdout.take().unwrap()).lines();
        // The test harness speaks first, perhaps on the same line.
        let label = told.find_map(|line| line.unwrap().split("label ").nth(1).map(str::to_owned));
        let label = label.unwrap();
        told.find(|line| line.as_ref().unwrap().contains("inside")).unwrap().unwrap();
        let of_job = docker(&["ps", "--quiet", "--filter", "label=dev.matrix-architect.job=job-7"]);
        assert_eq!(of_job.unwrap().lines().count(), 3, "the holder, the command and the next");
        server.kill().unwrap();
        server.wait().unwrap();
        // The next command's container and the holder end with their input; the command runs on.
        let running = || docker(&["ps", "--quiet", "--filter", &format!("label={label}")]).unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        while running().lines().count() > 1 {
            assert!(
                Instant::now() < until,
                "containers without an owner wait on: {:?}",
                labelled(&label)
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        let other = Ground::here().await.unwrap();
        assert!(other.sandbox.reap().await.unwrap() >= 1);
        all_are_gone(&label);
        // Sessions of other tests may have lost their owners meanwhile.
        other.sandbox.reap().await.unwrap();
        all_are_gone(&label);
        let run = living.run(&Command::shell("true"), &mut Vec::new(), &Cancel::new()).await;
        assert!(run.unwrap().verdict.is_success(), "what lives was reaped");
        living.close().await.unwrap();
        assert_eq!(ground.leftovers().await, Vec::<String>::new());
    });
}

/// Lives as a server that runs a command for ever.
#[expect(clippy::print_stdout, reason = "the test that started this process listens")]
async fn run_until_killed() {
    let ground = Ground::here().await.unwrap();
    println!("\nlabel {}", ground.sandbox.label());
    let mut spec = spec(1);
    let job = JobRef::new(TenantId::new("tenant").unwrap(), JobId::new("job-7").unwrap());
    spec.owner = Some((job, Fence(3)));
    let session = ground.sandbox.open(&Files::default(), &spec).await.unwrap();
    let line = Command::shell("sleep 3; echo inside; sleep 1000");
    session.run(&line, &mut Told, &Cancel::new()).await.unwrap();
}
