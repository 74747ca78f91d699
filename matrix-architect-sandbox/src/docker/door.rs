//! The way out of a session that may reach something: a proxy on the session's own loopback
//! interface, which listens on a socket that was made inside and is accepted on here.

use std::collections::BTreeMap;

use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    traits::Egress,
};

use super::{local::Unreachable, space::Space};
use crate::egress::{Proxy, ProxyHandle, environment};

/// A proxy at work, and how commands find it.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) proxy: ProxyHandle,
    pub(super) environment: BTreeMap<String, String>,
}

impl Door {
    /// Opens the way for a session that does nothing else yet.
    pub(super) async fn open(space: &Space, proxy: &Proxy, egress: &Egress) -> Result<Self> {
        let local = space.local.as_ref().map_err(|why| why.error())?;
        let listener = local.listen().await.map_err(Unreachable::error)?;
        let listens = listener
            .local_addr()
            .and_then(|place| Ok((tokio::net::TcpListener::from_std(listener)?, place.port())));
        let (listener, port) = listens.map_err(|cause| {
            Error::new(ErrorKind::Unavailable, "the proxy of a session cannot listen").source(cause)
        })?;
        let proxy = proxy.serve(listener, egress.clone());
        Ok(Self { proxy, environment: environment(port).collect() })
    }
}

/// Whether a listener can be made in the network of this space, tried for real.
pub(super) async fn try_out(space: &Space) -> std::result::Result<(), Unreachable> {
    match &space.local {
        Ok(local) => local.listen().await.map(drop),
        Err(why) => Err(*why),
    }
}
