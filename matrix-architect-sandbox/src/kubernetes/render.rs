//! Decides what the cluster is told: the Pod of a session, the policy that keeps it from the
//! network, and the rights that we need for both.

use std::collections::BTreeMap;

use matrix_architect_core::traits::{Limits, SessionSpec};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::config::KubernetesConfig;

/// The name of the network policy of all sessions of a namespace.
pub(super) const POLICY: &str = "matrix-architect-sandbox";
/// The name of the one container of a session's Pod.
pub(super) const CONTAINER: &str = "session";
/// The commands' home.
pub(super) const HOME: &str = "/home/sandbox";
/// What of a Pod says that its owner is still there: a number that grows.
pub(super) const BEAT: &str = "matrix-architect.dev/beat";
/// Which process made a Pod.
pub(super) const OWNER: &str = "matrix-architect.dev/owner";

/// Which Pods are sessions.
pub(super) const SELECTOR: &str =
    "app.kubernetes.io/managed-by=matrix-architect,app.kubernetes.io/component=sandbox";

/// What a Pod is made from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) config: &'a KubernetesConfig,
    pub(super) spec: &'a SessionSpec,
    pub(super) name: &'a str,
    /// The process that owns it.
    pub(super) owner: &'a str,
    /// The user of its commands.
    pub(super) user: u32,
}

/// The Pod of a session: the restricted profile of Pod Security, and more.
pub(super) fn pod(wanted: &Wanted<'_>) -> Value {
    let (config, limits) = (wanted.config, &wanted.spec.limits);
    let mut spec = json!({
        "restartPolicy": "Never",
        "activeDeadlineSeconds": config.lifetime.as_secs().max(1),
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": wanted.user,
            "runAsGroup": wanted.user,
            "fsGroup": wanted.user,
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "containers": [container(wanted)],
        "volumes": SPACES.map(|(name, _)| json!({
            "name": name,
            "emptyDir": { "sizeLimit": limits.disk.to_string() },
        })),
    });
    if config.user_namespace {
        spec["hostUsers"] = json!(false);
    }
    if let Some(class) = &config.runtime_class {
        spec["runtimeClassName"] = json!(class);
    }
    if !config.pull_secrets.is_empty() {
        let names: Vec<_> =
            config.pull_secrets.iter().map(|name| json!({ "name": name })).collect();
        spec["imagePullSecrets"] = json!(names);
    }
    if !config.node_selector.is_empty() {
        spec["nodeSelector"] = json!(config.node_selector);
    }
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": wanted.name,
            "namespace": config.namespace,
            "labels": labels(wanted),
            "annotations": annotations(wanted),
        },
        "spec": spec,
    })
}

/// Where a session may write.
const SPACES: [(&str, &str); 3] = [("workspace", "/workspace"), ("tmp", "/tmp"), ("home", HOME)];

fn container(wanted: &Wanted<'_>) -> Value {
    let limits = &wanted.spec.limits;
    let resources = json!({
        "cpu": cpu(cpu_millis(wanted.config, limits)),
        "memory": limits.memory.to_string(),
        "ephemeral-storage": limits.disk.to_string(),
    });
    json!({
        "name": CONTAINER,
        "image": wanted.config.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", include_str!("scripts/keep.sh")],
        "workingDir": "/workspace",
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "privileged": false,
            "readOnlyRootFilesystem": true,
            "runAsNonRoot": true,
            "capabilities": { "drop": ["ALL"] },
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "resources": { "limits": resources, "requests": resources },
        "volumeMounts": SPACES.map(|(name, path)| json!({ "name": name, "mountPath": path })),
    })
}

/// The CPUs of a session, in thousandths.
pub(super) const fn cpu_millis(config: &KubernetesConfig, limits: &Limits) -> u32 {
    if limits.cpu_millis == 0 { config.cpu_millis } else { limits.cpu_millis }
}

/// As the cluster writes it, too.
fn cpu(millis: u32) -> String {
    if millis.is_multiple_of(1000) { (millis / 1000).to_string() } else { format!("{millis}m") }
}

fn labels(wanted: &Wanted<'_>) -> BTreeMap<String, String> {
    let mut labels = names(wanted);
    for value in labels.values_mut() {
        *value = label(value);
    }
    labels.insert("app.kubernetes.io/managed-by".to_owned(), "matrix-architect".to_owned());
    labels.insert("app.kubernetes.io/component".to_owned(), "sandbox".to_owned());
    labels
}

/// The same names in full: labels are shorter than names may be.
fn annotations(wanted: &Wanted<'_>) -> BTreeMap<String, String> {
    let mut annotations = names(wanted);
    annotations.remove(OWNER);
    annotations.insert(BEAT.to_owned(), "0".to_owned());
    annotations
}

fn names(wanted: &Wanted<'_>) -> BTreeMap<String, String> {
    let name = |key: &str| format!("matrix-architect.dev/{key}");
    let mut names = BTreeMap::from([
        (name("session"), wanted.spec.id.to_string()),
        (OWNER.to_owned(), wanted.owner.to_owned()),
    ]);
    if let Some((job, fence)) = &wanted.spec.owner {
        names.insert(name("tenant"), job.tenant.to_string());
        names.insert(name("job"), job.id.to_string());
        names.insert(name("fence"), fence.0.to_string());
    }
    names
}

/// A text as the value of a label: itself where it can be one, else its beginning and its hash.
fn label(text: &str) -> String {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let bytes = text.as_bytes();
    if bytes.len() <= 63
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().copied().all(inner)
    {
        return text.to_owned();
    }
    let legal = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
    let start: String = text.chars().map(legal).take(40).collect();
    let digest = Sha256::digest(text);
    let hash = digest.first_chunk().copied().map_or(0, u64::from_be_bytes);
    format!("x{start}.{hash:016x}")
}

/// Keeps all sessions of a namespace from the network, in and out.
pub(super) fn network_policy(namespace: &str) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": POLICY,
            "namespace": namespace,
            "labels": { "app.kubernetes.io/managed-by": "matrix-architect" },
        },
        "spec": {
            "podSelector": { "matchLabels": {
                "app.kubernetes.io/managed-by": "matrix-architect",
                "app.kubernetes.io/component": "sandbox",
            } },
            "policyTypes": ["Ingress", "Egress"],
        },
    })
}

/// What the cluster's administrator gives us, for who is told that it is missing.
pub(super) fn role(namespace: &str) -> String {
    format!(
        "apiVersion: rbac.authorization.k8s.io/v1\n\
         kind: Role\n\
         metadata: {{name: {POLICY}, namespace: {namespace}}}\n\
         rules:\n\
         - {{apiGroups: [\"\"], resources: [pods], verbs: [create, get, list, watch, patch, delete]}}\n\
         - {{apiGroups: [\"\"], resources: [pods/exec], verbs: [create, get]}}\n\
         - {{apiGroups: [\"\"], resources: [events], verbs: [list]}}\n\
         - {{apiGroups: [networking.k8s.io], resources: [networkpolicies], verbs: [create, get]}}\n"
    )
}

#[cfg(test)]
#[path = "render/tests.rs"]
mod tests;
