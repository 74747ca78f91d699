//! Git over ssh and https by a real OpenSSH and a real Apache, for tests.
//!
//! A [`Forge`] is a folder of [`Repository`]s. [`Forge::ssh`] and [`Forge::https`] serve it on ports of
//! the loopback interface until the server is dropped; both keep a record of what clients showed them.
//! Started by root, everything but `sshd` itself runs as nobody.
#![expect(clippy::missing_panics_doc, reason = "a test that gets no server fails")]

mod forge;
mod https;
mod process;
mod repository;
mod ssh;

pub use forge::Forge;
pub use https::{HttpsServer, Seen};
pub use repository::Repository;
pub use ssh::SshServer;
