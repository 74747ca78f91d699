//! Sessions as Pods of a Kubernetes cluster, so that a fleet of workers scales on an engine that
//! is there already.
//!
//! ```no_run
//! # async fn example(tree: &dyn matrix_architect_core::traits::Tree) -> matrix_architect_core::error::Result<()> {
//! use matrix_architect_core::{
//!     id::SessionId,
//!     traits::{Cancel, Command, Sandbox as _, SessionSpec},
//! };
//! use matrix_architect_sandbox::kubernetes::{KubernetesConfig, KubernetesSandbox};
//!
//! let digest = "a".repeat(64);
//! let mut config = KubernetesConfig::new(format!("registry.example/builder@sha256:{digest}"));
//! config.kubeconfig = Some("/etc/architect/kubeconfig".into());
//! let sandbox = KubernetesSandbox::connect(config).await?;
//! let session = sandbox.open(tree, &SessionSpec::new(SessionId::from_number(1))).await?;
//! let exit = session.run(&Command::shell("make test"), &mut Vec::new(), &Cancel::new()).await?;
//! assert!(exit.verdict.is_success());
//! session.close().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What holds
//! * A session is one Pod under the restricted profile of Pod Security, without a service account
//!   token, in a user namespace, with requests equal to limits, its root read-only. Its first
//!   process does nothing; commands, and files in and out, come by exec over a websocket.
//! * What the cluster was told is compared with what it made of it, and with what is seen inside:
//!   a layer that admission changed, or that the kernel does not show, is refused or reported.
//! * The network is closed by a policy for all sessions of the namespace. Whether the cluster's
//!   network plugin holds policies is tried from inside, against the API server.
//! * An exec cannot be killed from outside. On a timeout a second one kills all processes of the
//!   Pod but its first by one call; if that does not come through, the Pod goes.
//! * Limits of processes, files and CPU time are rlimits; a user of its own for each session makes
//!   the kernel count the processes of that session alone. Memory is the Pod's cgroup; a command
//!   with less than its session is watched.
//! * Whether a command exited or was ended by a signal is the word of its shell. Of SIGINT and SIGPIPE
//!   shells say nothing, so the codes 130 and 141 are taken for them.
//!
//! # Limits of a Pod
//! No host paths are shown, no services run beside commands, no egress is given. What the tree and
//! the temporary folders hold is bounded by eviction, which takes the kubelet up to a minute or two,
//! because it looks at volumes once a minute, and ends the session.

mod cluster;
mod collect;
mod config;
mod doctor;
mod exec;
mod facts;
mod fault;
mod phase;
mod readback;
mod reap;
mod record;
mod render;
mod run;
mod sandbox;
mod script;
mod session;
mod verdict;

pub use config::KubernetesConfig;
pub use doctor::doctor;
pub use sandbox::KubernetesSandbox;
