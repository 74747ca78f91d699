//! What a cluster can do, layer by layer, and what to do where it cannot.

use matrix_architect_core::{
    error::Error,
    traits::{Enforcement, Sandbox as _},
};

use super::{config::KubernetesConfig, sandbox::KubernetesSandbox};
use crate::common::{Check, checks};

/// Opens a session in the cluster and tells what holds in it.
pub async fn doctor(config: &KubernetesConfig) -> Vec<Check> {
    match KubernetesSandbox::connect(config.clone()).await {
        Ok(sandbox) => checks(sandbox.capabilities().enforcement, remedy),
        Err(error) => vec![cannot_start(&error)],
    }
}

fn cannot_start(error: &Error) -> Check {
    let context: Vec<_> =
        error.contexts().map(|(name, value)| format!("{name}: {value}")).collect();
    let detail = format!("{} ({})", error.message(), context.join(", "));
    let remedy = error.advice_str().unwrap_or("look at the cluster's events").to_owned();
    Check { layer: "sessions".to_owned(), ok: false, detail, remedy }
}

fn remedy(layer: &str, enforcement: Enforcement) -> &'static str {
    match (layer, enforcement) {
        (_, Enforcement::Enforced | Enforcement::PerProcess | Enforcement::Polled) => "",
        ("network", _) => {
            "install a network plugin that holds network policies, and bash, python3 or nc in the image to try it"
        }
        ("user_namespace", _) => {
            "use Kubernetes 1.33 or later on Linux 6.3 or later, or set `user_namespace` to false"
        }
        ("processes", _) => {
            "use an image whose `sh` can set the number of processes: dash, bash or busybox"
        }
        _ => "find the admission plugin that changes the Pods of this namespace",
    }
}
