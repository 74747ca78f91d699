//! A Kubernetes API server and one node, in one process, for tests.
//!
//! It is strict where a real one is strict and where it is lenient, too: unknown fields are refused
//! unless the client asks otherwise, names, labels, quantities and selectors are checked, Pod
//! Security's restricted profile is held where the namespace asks for it, and what a token may not
//! do is forbidden in the words of RBAC. Its node runs the containers' commands as processes of
//! this machine, each Pod in namespaces of its own by bubblewrap, so that exec, attach, logs,
//! eviction and deletion are what they say. `kubectl` and the Python client drive it in its tests.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use matrix_architect_cluster::{Cluster, Options};
//!
//! let image = format!("registry.test/base@sha256:{}", "a".repeat(64));
//! let cluster = Cluster::start(Options::new([image])).await?;
//! std::fs::write("kubeconfig", cluster.kubeconfig("admin"))?;
//! cluster.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! Another kind of object is a line in `kind.rs`. What acts on objects, as controllers do, watches
//! the store as the kubelet does.
#![expect(clippy::disallowed_methods, reason = "a server for tests has no clock to be given")]

mod answer;
mod api;
mod default;
mod discovery;
mod kind;
mod kubelet;
mod options;
mod patch;
mod process;
mod quantity;
mod request;
mod security;
mod select;
mod server;
mod store;
mod stream;
mod table;
mod validate;
mod watch;

pub use options::{Admission, Options, Rights};
pub use server::Cluster;
