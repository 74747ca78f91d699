//! Which sandbox commands run in.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
#[cfg(feature = "docker")]
use matrix_architect_core::error::{Error, Result};
#[cfg(feature = "docker")]
use matrix_architect_sandbox::docker::DockerConfig;

/// The sandboxes of this build.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum SandboxKind {
    /// The kernel's own means; nothing to install
    #[default]
    Native,
    /// The program bwrap, where the native one cannot start
    Bwrap,
    /// Containers of a Docker engine, in the image of --sandbox-image
    #[cfg(feature = "docker")]
    Docker,
}

/// How commands are isolated.
#[derive(Clone, Debug, Default, Args)]
#[non_exhaustive]
pub struct Isolation {
    /// Sandbox that commands run in
    #[arg(long = "sandbox", value_name = "KIND", value_enum, default_value_t)]
    pub kind: SandboxKind,
    /// Image that commands run in, which the engine has; for the sandbox docker
    #[arg(long = "sandbox-image", value_name = "IMAGE")]
    #[cfg_attr(not(feature = "docker"), arg(hide = true))]
    pub image: Option<String>,
    /// Socket of the Docker engine [default: /var/run/docker.sock]
    #[arg(long = "sandbox-socket", value_name = "PATH")]
    #[cfg_attr(not(feature = "docker"), arg(hide = true))]
    pub socket: Option<PathBuf>,
    /// Go on where a limit of the sandbox cannot be enforced here; it is recorded in the evidence
    #[arg(long)]
    pub allow_degraded: bool,
}

#[cfg(feature = "docker")]
impl Isolation {
    /// How containers are made.
    ///
    /// # Errors
    /// `Invalid` if no image is named, or what is named cannot be.
    pub fn docker(&self) -> Result<DockerConfig> {
        let image = self.image.clone().ok_or_else(|| {
            Error::invalid("no image is named for commands to run in")
                .advice("add --sandbox-image IMAGE, one that holds the tools of the project")
        })?;
        let mut config = DockerConfig::new(image);
        if let Some(socket) = &self.socket {
            config.socket.clone_from(socket);
        }
        config.validate()?;
        Ok(config)
    }
}
