//! Services of a session: a real database, services that misbehave, and what is left of them.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use matrix_architect_core::{
    conformance::{files::Files, sandbox::Isolates as _},
    error::ErrorKind,
    id::SessionId,
    traits::{
        Cancel, Command, Exit, ExitVerdict, Limits, Readiness, Sandbox as _, Service, ServiceState,
        Session, SessionSpec,
    },
};

use super::ground::{Ground, cgroups, children};
use crate::alone::{again, is_alone, skip};

const MIB: u64 = 1 << 20;

async fn open(ground: &Ground) -> Box<dyn Session> {
    let mut spec = SessionSpec::new(SessionId::from_number(1));
    spec.limits = Limits::default().disk(256 * MIB).memory(512 * MIB).processes(256);
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

/// The only service's state once it has ended.
async fn ended(session: &dyn Session) -> ServiceState {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let state = session.services().await.unwrap().pop().unwrap();
        if state.ended.is_some() {
            return state;
        }
        assert!(Instant::now() < until, "{state:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Every process below one, and below those.
fn descendants(pid: u32) -> Vec<u32> {
    let mut all = children(pid);
    let mut at = 0;
    while let Some(pid) = all.get(at).copied() {
        all.extend(children(pid));
        at += 1;
    }
    all
}

/// A process of the ground's sessions with this word among its arguments.
fn find(helper: u32, word: &str) -> Option<u32> {
    let says = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes())
    };
    descendants(helper).into_iter().find(says)
}

/// The same, once it is there: that a service is ready may be known before it has come that far.
async fn found(helper: u32, word: &str) -> u32 {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(pid) = find(helper, word) {
            return pid;
        }
        assert!(Instant::now() < until, "no process with {word}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

/// Where a distribution keeps the server of PostgreSQL.
fn postgres() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    versions.map(|version| version.path().join("bin")).find(|bin| bin.join("initdb").is_file())
}

#[tokio::test]
async fn a_real_database_serves_the_commands_beside_it() {
    let Some(bin) = postgres() else { return skip("PostgreSQL's server is not installed") };
    let bin = bin.display();
    for ground in [Ground::with_cgroups(), Ground::without_cgroups()] {
        let session = open(&ground).await;
        let line = format!(
            "{bin}/initdb -D /tmp/db -A trust -U tester --no-sync --no-instructions >&2 && \
             exec {bin}/postgres -D /tmp/db -k /tmp -c listen_addresses=127.0.0.1 -c fsync=off"
        );
        let ready = format!("{bin}/pg_isready -q -h 127.0.0.1 -p 5432");
        start(&*session, &service("db", &line, &ready)).await;
        for host in ["127.0.0.1", "/tmp"] {
            let psql =
                format!("{bin}/psql -X -A -t -v ON_ERROR_STOP=1 -h {host} -U tester postgres");
            let line = format!(
                "{psql} -q -c 'create table if not exists t(n int); insert into t values (20), (22)' 2>/dev/null && \
                 {psql} -c 'select sum(n) from t'"
            );
            let (exit, said) = say(&*session, &line).await;
            let sum = if host == "/tmp" { "84\n" } else { "42\n" };
            assert_eq!((exit.verdict, said.as_str()), (ExitVerdict::Exited(0), sum));
        }
        let services = session.services().await.unwrap();
        assert_eq!(services[0].ended, None);
        let log = String::from_utf8_lossy(&services[0].output).into_owned();
        assert!(log.contains("database system is ready to accept connections"), "{log}");
        session.close().await.unwrap();
        settle(&ground).await;
    }
}

/// Waits until nothing of the ground's sessions is left.
async fn settle(ground: &Ground) {
    let until = Instant::now() + Duration::from_secs(10);
    let mut left = ground.leftovers().await;
    while !left.is_empty() {
        assert!(Instant::now() < until, "left behind: {left:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
        left = ground.leftovers().await;
    }
}

#[tokio::test]
async fn one_that_forks_away_is_told_to_stay_in_the_foreground() {
    let ground = Ground::with_cgroups();
    let session = open(&ground).await;
    let line = "setsid sh -c 'while :; do touch alive; sleep 0.05; done' & echo forked";
    let away = service("away", line, "test -e never");
    let error = session.start(&away, &Cancel::new()).await.unwrap_err();
    assert_eq!((error.kind(), error.code_str()), (ErrorKind::Unavailable, "service_not_ready"));
    let said = error.to_string();
    for part in ["away", "exit code 0", "forked", "foreground"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (_, said) = say(&*session, "rm -f alive; sleep 0.5; test -e alive || echo gone").await;
    assert_eq!(said, "gone\n");
    session.close().await.unwrap();
    settle(&ground).await;
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let ground = Ground::with_cgroups();
    let session = open(&ground).await;
    let absent = Service::new("db", Command::new(["no-such-database"]), Readiness::Port(1));
    let error = session.start(&absent, &Cancel::new()).await.unwrap_err();
    assert_eq!((error.kind(), error.code_str()), (ErrorKind::NotFound, "program_not_found"));
    assert_eq!(error.context_value("service"), Some("db"));
    session.close().await.unwrap();
}

#[tokio::test]
async fn of_a_flood_only_the_end_is_kept() {
    let ground = Ground::with_cgroups();
    let session = open(&ground).await;
    let line = "head -c 64m /dev/zero; echo the end; touch done; sleep 1000";
    start(&*session, &service("loud", line, "test -e done")).await;
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let output = session.services().await.unwrap().pop().unwrap().output;
        assert!(output.len() <= 64 << 10, "{}", output.len());
        if output.ends_with(b"the end\n") {
            break;
        }
        assert!(Instant::now() < until, "the end never came");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    session.close().await.unwrap();
}

#[tokio::test]
async fn one_that_eats_memory_is_ended_alone() {
    for ground in [Ground::with_cgroups(), Ground::without_cgroups()] {
        let session = open(&ground).await;
        let eat = "import os, time\n\
            open('up', 'w')\n\
            while not os.path.exists('eat'): time.sleep(0.05)\n\
            held = []\n\
            while True: held.append(b'x' * (4 << 20))";
        let mut hog = Service::new(
            "hog",
            Command::new(["python3", "-I", "-c", eat]),
            Readiness::Command("test -e up".to_owned()),
        );
        hog.command.limits = Some(Limits::default().disk(256 * MIB).memory(96 * MIB).processes(16));
        start(&*session, &hog).await;
        // Nothing eats before the bound was read back, where there is one to be read.
        let all = cgroups(ground.sandbox.helper_id());
        let bounds: Vec<_> = all
            .iter()
            .filter_map(|name| {
                let path = name.strip_prefix("cgroup ").unwrap();
                let v1 = fs::read_to_string(format!("{path}/memory.limit_in_bytes"));
                v1.or_else(|_| fs::read_to_string(format!("{path}/memory.max"))).ok()
            })
            .collect();
        let is_its_own = |bound: &String| bound.trim() == (96 * MIB).to_string();
        assert!(bounds.is_empty() || bounds.iter().any(is_its_own), "{bounds:?}");
        say(&*session, "touch eat").await;
        assert_eq!(ended(&*session).await.ended, Some(ExitVerdict::OutOfMemory));
        let (exit, _) = say(&*session, "true").await;
        assert!(exit.verdict.is_success());
        session.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_port_is_the_sessions_own_whatever_address_it_is_on() {
    let ground = Ground::with_cgroups();
    // Free on the machine, so that nobody else answers there.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let number = port.to_string();
    let serve = |text: &str| {
        let line = format!(
            "mkdir -p /tmp/s && echo {text} > /tmp/s/name && \
             exec python3 -I -m http.server --bind 0.0.0.0 --directory /tmp/s {number}"
        );
        Service::new("web", Command::shell(line), Readiness::Port(port))
    };
    let (one, two) = (open(&ground).await, open(&ground).await);
    start(&*one, &serve("one")).await;
    start(&*two, &serve("two")).await;
    let fetch = format!(
        "python3 -I -c \"import urllib.request as u; \
         print(u.urlopen('http://127.0.0.1:{port}/name').read().decode(), end='')\""
    );
    assert_eq!(say(&*one, &fetch).await.1, "one\n");
    assert_eq!(say(&*two, &fetch).await.1, "two\n");
    let refused = TcpStream::connect(("127.0.0.1", port)).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    let again = Service::new("other", Command::shell("sleep 1000"), Readiness::Port(port));
    let error = one.start(&again, &Cancel::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "what listens is the first's: {error}");
    one.close().await.unwrap();
    two.close().await.unwrap();
    settle(&ground).await;
}

#[tokio::test]
async fn one_that_is_killed_while_a_command_runs_is_told() {
    let ground = Ground::with_cgroups();
    let session = open(&ground).await;
    start(&*session, &service("victim", "exec sleep 54321", "true")).await;
    let victim = found(ground.sandbox.helper_id(), "54321").await;
    let deed = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        kill(victim);
    };
    let (ran, ()) = tokio::join!(say(&*session, "sleep 0.5; echo ran"), deed);
    assert_eq!((ran.0.verdict, ran.1.as_str()), (ExitVerdict::Exited(0), "ran\n"));
    assert_eq!(ended(&*session).await.ended, Some(ExitVerdict::Signalled(9)));
    session.close().await.unwrap();
}

#[tokio::test]
async fn a_start_that_is_cancelled_ends_the_service() {
    let ground = Ground::with_cgroups();
    let session = open(&ground).await;
    let (cancel, never) = (Cancel::new(), service("late", "exec sleep 65432", "test -e never"));
    let deed = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        cancel.cancel();
    };
    let (started, ()) = tokio::join!(session.start(&never, &cancel), deed);
    assert!(started.unwrap_err().is_cancelled());
    assert_eq!(find(ground.sandbox.helper_id(), "65432"), None);
    assert!(say(&*session, "true").await.0.verdict.is_success(), "the session goes on");
    session.close().await.unwrap();
}

#[tokio::test]
async fn a_start_or_a_session_that_is_dropped_leaves_nothing() {
    let ground = Ground::with_cgroups();
    let session = open(&ground).await;
    start(&*session, &service("kept", "setsid sleep 1000 & sleep 1000", "true")).await;
    drop(session);
    settle(&ground).await;
    let session = open(&ground).await;
    let never = service("late", "sleep 1000", "test -e never");
    let cancel = Cancel::new();
    let start = session.start(&never, &cancel);
    assert!(tokio::time::timeout(Duration::from_millis(300), start).await.is_err());
    settle(&ground).await;
    let closed = session.services().await.unwrap_err();
    assert_eq!(closed.code_str(), "session_closed");
}

#[test]
fn services_end_with_a_killed_server() {
    if is_alone() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(serve_until_killed());
    }
    let mut server = again("native::services::services_end_with_a_killed_server")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(server.stdout.take().unwrap()).lines();
    let helper = told.find_map(|line| line.unwrap().split("helper ").nth(1)?.parse().ok()).unwrap();
    let processes = descendants(helper);
    assert!(find(helper, "76543").is_some() && find(helper, "87654").is_some(), "{processes:?}");
    server.kill().unwrap();
    server.wait().unwrap();
    let until = Instant::now() + Duration::from_secs(5);
    while let Some(pid) = processes.iter().find(|pid| fs::exists(format!("/proc/{pid}")).unwrap()) {
        assert!(Instant::now() < until, "process {pid} outlived the server");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Lives as a server with a session whose service has forked a child away.
#[expect(clippy::print_stdout, reason = "the test that started this process listens")]
async fn serve_until_killed() {
    let ground = Ground::with_cgroups();
    let session = open(&ground).await;
    let line = "(setsid sleep 76543 &); exec sleep 87654";
    start(&*session, &service("lasting", line, "true")).await;
    for word in ["87654", "76543"] {
        found(ground.sandbox.helper_id(), word).await;
    }
    println!("\nhelper {}", ground.sandbox.helper_id());
    std::future::pending::<()>().await;
}
