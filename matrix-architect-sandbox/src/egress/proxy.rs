//! The proxy: accepting, and ending.

use std::{fmt, io, sync::Arc, time::Duration};

use matrix_architect_core::traits::{Connection, Egress};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::{Semaphore, oneshot},
    task::{JoinHandle, JoinSet},
};

use super::{
    config::ProxyConfig,
    exchange,
    ledger::Ledger,
    resolve::{Pinned, Resolve, SystemResolver},
};

/// After an accept that failed, for want of descriptors for example.
const PAUSE: Duration = Duration::from_millis(50);

/// Where a proxy is asked.
#[derive(Debug)]
pub enum Door {
    /// A TCP port.
    Tcp(TcpListener),
    /// A socket in a file system.
    Unix(UnixListener),
}

impl From<TcpListener> for Door {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl From<UnixListener> for Door {
    fn from(listener: UnixListener) -> Self {
        Self::Unix(listener)
    }
}

/// Whoever came in.
pub(super) trait Visitor: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Visitor for T {}

impl Door {
    async fn accept(&self) -> io::Result<Box<dyn Visitor>> {
        Ok(match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                let _ = stream.set_nodelay(true);
                Box::new(stream)
            }
            Self::Unix(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

/// A proxy that lets named hosts through.
///
/// ```
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use matrix_architect_core::traits::Egress;
/// use matrix_architect_sandbox::egress::{Proxy, ProxyConfig};
///
/// let door = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// let egress = Egress::to(["example.com:443".parse()?]);
/// let proxy = Proxy::new(ProxyConfig::default()).serve(door, egress);
/// assert!(proxy.connections().is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Proxy {
    resolver: Arc<Pinned>,
    config: ProxyConfig,
}

impl Proxy {
    /// A proxy that looks names up as this machine does, after the configuration's own.
    pub fn new(config: ProxyConfig) -> Self {
        Self::with_resolver(config, SystemResolver)
    }

    /// A proxy that looks names up elsewhere, after the configuration's own.
    pub fn with_resolver(config: ProxyConfig, resolver: impl Resolve) -> Self {
        let hosts = config.hosts.clone();
        Self { resolver: Arc::new(Pinned { hosts, beyond: Box::new(resolver) }), config }
    }

    /// Serves one session. Whoever comes beyond the allowed number of connections at once waits
    /// until one ends. Call it within a tokio runtime.
    #[must_use = "the proxy ends when its handle is dropped"]
    pub fn serve(&self, door: impl Into<Door>, egress: Egress) -> ProxyHandle {
        let shared =
            Arc::new(Shared { ledger: Ledger::new(egress.bytes), egress, proxy: self.clone() });
        let (end, ended) = oneshot::channel();
        let task = tokio::spawn(serve(door.into(), Arc::clone(&shared), ended));
        ProxyHandle { shared, end: Some(end), task }
    }

    pub(super) const fn config(&self) -> &ProxyConfig {
        &self.config
    }

    pub(super) fn resolver(&self) -> &Pinned {
        &self.resolver
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("config", &self.config).finish_non_exhaustive()
    }
}

/// What all connections of a session share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) ledger: Ledger,
    pub(super) egress: Egress,
    pub(super) proxy: Proxy,
}

/// A proxy at work. It ends, with every connection through it, when this is dropped.
#[derive(Debug)]
pub struct ProxyHandle {
    shared: Arc<Shared>,
    end: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl ProxyHandle {
    /// What was wanted so far, in order; the first 10,000.
    pub fn connections(&self) -> Vec<Connection> {
        self.shared.ledger.connections()
    }

    /// Ends it, and returns when nobody listens any more and every connection is closed.
    pub async fn end(mut self) {
        drop(self.end.take());
        let _ = (&mut self.task).await;
    }
}

impl Drop for ProxyHandle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(door: Door, shared: Arc<Shared>, ended: oneshot::Receiver<()>) {
    // Its end is the end of every connection.
    let mut connections = JoinSet::new();
    let accepting = accept(&door, &shared, &mut connections);
    tokio::select! {
        () = accepting => {}
        _ = ended => {}
    }
    drop(door);
    connections.shutdown().await;
}

/// Lets visitors in for ever, so many at once.
async fn accept(door: &Door, shared: &Arc<Shared>, connections: &mut JoinSet<()>) {
    let most = usize::try_from(shared.egress.connections).unwrap_or(usize::MAX);
    let places = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match door.accept().await {
            Ok(visitor) => {
                let shared = Arc::clone(shared);
                connections.spawn(async move {
                    exchange::serve(visitor, &shared).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "egress.accept failed");
                tokio::time::sleep(PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}
