//! Ways past the list of hosts.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use matrix_architect_core::traits::{Command, Egress, ExitVerdict, Network};

use crate::{
    attempt::Hosts,
    ground::{Ground, ran, roomy},
    probe::Told,
};

/// A host that answers everybody and counts them.
#[derive(Debug)]
pub(crate) struct Host {
    port: u16,
    visits: Arc<AtomicUsize>,
}

impl Host {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let visits = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&visits);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                counted.fetch_add(1, Ordering::SeqCst);
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
            }
        });
        Self { port, visits }
    }

    fn visits(&self) -> usize {
        self.visits.load(Ordering::SeqCst)
    }
}

const PROGRAM: &str = "
import http.client, os, sys, urllib.parse, urllib.request
for name in ('NO_PROXY', 'no_proxy'):
    os.environ.pop(name, None)
def get(url):
    assert urllib.request.urlopen(url, timeout=10).read() == b'hi'
def tunnel(host, port):
    proxy = urllib.parse.urlsplit(os.environ['HTTP_PROXY'])
    through = http.client.HTTPConnection(proxy.hostname, proxy.port, timeout=10)
    through.set_tunnel(host, port)
    through.request('GET', '/')
    assert through.getresponse().read() == b'hi'
try:
    eval(sys.argv[1])
except OSError as error:
    print(repr(error))
    sys.exit(42)
";

/// Asks in a session that may reach these hosts alone.
pub(crate) async fn ask(
    ground: &Ground,
    program: &str,
    allowed: Hosts,
    (host, other): (&Host, &Host),
) -> Told {
    let ports = |text: &str| {
        let text = text.replace("PORT", &host.port.to_string());
        text.replace("OTHER", &other.port.to_string())
    };
    let mut egress = Egress::to(allowed.hosts.iter().map(|host| ports(host).parse().unwrap()));
    egress.private = allowed.private.iter().map(|host| host.parse().unwrap()).collect();
    let before = host.visits() + other.visits();
    let session = ground.open_to(roomy(), Network::Egress(egress)).await;
    let command = Command::new(["/usr/bin/python3", "-c", PROGRAM, &ports(program)]);
    let (exit, told) = ran(&*session, &command).await;
    session.close().await.unwrap();
    let visits = host.visits() + other.visits() - before;
    match (exit.verdict, visits) {
        (ExitVerdict::Exited(42), 0) => Told::stopped(told),
        (ExitVerdict::Exited(0), 1) => Told::open(told),
        (verdict, visits) => Told::broken(format!("{verdict:?}, {visits} visits: {told}")),
    }
}
