//! The way out of a session that may reach something: a proxy on the session's own loopback
//! interface.
//!
//! The session's first process opens the listener inside, where there is no other interface, and
//! hands it to the server over its socket. The server accepts on it like on any other: a socket
//! belongs to the network it was made in, not to whoever holds it. So there is no process that
//! copies bytes between two networks, and no socket in the session's file system.

use std::{collections::BTreeMap, os::fd::OwnedFd};

use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    traits::Egress,
};

use super::{
    link::AsyncLink,
    wire::{Reply, Request},
};
use crate::egress::{Proxy, ProxyHandle, environment};

/// A proxy at work, and how commands find it.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) proxy: ProxyHandle,
    pub(super) environment: BTreeMap<String, String>,
}

impl Door {
    /// Opens the way for a session that stands and does nothing else yet.
    pub(super) async fn open(link: &AsyncLink, proxy: &Proxy, egress: &Egress) -> Result<Self> {
        link.send(&Request::Listen, &[]).await?;
        let listener = match link.prompt_answer().await? {
            (Reply::Listening, mut with) => with.pop(),
            (Reply::Failed(fault), _) => return Err(fault.into_error()),
            _ => None,
        };
        let listener =
            listener.ok_or_else(|| Error::unexpected("a sandbox session spoke out of turn"))?;
        let (listener, port) = inherit(listener).map_err(|cause| {
            Error::new(ErrorKind::Unavailable, "the proxy of a session cannot listen").source(cause)
        })?;
        let proxy = proxy.serve(listener, egress.clone());
        Ok(Self { proxy, environment: environment(port).collect() })
    }
}

fn inherit(listener: OwnedFd) -> std::io::Result<(tokio::net::TcpListener, u16)> {
    let listener = std::net::TcpListener::from(listener);
    let port = listener.local_addr()?.port();
    Ok((tokio::net::TcpListener::from_std(listener)?, port))
}
