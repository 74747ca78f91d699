//! What a session reaches, and what runs beside its commands: promises 15 to 22.
#![expect(clippy::missing_panics_doc, reason = "a case panics where the backend breaks its word")]
#![expect(clippy::missing_errors_doc, reason = "a case fails with whatever the backend answers")]

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::{Isolates, opened, sample, say, spec};
use crate::{
    conformance::check::refused,
    error::{ErrorKind, Result},
    traits::{
        Cancel, Command, ConnectionOutcome, Egress, ExitVerdict, Network, Readiness, Service,
        ServiceState, Session,
    },
};

/// Programs that the cases need inside.
#[derive(Clone, Copy, Debug)]
pub struct Programs {
    /// Fetches a URL, through the proxy that the environment names, and prints what it got.
    pub fetch: fn(&str) -> Command,
    /// Answers HTTP on a TCP port of the loopback interface until it is ended.
    pub serve: fn(u16) -> Command,
    /// Listens on a free port of the machine's own loopback interface, outside of any session.
    pub listen: fn() -> TcpListener,
}

/// A host outside: it answers HTTP on the loopback interface of the machine and counts.
#[derive(Debug)]
struct Outside {
    port: u16,
    asked: Arc<AtomicUsize>,
}

const ANSWER: &str = "said outside";

impl Outside {
    fn answer(listener: TcpListener) -> Self {
        let port = listener.local_addr().expect("an address").port();
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { break };
                counter.fetch_add(1, Ordering::SeqCst);
                let _ = stream.read(&mut [0; 4096]);
                let length = ANSWER.len();
                let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length:";
                let _ = write!(stream, "{head} {length}\r\n\r\n{ANSWER}");
            }
        });
        Self { port, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Lets a session reach it as `allowed.test`.
    fn allowed(&self) -> Network {
        let host = format!("allowed.test:{}", self.port).parse().expect("a host");
        let mut egress = Egress::to([host]);
        egress.private.push("allowed.test=127.0.0.1/32".parse().expect("a range"));
        Network::Egress(egress)
    }
}

/// A session that may reach a host outside; `None` where the sandbox has no egress.
async fn reaching(
    harness: &impl Isolates,
) -> Result<Option<(Box<dyn Session>, Programs, Outside)>> {
    let sandbox = harness.backend();
    if !sandbox.capabilities().egress {
        return Ok(None);
    }
    let programs = harness.programs().expect("a sandbox with egress is tested with programs");
    let outside = Outside::answer((programs.listen)());
    let mut spec = spec(15);
    spec.network = outside.allowed();
    Ok(Some((sandbox.open(&sample()?, &spec).await?, programs, outside)))
}

async fn fetch(session: &dyn Session, command: &Command) -> Result<(ExitVerdict, String)> {
    let mut output = Vec::new();
    let exit = session.run(command, &mut output, &Cancel::new()).await?;
    Ok((exit.verdict, String::from_utf8_lossy(&output).into_owned()))
}

/// Promise 15.
pub async fn an_allowed_host_is_reached_and_written_down(harness: impl Isolates) -> Result<()> {
    let Some((session, programs, outside)) = reaching(&harness).await? else { return Ok(()) };
    let url = format!("http://allowed.test:{}/", outside.port);
    let (verdict, said) = fetch(&*session, &(programs.fetch)(&url)).await?;
    assert!(verdict.is_success() && said.contains(ANSWER), "{verdict:?}: {said}");
    let connections = session.connections().await?;
    let [connection] = &connections[..] else { panic!("{connections:?}") };
    assert_eq!((connection.host.as_str(), connection.port), ("allowed.test", outside.port));
    assert_eq!(connection.outcome, ConnectionOutcome::Allowed);
    assert_eq!(connection.address, Some(std::net::Ipv4Addr::LOCALHOST.into()));
    assert!(connection.sent > 0 && connection.received > 0, "{connection:?}");
    session.close().await
}

