//! What a cluster can do, layer by layer, and what to do where it cannot.

use matrix_architect_core::{
    error::{Error, ErrorKind},
    traits::{Enforcement, Sandbox as _},
};

use super::{config::KubernetesConfig, sandbox::KubernetesSandbox};
use crate::common::{Check, SESSIONS, checks, closed_by};

/// Opens a session in the cluster and tells what holds in it.
pub async fn doctor(config: &KubernetesConfig) -> Vec<Check> {
    match KubernetesSandbox::connect(config.clone()).await {
        Ok(sandbox) => checks(sandbox.capabilities().enforcement, remedy),
        Err(error) => closed_by(layer(&error), &error, "look at the cluster's events"),
    }
}

/// What keeps Pods from running, by name.
fn layer(error: &Error) -> &'static str {
    match (error.code_str(), error.kind()) {
        ("no_cluster", _) => "kubeconfig",
        ("cluster_unavailable", _) => "cluster",
        ("unauthenticated", _) => "credentials",
        ("forbidden", _) => "rights",
        ("no_namespace", _) => "namespace",
        ("image_not_pulled" | "image_incomplete", _) => "image",
        ("unschedulable", _) => "nodes",
        ("policy_changed", _) => "network",
        (_, ErrorKind::Invalid) => "settings",
        _ => SESSIONS,
    }
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
