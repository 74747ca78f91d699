//! Services of a session: a real database, services that misbehave, and what is left of them.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use matrix_architect_core::{
    conformance::{files::Files, sandbox::Isolates as _},
    error::ErrorKind,
    traits::{
        Cancel, Collect, Command, Exit, ExitVerdict, Limits, Readiness, Sandbox as _, Service,
        ServiceState, Session,
    },
};

use super::{
    ground::{Ground, all_are_gone, labelled},
    reach::{threads, threads_are},
};
use crate::{
    alone::{again, is_alone, skip},
    image::{self, docker},
    own::{alone, open_descriptors, runtime, spec},
};

async fn open(ground: &Ground) -> Box<dyn Session> {
    let mut spec = spec(1);
    spec.limits = spec.limits.disk(256 << 20).memory(512 << 20).processes(256);
    ground.sandbox.open(&Files::default(), &spec).await.unwrap()
}

async fn say(session: &dyn Session, line: &str) -> (Exit, String) {
    let mut output = Vec::new();
    let exit = session.run(&Command::shell(line), &mut output, &Cancel::new()).await.unwrap();
    (exit, String::from_utf8_lossy(&output).into_owned())
}

fn service(name: &str, line: &str, ready: &str) -> Service {
    Service::new(name, Command::shell(line), Readiness::Command(ready.to_owned()))
}

async fn start(session: &dyn Session, service: &Service) {
    session.start(service, &Cancel::new()).await.unwrap();
}

