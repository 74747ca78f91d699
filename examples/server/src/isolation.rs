//! Which sandbox commands run in.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use matrix_architect_core::error::{Error, Result};
#[cfg(feature = "docker")]
use matrix_architect_sandbox::docker::{ContainerRuntime, DockerConfig};
#[cfg(feature = "kubernetes")]
use matrix_architect_sandbox::kubernetes::KubernetesConfig;

#[cfg(feature = "kubernetes")]
use crate::config::Environment;

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
    /// Pods of a Kubernetes cluster, of the image of --sandbox-image
    #[cfg(feature = "kubernetes")]
    Kubernetes,
}

/// How commands are isolated.
#[derive(Clone, Debug, Default, Args)]
#[non_exhaustive]
pub struct Isolation {
    /// Sandbox that commands run in
    #[arg(long = "sandbox", value_name = "KIND", value_enum, default_value_t)]
    pub kind: SandboxKind,
    /// Image that commands run in: one that the engine has; for kubernetes by digest
    #[arg(long = "sandbox-image", value_name = "IMAGE")]
    #[cfg_attr(not(any(feature = "docker", feature = "kubernetes")), arg(hide = true))]
    pub image: Option<String>,
    /// Socket of the Docker engine [default: /var/run/docker.sock]
    #[arg(long = "sandbox-socket", value_name = "PATH")]
    #[cfg_attr(not(feature = "docker"), arg(hide = true))]
    pub socket: Option<PathBuf>,
    /// What starts the containers: `gvisor` for docker, a runtime class for kubernetes [default: theirs]
    #[arg(long = "sandbox-runtime", value_name = "NAME")]
    #[cfg_attr(not(any(feature = "docker", feature = "kubernetes")), arg(hide = true))]
    pub runtime: Option<String>,
    /// Sessions kept ready, each for one adoption; native and docker can [default: none; where
    /// serve isolates natively, one for each worker]
    #[arg(long = "sandbox-warm", value_name = "COUNT")]
    pub warm: Option<usize>,
    /// Namespace of the sandbox's Pods [default: architect]
    #[arg(long = "sandbox-namespace", value_name = "NAME")]
    #[cfg_attr(not(feature = "kubernetes"), arg(hide = true))]
    pub namespace: Option<String>,
    /// How to reach the cluster [default: `$KUBECONFIG`, else ~/.kube/config, else from inside]
    #[arg(long, value_name = "FILE")]
    #[cfg_attr(not(feature = "kubernetes"), arg(hide = true))]
    pub kubeconfig: Option<PathBuf>,
    /// Go on where a limit of the sandbox cannot be enforced here; it is recorded in the evidence
    #[arg(long)]
    pub allow_degraded: bool,
}

impl Isolation {
    /// Refuses to keep ready what cannot be.
    ///
    /// # Errors
    /// `Invalid` if the sandbox has no sessions that stand by.
    pub fn check(&self) -> Result<()> {
        let stands_by = match self.kind {
            SandboxKind::Native => true,
            #[cfg(feature = "docker")]
            SandboxKind::Docker => true,
            _ => false,
        };
        if stands_by || self.warm.unwrap_or(0) == 0 {
            return Ok(());
        }
        Err(Error::invalid("this sandbox keeps no sessions ready")
            .advice("leave out --sandbox-warm, or choose native or docker with --sandbox"))
    }

    #[cfg(any(feature = "docker", feature = "kubernetes"))]
    fn image(&self) -> Result<String> {
        self.image.clone().ok_or_else(|| {
            Error::invalid("no image is named for commands to run in")
                .advice("add --sandbox-image IMAGE, one that holds the tools of the project")
        })
    }

    /// How Pods are made.
    ///
    /// # Errors
    /// `Invalid` if no image is named, or what is named cannot be.
    #[cfg(feature = "kubernetes")]
    pub fn kubernetes(&self, environment: &Environment) -> Result<KubernetesConfig> {
        let mut config = KubernetesConfig::new(self.image()?);
        if let Some(namespace) = &self.namespace {
            config.namespace.clone_from(namespace);
        }
        config.runtime_class.clone_from(&self.runtime);
        let own = || environment.home.as_ref().map(|home| home.join(".kube/config"));
        let named = self.kubeconfig.clone().or_else(|| environment.kubeconfig.clone());
        config.kubeconfig = named.or_else(|| own().filter(|path| path.exists()));
        config.validate()?;
        Ok(config)
    }

    /// How containers are made.
    ///
    /// # Errors
    /// `Invalid` if no image is named, or what is named cannot be.
    #[cfg(feature = "docker")]
    pub fn docker(&self) -> Result<DockerConfig> {
        let mut config = DockerConfig::new(self.image()?);
        if let Some(socket) = &self.socket {
            config.socket.clone_from(socket);
        }
        config.runtime = match self.runtime.as_deref() {
            None => ContainerRuntime::Engine,
            Some("gvisor" | "runsc") => ContainerRuntime::GVisor,
            Some(other) => {
                return Err(Error::invalid("there is no such runtime for containers")
                    .context("runtime", other)
                    .advice("name gvisor, or leave --sandbox-runtime out for the engine's own"));
            }
        };
        config.warm = self.warm.unwrap_or(0);
        config.validate()?;
        Ok(config)
    }
}

#[cfg(all(test, feature = "docker", feature = "kubernetes"))]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_is_one_of_the_sandboxs_own() {
        let mut isolation = Isolation { image: Some("builder".to_owned()), ..Isolation::default() };
        assert_eq!(isolation.docker().unwrap().runtime, ContainerRuntime::Engine);
        isolation.runtime = Some("gvisor".to_owned());
        assert_eq!(isolation.docker().unwrap().runtime, ContainerRuntime::GVisor);
        isolation.runtime = Some("kata".to_owned());
        let error = isolation.docker().unwrap_err();
        assert!(error.advice_str().is_some_and(|advice| advice.contains("gvisor")));
        isolation.image = Some(format!("builder@sha256:{}", "0".repeat(64)));
        let config = isolation.kubernetes(&Environment::default()).unwrap();
        assert_eq!(config.runtime_class.as_deref(), Some("kata"));
    }

    #[test]
    fn a_cluster_needs_an_image_by_digest() {
        let (mut isolation, environment) = (Isolation::default(), Environment::default());
        let error = isolation.kubernetes(&environment).unwrap_err();
        assert!(error.advice_str().is_some_and(|advice| advice.contains("--sandbox-image")));
        isolation.image = Some("builder:latest".to_owned());
        let error = isolation.kubernetes(&environment).unwrap_err();
        assert!(error.advice_str().is_some_and(|advice| advice.contains("by digest")));
        isolation.image = Some(format!("builder@sha256:{}", "0".repeat(64)));
        isolation.kubeconfig = Some("/etc/kubeconfig".into());
        let config = isolation.kubernetes(&environment).unwrap();
        assert_eq!(config.kubeconfig, Some("/etc/kubeconfig".into()));
    }
}
