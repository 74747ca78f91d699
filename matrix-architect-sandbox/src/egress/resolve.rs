//! Looking names up, on the proxy's side.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    io,
    net::{IpAddr, SocketAddr},
};

use async_trait::async_trait;

/// Looks names up.
#[async_trait]
pub trait Resolve: Debug + Send + Sync + 'static {
    /// The addresses of a name, the preferred one first.
    ///
    /// # Errors
    /// Whatever the lookup came to; its text is told to whoever asked.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// What this machine's own lookup says.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((name, 0)).await?;
        Ok(found.map(|address: SocketAddr| address.ip()).collect())
    }
}

/// Pinned addresses before those of another resolver.
#[derive(Debug)]
pub(super) struct Pinned {
    pub(super) hosts: BTreeMap<String, IpAddr>,
    pub(super) beyond: Box<dyn Resolve>,
}

impl Pinned {
    pub(super) async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        match self.hosts.get(name) {
            Some(address) => Ok(vec![*address]),
            None => self.beyond.resolve(name).await,
        }
    }
}
