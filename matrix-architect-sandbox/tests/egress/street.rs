//! What the tests stand on: hosts that listen, a resolver that says what it is told to, and a
//! client that says what no library would let it say.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    net::IpAddr,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use matrix_architect_core::traits::{Connection, Egress};
use matrix_architect_sandbox::egress::{Proxy, ProxyConfig, ProxyHandle, Resolve};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// A host on the loopback interface that keeps what it is told and answers each connection alike.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) port: u16,
    heard: Arc<Mutex<Vec<u8>>>,
    visits: Arc<Mutex<usize>>,
}

impl Host {
    /// A host that answers as soon as it heard the end of a head.
    pub(super) async fn answering(answer: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let host = Self { port, heard: Arc::default(), visits: Arc::default() };
        let (heard, visits) = (Arc::clone(&host.heard), Arc::clone(&host.visits));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                *visits.lock().unwrap() += 1;
                let heard = Arc::clone(&heard);
                tokio::spawn(async move {
                    let mut buffer = vec![0; 4096];
                    let mut said = false;
                    let mut own = Vec::new();
                    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                        own.extend_from_slice(&buffer[..read]);
                        heard.lock().unwrap().extend_from_slice(&buffer[..read]);
                        if !said && own.windows(4).any(|window| window == b"\r\n\r\n") {
                            said = true;
                            let _ = stream.write_all(answer).await;
                        }
                    }
                });
            }
        });
        host
    }

    /// Everything it was told, on all connections.
    pub(super) fn heard(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().unwrap()).into_owned()
    }

    pub(super) fn visits(&self) -> usize {
        *self.visits.lock().unwrap()
    }

    /// An egress that lets this host through by name.
    pub(super) fn allowed(&self, name: &str) -> Egress {
        let mut egress = Egress::to([format!("{name}:{}", self.port).parse().unwrap()]);
        egress.private.push(format!("{name}=127.0.0.1/32").parse().unwrap());
        egress
    }
}

/// Says the next of its answers, and the last one for ever after.
#[derive(Clone, Debug, Default)]
pub(super) struct Scripted {
    answers: Arc<Mutex<BTreeMap<String, VecDeque<Vec<IpAddr>>>>>,
    asked: Arc<Mutex<usize>>,
}

impl Scripted {
    pub(super) fn says(self, name: &str, answers: &[&[&str]]) -> Self {
        let read = |answer: &&[&str]| answer.iter().map(|text| text.parse().unwrap()).collect();
        self.answers.lock().unwrap().insert(name.to_owned(), answers.iter().map(read).collect());
        self
    }

    pub(super) fn asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }
}

#[async_trait]
impl Resolve for Scripted {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        *self.asked.lock().unwrap() += 1;
        let mut answers = self.answers.lock().unwrap();
        let known = answers.get_mut(name).ok_or(io::ErrorKind::NotFound)?;
        let next = if known.len() > 1 { known.pop_front() } else { known.front().cloned() };
        Ok(next.unwrap_or_default())
    }
}

/// A proxy and where it listens.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) port: u16,
    pub(super) handle: ProxyHandle,
}

impl Gate {
    pub(super) async fn open(egress: Egress) -> Self {
        let local = "127.0.0.1".parse().unwrap();
        let config = ProxyConfig::default().host("a.test", local).host("b.test", local);
        Self::over(Proxy::new(config), egress).await
    }

    pub(super) async fn over(proxy: Proxy, egress: Egress) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { port, handle: proxy.serve(listener, egress) }
    }

    pub(super) async fn visit(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()
    }

    /// Says something and returns everything that comes back until the connection ends.
    pub(super) async fn say(&self, what: impl AsRef<[u8]>) -> String {
        let mut stream = self.visit().await;
        stream.write_all(what.as_ref()).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The one connection that was wanted.
    pub(super) fn only(&self) -> Connection {
        let connections = self.handle.connections();
        let [connection] = &connections[..] else { panic!("{connections:?}") };
        connection.clone()
    }
}

/// A request for a path of a host.
pub(super) fn get(host: &str, port: u16) -> String {
    format!("GET http://{host}:{port}/ HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n")
}

pub(super) const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