/// Promise 16.
pub async fn a_host_that_is_not_allowed_is_refused_by_name(harness: impl Isolates) -> Result<()> {
    let Some((session, programs, outside)) = reaching(&harness).await? else { return Ok(()) };
    let url = format!("http://refused.test:{}/", outside.port);
    let (verdict, said) = fetch(&*session, &(programs.fetch)(&url)).await?;
    assert!(!verdict.is_success() && !said.contains(ANSWER), "{verdict:?}: {said}");
    let connections = session.connections().await?;
    assert!(!connections.is_empty(), "what was refused is not written down");
    for connection in &connections {
        assert_eq!((connection.host.as_str(), connection.port), ("refused.test", outside.port));
        assert!(matches!(connection.outcome, ConnectionOutcome::Refused(_)), "{connection:?}");
    }
    assert_eq!(outside.asked(), 0);
    session.close().await
}

/// Promise 17.
pub async fn there_is_no_way_out_beside_the_proxy(harness: impl Isolates) -> Result<()> {
    let Some((session, programs, outside)) = reaching(&harness).await? else { return Ok(()) };
    for host in ["127.0.0.1", "allowed.test", "[::ffff:127.0.0.1]", "localhost"] {
        let url = format!("http://{host}:{}/", outside.port);
        let mut direct = (programs.fetch)(&url);
        for variable in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            direct.env.insert(variable.to_owned(), String::new());
            direct.env.insert(variable.to_lowercase(), String::new());
        }
        let (verdict, said) = fetch(&*session, &direct).await?;
        assert!(!verdict.is_success() && !said.contains(ANSWER), "{url}: {verdict:?}: {said}");
    }
    assert_eq!(outside.asked(), 0);
    session.close().await
}

/// Promise 18.
pub async fn a_service_is_ready_before_start_returns(harness: impl Isolates) -> Result<()> {
    let sandbox = harness.backend();
    if !sandbox.capabilities().services {
        return Ok(());
    }
    let programs = harness.programs().expect("a sandbox with services is tested with programs");
    let session = sandbox.open(&sample()?, &spec(18)).await?;
    let writes = Command::shell("sleep 0.3; echo made > made; echo up; while :; do sleep 1; done");
    let ready = Readiness::Command("test -s made".to_owned());
    session.start(&Service::new("writer", writes, ready), &Cancel::new()).await?;
    let (_, said) = say(&*session, "cat made").await?;
    assert_eq!(said, "made\n", "the service shares the commands' files");
    let server = Service::new("server", (programs.serve)(8123), Readiness::Port(8123));
    session.start(&server, &Cancel::new()).await?;
    let (verdict, said) = fetch(&*session, &(programs.fetch)("http://127.0.0.1:8123/")).await?;
    assert!(verdict.is_success(), "the service shares the commands' network: {said}");
    let services = session.services().await?;
    let names: Vec<_> = services.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["writer", "server"]);
    assert!(services.iter().all(|service| service.ended.is_none()), "{services:?}");
    assert_eq!(&services[0].output[..], b"up\n");
    session.close().await?;
    super::gone(&harness).await;
    Ok(())
}

/// Promise 19.
pub async fn a_service_that_does_not_become_ready_is_told(harness: impl Isolates) -> Result<()> {
    if !harness.backend().capabilities().services {
        return Ok(());
    }
    let session = opened(&harness).await?;
    let never = Readiness::Command("test -e never".to_owned());
    let ends = Service::new("ends", Command::shell("echo no config; exit 3"), never.clone());
    let error = refused(session.start(&ends, &Cancel::new()).await, ErrorKind::Unavailable);
    assert_eq!(error.code_str(), "service_not_ready");
    assert!(error.to_string().contains("no config"), "its words are missing: {error}");
    let waits = Service::new("waits", Command::shell("echo waiting; sleep 1000"), never)
        .patience(Duration::from_millis(500));
    let error = refused(session.start(&waits, &Cancel::new()).await, ErrorKind::Unavailable);
    assert_eq!(error.code_str(), "service_not_ready");
    assert!(error.to_string().contains("waiting"), "its words are missing: {error}");
    let (exit, _) = say(&*session, "true").await?;
    assert_eq!(exit.verdict, ExitVerdict::Exited(0), "the session outlives its service");
    session.close().await
}

