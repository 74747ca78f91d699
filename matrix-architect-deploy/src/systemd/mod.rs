//! Releases in a folder of this machine, run by a systemd unit or by a command of the job.
//!
//! A bundle is unpacked into `<root>/<environment>/<service>/releases/<version>` and becomes live
//! by one rename: `current/` is always one whole release, with its variables, before and after a
//! crash at any point. A release that is not healthy is taken back at once, and it is checked that
//! what served before serves again. An older deployer is refused by the token in the lock.
//!
//! A `restart` command runs without a shell, in the release's folder, with the service's
//! variables and `RELEASE_VERSION`, and without the worker's own environment. Where jobs come from
//! people who may not run just anything on the machine, let only units and roots through that the
//! operator knows: [`SystemdDeployer::within`].

mod apply;
mod client;
mod config;
mod deployer;
mod environment;
mod gate;
mod history;
mod layout;
mod local;
mod lock;
mod logs;
mod manifest;
mod probe;
mod process;
mod render;
mod service;
mod slot;
#[cfg(test)]
mod tests;
mod undo;
mod unit;
mod unpack;
mod work;

pub use config::{HealthConfig, HttpProbe, SystemdConfig, UnitConfig, UnitScope, Variable};
pub use deployer::SystemdDeployer;
use matrix_architect_core::error::{Error, ErrorKind};

/// The registered name.
const DRIVER: &str = "systemd";

/// The answer to a wish to stop.
fn stopped() -> Error {
    Error::new(ErrorKind::Cancelled, "stopped on request; what served before is as it was")
}