/// The last service's state once it is as wished.
async fn until(session: &dyn Session, wished: fn(&ServiceState) -> bool) -> ServiceState {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let state = session.services().await.unwrap().pop().unwrap();
        if wished(&state) {
            return state;
        }
        assert!(Instant::now() < until, "{state:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until nothing of the ground's sessions is left.
async fn settle(ground: &Ground) {
    let until = Instant::now() + Duration::from_secs(30);
    let mut left = ground.leftovers().await;
    while !left.is_empty() {
        assert!(Instant::now() < until, "left behind: {left:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
        left = ground.leftovers().await;
    }
}

#[tokio::test]
async fn a_real_database_serves_the_commands_beside_it() {
    let Some(ground) = Ground::here().await else { return };
    let Some(bin) = image::postgres() else {
        return skip("PostgreSQL's server is not installed");
    };
    let (bin, session) = (bin.display(), open(&ground).await);
    let line = format!(
        "{bin}/initdb -D /tmp/db -A trust -U tester --no-sync >&2 && \
         exec {bin}/postgres -D /tmp/db -k /tmp -c listen_addresses=127.0.0.1 -c fsync=off"
    );
    let db = Service::new("db", Command::shell(line), Readiness::Port(5432));
    start(&*session, &db).await;
    let psql = format!("{bin}/psql -X -A -t -q -v ON_ERROR_STOP=1 -U tester -h 127.0.0.1 postgres");
    let line = format!(
        "until {bin}/pg_isready -q -h 127.0.0.1; do sleep 0.1; done; \
         {psql} -c 'create table t(n int); insert into t values (20), (22); select sum(n) from t'"
    );
    let (exit, said) = say(&*session, &line).await;
    assert_eq!((exit.verdict, said.as_str()), (ExitVerdict::Exited(0), "42\n"));
    let state = session.services().await.unwrap().pop().unwrap();
    assert_eq!(state.ended, None);
    assert!(String::from_utf8_lossy(&state.output).contains("ready to accept connections"));
    session.close().await.unwrap();
    settle(&ground).await;
}

#[tokio::test]
async fn what_is_wrong_with_a_start_is_told() {
    let Some(ground) = Ground::here().await else { return };
    let session = open(&ground).await;
    let away = "setsid sh -c 'while :; do touch alive; sleep 0.05; done' & echo forked";
    let error = session.start(&service("away", away, "test -e never"), &Cancel::new()).await;
    let error = error.unwrap_err();
    assert_eq!((error.kind(), error.code_str()), (ErrorKind::Unavailable, "service_not_ready"));
    for part in ["away", "exit code 0", "forked", "foreground"] {
        assert!(error.to_string().contains(part), "{part}: {error}");
    }
    let (_, said) = say(&*session, "rm -f alive; sleep 0.5; test -e alive || echo gone").await;
    assert_eq!(said, "gone\n", "what it started outlives it");
    let absent = Service::new("db", Command::new(["no-such-database"]), Readiness::Port(1));
    let error = session.start(&absent, &Cancel::new()).await.unwrap_err();
    assert_eq!((error.kind(), error.code_str()), (ErrorKind::NotFound, "program_not_found"));
    assert_eq!(error.context_value("service"), Some("db"));
    let serve = |name: &str| {
        let serve = ["python3", "-I", "-m", "http.server", "--bind", "0.0.0.0", "8125"];
        Service::new(name, Command::new(serve), Readiness::Port(8125))
    };
    start(&*session, &serve("web")).await;
    for (name, flaw) in [("web", "name"), ("other", "port")] {
        let error = session.start(&serve(name), &Cancel::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "the {flaw} is the first's: {error}");
    }
    session.close().await.unwrap();
    settle(&ground).await;
}

#[tokio::test]
async fn what_becomes_of_one_is_its_own() {
    let Some(ground) = Ground::here().await else { return };
    let session = open(&ground).await;
    let eat = "while [ ! -e eat ]; do sleep 0.05; done; exec python3 -I -c \"\
               held = []\nwhile True: held.append(b'x' * (4 << 20))\"";
    let mut hog = service("hog", eat, "true");
    let limits = Limits::default().disk(256 << 20).memory(96 << 20).processes(16);
    hog.command.limits = Some(limits.wall(Duration::from_millis(1)));
    start(&*session, &hog).await;
    say(&*session, "touch eat").await;
    let state = until(&*session, |state| state.ended.is_some()).await;
    assert_eq!(state.ended, Some(ExitVerdict::OutOfMemory));
    let loud = "head -c 64M /dev/zero; echo the end; touch done; exec sleep 1000";
    start(&*session, &service("loud", loud, "test -e done")).await;
    let state = until(&*session, |state| state.output.ends_with(b"the end\n")).await;
    assert_eq!((state.output.len(), state.ended), (64 << 10, None));
    let mortal = "echo $$ > pid; exec sleep 4321";
    start(&*session, &service("mortal", mortal, "test -s pid")).await;
    // Its first process, which no command can see.
    let label = ground.sandbox.label();
    let all = docker(&["ps", "--quiet", "--filter", &format!("label={label}")]).unwrap();
    let runs = |id: &&str| {
        docker(&["top", id, "-o", "pid,args"]).is_some_and(|told| told.contains("sleep 4321"))
    };
    let last = all.lines().find(runs).expect("the last one's container comes first");
    docker(&["exec", last, "sh", "-c", "kill -9 $(cat /workspace/pid)"]);
    let state = until(&*session, |state| state.ended.is_some()).await;
    assert_eq!((state.name.as_str(), state.ended), ("mortal", Some(ExitVerdict::Signalled(9))));
    assert!(say(&*session, "true").await.0.verdict.is_success(), "the session goes on");
    let states = session.services().await.unwrap();
    let ended: Vec<_> = states.iter().map(|state| state.ended.is_some()).collect();
    assert_eq!(ended, [true, false, true]);
    session.close().await.unwrap();
    settle(&ground).await;
}

#[tokio::test]
async fn they_are_held_still_while_files_are_taken_out() {
    let Some(ground) = Ground::here().await else { return };
    let session = open(&ground).await;
    // Whoever reads `one` and `two` in any order at two moments finds them unequal.
    let restless =
        "n=0; mkdir -p d; while :; do n=$((n+1)); echo $n > d/one; echo $n > d/two; done";
    start(&*session, &service("restless", restless, "test -s d/two")).await;
    let before = say(&*session, "cat d/two").await.1;
    let number = |text: &str| text.trim().parse::<u64>().unwrap_or(0);
    for _ in 0..3 {
        let archive = session.collect(&Collect::new(["d/**"])).await.unwrap();
        let archive = archive.collect(1 << 20).await.unwrap();
        let mut archive = tar::Archive::new(&archive[..]);
        let mut numbers = BTreeMap::new();
        for entry in archive.entries().unwrap() {
            let (mut entry, mut text) = (entry.unwrap(), String::new());
            entry.read_to_string(&mut text).unwrap();
            numbers.insert(entry.path().unwrap().into_owned(), number(&text));
        }
        let (one, two) = (numbers[Path::new("d/one")], numbers[Path::new("d/two")]);
        // One may have been emptied to be written anew.
        assert!(one == two || one == two + 1 || one == 0 || two == 0, "{one} and {two}");
    }
    let until = Instant::now() + Duration::from_secs(20);
    while number(&say(&*session, "cat d/two").await.1) <= number(&before) {
        assert!(Instant::now() < until, "it was not let go on");
    }
    session.close().await.unwrap();
    settle(&ground).await;
}

#[tokio::test]
async fn a_start_or_a_session_that_is_dropped_leaves_nothing() {
    let Some(ground) = Ground::here().await else { return };
    let session = open(&ground).await;
    start(&*session, &service("kept", "setsid sleep 1000 & sleep 1000", "true")).await;
    drop(session);
    settle(&ground).await;
    let session = open(&ground).await;
    let cancel = Cancel::new();
    let late = service("late", "sleep 1000", "touch asked; false");
    {
        let mut start = session.start(&late, &cancel);
        // As soon as it runs, whenever that is.
        let seen = async {
            while session.services().await.unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            _ = &mut start => panic!("it cannot be ready"),
            () = seen => {}
        }
    }
    settle(&ground).await;
    let closed = session.services().await.unwrap_err();
    assert_eq!(closed.code_str(), "session_closed");
    let session = open(&ground).await;
    let seen = async {
        while session.services().await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        cancel.cancel();
    };
    let (started, ()) = tokio::join!(session.start(&late, &cancel), seen);
    assert!(started.unwrap_err().is_cancelled());
    assert!(say(&*session, "true").await.0.verdict.is_success(), "the session goes on");
    session.close().await.unwrap();
    settle(&ground).await;
}

#[test]
fn they_leave_no_descriptor_and_no_thread() {
    alone("docker::services::they_leave_no_descriptor_and_no_thread", || {
        drop(runtime());
        let before = (open_descriptors(), threads());
        let label = runtime().block_on(async {
            let ground = Ground::here().await?;
            for number in 0..3 {
                let session = open(&ground).await;
                for name in ["one", "two"] {
                    start(&*session, &service(name, "setsid sleep 1000 & sleep 1000", "true"))
                        .await;
                }
                if number % 2 == 0 {
                    session.close().await.unwrap();
                }
            }
            Some(ground.sandbox.label())
        });
        let Some(label) = label else { return };
        all_are_gone(&label);
        assert_eq!(open_descriptors(), before.0);
        threads_are(before.1);
    });
}

#[test]
fn those_of_a_killed_server_are_reaped() {
    if is_alone() {
        return runtime().block_on(serve_until_killed());
    }
    runtime().block_on(async {
        let Some(ground) = Ground::here().await else { return };
        let test = "docker::services::those_of_a_killed_server_are_reaped";
        let mut server = again(test).stdout(Stdio::piped()).spawn().unwrap();
        let mut told = BufReader::new(server.stdout.take().unwrap()).lines();
        let label = told.find_map(|line| line.unwrap().split("label ").nth(1).map(str::to_owned));
        let label = label.unwrap();
        let running = || {
            let filter = format!("label={label}");
            docker(&["ps", "--quiet", "--filter", &filter]).unwrap().lines().count()
        };
        assert!(running() >= 2, "the holder and the service");
        server.kill().unwrap();
        server.wait().unwrap();
        let until = Instant::now() + Duration::from_secs(30);
        while !labelled(&label).is_empty() {
            // Another test's sandbox may be reaping the same.
            let _ = ground.sandbox.reap().await;
            assert!(Instant::now() < until, "{:?}", labelled(&label));
        }
    });
}

/// Lives as a server with a session whose service runs for ever.
#[expect(clippy::print_stdout, reason = "the test that started this process listens")]
async fn serve_until_killed() {
    let ground = Ground::here().await.unwrap();
    let session = open(&ground).await;
    start(&*session, &service("lasting", "exec sleep 1000", "true")).await;
    println!("\nlabel {}", ground.sandbox.label());
    std::future::pending::<()>().await;
}
