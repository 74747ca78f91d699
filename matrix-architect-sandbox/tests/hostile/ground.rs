//! The sandboxes that attempts are made in.

use std::{net::Ipv4Addr, sync::Arc};

use matrix_architect_core::{
    conformance::files::Files,
    id::SessionId,
    traits::{Cancel, Command, Exit, Limits, Network, Sandbox, Session, SessionSpec},
};
use matrix_architect_sandbox::{
    bwrap::{BwrapConfig, BwrapSandbox},
    docker::{DockerConfig, DockerSandbox},
    egress::ProxyConfig,
    native::{NativeConfig, NativeSandbox},
};

use crate::{
    alone::skip,
    attempt::Kind,
    image::{self, docker},
};

/// A fresh sandbox.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) kind: Kind,
    sandbox: Arc<dyn Sandbox>,
    /// The label of its containers.
    pub(crate) label: Option<String>,
    _directory: Option<tempfile::TempDir>,
}

impl Ground {
    /// `None`, and said so, where it cannot be.
    pub(crate) async fn here(kind: Kind) -> Option<Self> {
        let ground = |sandbox| Self { kind, sandbox, label: None, _directory: None };
        match kind {
            Kind::Native | Kind::Unprivileged => Some(ground(Arc::new(native()))),
            Kind::Docker if docker(&["version"]).is_none() => {
                skip("there is no Docker engine, or it may not be used");
                None
            }
            Kind::Docker => {
                image::ensure(image::IMAGE, &image::Files::new());
                let config = DockerConfig::new(image::IMAGE).proxy(proxy());
                let sandbox = DockerSandbox::connect(config).await.unwrap();
                let label = Some(sandbox.label());
                Some(Self { label, ..ground(Arc::new(sandbox)) })
            }
            Kind::Bwrap if !std::path::Path::new("/usr/bin/bwrap").is_file() => {
                skip("bubblewrap is not installed");
                None
            }
            Kind::Bwrap => {
                let directory = tempfile::tempdir().unwrap();
                let sandbox = BwrapSandbox::new(BwrapConfig::in_directory(directory.path()));
                let sandbox = Arc::new(sandbox.unwrap());
                Some(Self { _directory: Some(directory), ..ground(sandbox) })
            }
        }
    }

    pub(crate) async fn open(&self, limits: Limits) -> Box<dyn Session> {
        self.open_to(limits, Network::Isolated).await
    }

    pub(crate) async fn open_to(&self, limits: Limits, network: Network) -> Box<dyn Session> {
        let mut spec = SessionSpec::new(SessionId::from_number(1));
        spec.limits = limits;
        spec.network = network;
        self.sandbox.open(&Files::default(), &spec).await.unwrap()
    }
}

/// The native sandbox, whose proxy finds two hosts on this machine.
pub(crate) fn native() -> NativeSandbox {
    NativeSandbox::new(NativeConfig::default().proxy(proxy())).unwrap()
}

fn proxy() -> ProxyConfig {
    ["allowed.test", "refused.test"]
        .into_iter()
        .fold(ProxyConfig::default(), |proxy, name| proxy.host(name, Ipv4Addr::LOCALHOST.into()))
}

/// Bounds in which every attempt has room that is not about bounds.
pub(crate) fn roomy() -> Limits {
    let mut limits = Limits::default().memory(256 << 20).disk(64 << 20).processes(64);
    limits.open_files = 1024;
    limits
}

/// Runs a command to its end, and what it printed.
pub(crate) async fn ran(session: &dyn Session, command: &Command) -> (Exit, String) {
    let mut output = Vec::new();
    let exit = session.run(command, &mut output, &Cancel::new()).await.unwrap();
    (exit, String::from_utf8_lossy(&output).into_owned())
}
