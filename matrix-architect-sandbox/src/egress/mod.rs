//! The one way out of a session: a proxy that lets named hosts through and writes down every
//! connection.
//!
//! [`Proxy::serve`] speaks HTTP on whatever it is given to accept on: `CONNECT` for tunnels, and
//! plain HTTP with the whole URL in the request line. Who is asked for decides, by name and port,
//! before anything is looked up; then the name is resolved here, its addresses are judged once, and
//! the connection is made to an address that was judged, so that a name cannot change its mind in
//! between. What is passed on of a plain request was written anew from what was understood of it;
//! a request that two readers could understand differently is not passed on at all.
//!
//! What the proxy does not do: look into tunnels. Whoever is let through to a host by `CONNECT`
//! says to that host what they like.

mod address;
mod body;
mod config;
mod exchange;
mod fields;
mod head;
mod ledger;
mod proxy;
mod refusal;
mod relay;
mod resolve;
mod target;
#[cfg(test)]
mod tests;

pub use config::ProxyConfig;
pub use proxy::{Door, Proxy, ProxyHandle};
pub use resolve::{Resolve, SystemResolver};

/// The environment by which programs find the proxy at this port of their loopback interface.
/// Both spellings, because programs differ in which they read.
pub fn environment(port: u16) -> impl Iterator<Item = (String, String)> {
    let proxy = format!("http://127.0.0.1:{port}");
    let none = "localhost,127.0.0.1,::1".to_owned();
    let names = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].map(|name| (name, proxy.clone()));
    let both = names.into_iter().chain([("NO_PROXY", none)]);
    both.flat_map(|(name, value)| [(name.to_lowercase(), value.clone()), (name.to_owned(), value)])
}