/// Promise 20.
pub async fn what_is_not_supported_is_refused(harness: impl Isolates) -> Result<()> {
    let sandbox = harness.backend();
    let capabilities = sandbox.capabilities();
    if !capabilities.egress {
        let mut spec = spec(20);
        spec.network = Network::Egress(Egress::to(["allowed.test".parse()?]));
        refused(sandbox.open(&sample()?, &spec).await.map(drop), ErrorKind::Unsupported);
    }
    if !capabilities.services {
        let session = opened(&harness).await?;
        let ready = Readiness::Command("true".to_owned());
        let service = Service::new("idle", Command::shell("sleep 1000"), ready);
        refused(session.start(&service, &Cancel::new()).await, ErrorKind::Unsupported);
        session.close().await?;
    }
    Ok(())
}

/// Promise 21.
pub async fn a_service_outlives_the_end_of_a_command(harness: impl Isolates) -> Result<()> {
    if !harness.backend().capabilities().services {
        return Ok(());
    }
    let programs = harness.programs().expect("a sandbox with services is tested with programs");
    let session = opened(&harness).await?;
    let server = Service::new("server", (programs.serve)(8124), Readiness::Port(8124));
    session.start(&server, &Cancel::new()).await?;
    let mut slow = Command::shell("sleep 1000");
    slow.limits = Some(super::limits().wall(Duration::from_millis(300)));
    let exit = session.run(&slow, &mut Vec::new(), &Cancel::new()).await?;
    assert_eq!(exit.verdict, ExitVerdict::TimedOut);
    let cancel = Cancel::new();
    cancel.cancel();
    let exit = session.run(&Command::shell("sleep 1000"), &mut Vec::new(), &cancel).await?;
    assert_eq!(exit.verdict, ExitVerdict::Cancelled);
    let (verdict, said) = fetch(&*session, &(programs.fetch)("http://127.0.0.1:8124/")).await?;
    assert!(verdict.is_success(), "the service ended with a command: {said}");
    let services = session.services().await?;
    assert!(services.iter().all(|service| service.ended.is_none()), "{services:?}");
    session.close().await?;
    super::gone(&harness).await;
    Ok(())
}

/// Promise 22.
pub async fn a_service_that_ended_is_told(harness: impl Isolates) -> Result<()> {
    if !harness.backend().capabilities().services {
        return Ok(());
    }
    let session = opened(&harness).await?;
    let lives = "while [ ! -e stop ]; do sleep 0.05; done; echo down; exit 4";
    let line = format!("(while :; do touch alive; sleep 0.05; done) & echo up; {lives}");
    let ready = Readiness::Command("test -e alive".to_owned());
    session.start(&Service::new("mortal", Command::shell(line), ready), &Cancel::new()).await?;
    say(&*session, "touch stop").await?;
    let service = ended(&*session).await?;
    assert_eq!(service.ended, Some(ExitVerdict::Exited(4)));
    assert_eq!(&service.output[..], b"up\ndown\n");
    let (_, said) = say(&*session, "rm alive; sleep 0.5; test -e alive || echo gone").await?;
    assert_eq!(said, "gone\n", "what it started outlives it");
    session.close().await
}

/// The state of a session's last service once it has ended, or after ten seconds.
async fn ended(session: &dyn Session) -> Result<ServiceState> {
    for _ in 0..200 {
        let state = session.services().await?.pop().expect("a service that was started");
        if state.ended.is_some() {
            return Ok(state);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the end of a service is not told");
}
