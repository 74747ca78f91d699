//! What a requester asked for, as it may be made public: everything but what may be a secret.
//!
//! Secrets belong into a store and are named by reference. This is the net below those who write
//! them into a deployment's settings all the same.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{
    id::Digest,
    job::JobSpec,
    plan::Change,
    release::{DeploymentConfig, PublishConfig},
};

const REDACTED: &str = "[redacted]";

/// Parts of names under which people write secrets.
const TELLTALES: [&str; 12] = [
    "secret",
    "token",
    "passw",
    "pwd",
    "credential",
    "private",
    "apikey",
    "api_key",
    "api-key",
    "auth",
    "cookie",
    "dsn",
];

/// The parameters of a job.
pub(super) fn external(spec: &JobSpec) -> BTreeMap<String, Value> {
    let deployments: Vec<_> = spec.deployments.iter().map(deployment).collect();
    let publish: Vec<_> = spec.publish.iter().map(publisher).collect();
    BTreeMap::from([
        ("goal".to_owned(), json!(spec.goal)),
        ("repo".to_owned(), visible("repo", &json!(spec.repo))),
        ("change".to_owned(), change(&spec.change)),
        ("constraints".to_owned(), json!(spec.constraints)),
        ("verifyCommands".to_owned(), json!(spec.verify_commands)),
        ("deployments".to_owned(), json!(deployments)),
        ("publish".to_owned(), json!(publish)),
    ])
}

fn change(change: &Change) -> Value {
    match change {
        Change::Plan(_) => json!({ "kind": "plan" }),
        Change::Diff(diff) => json!({ "kind": "diff", "digest": Digest::of(diff) }),
        Change::Branch(branch) => json!({ "kind": "branch", "branch": branch }),
        Change::Goal => json!({ "kind": "goal" }),
    }
}

fn deployment(deployment: &DeploymentConfig) -> Value {
    json!({
        "name": deployment.name(),
        "target": deployment.target,
        "environment": deployment.environment,
        "namespace": deployment.namespace,
        "config": settings(&deployment.config),
    })
}

fn publisher(publish: &PublishConfig) -> Value {
    json!({ "driver": publish.driver, "config": settings(&publish.config) })
}

fn settings(config: &BTreeMap<String, Value>) -> Map<String, Value> {
    config.iter().map(|(key, value)| (key.clone(), visible(key, value))).collect()
}

fn visible(key: &str, value: &Value) -> Value {
    let key = key.to_ascii_lowercase();
    let is_environment = matches!(key.as_str(), "env" | "environment_variables" | "headers");
    let is_telltale = TELLTALES.iter().any(|telltale| key.contains(telltale));
    match value {
        Value::Object(members) if is_environment => {
            members.keys().map(|name| (name.clone(), json!(REDACTED))).collect()
        }
        Value::Object(members) => {
            members.iter().map(|(name, member)| (name.clone(), visible(name, member))).collect()
        }
        Value::Null | Value::Bool(_) => value.clone(),
        _ if is_environment || is_telltale => json!(REDACTED),
        Value::Array(items) => items.iter().map(|item| visible(&key, item)).collect(),
        Value::String(text) => json!(without_credentials(text)),
        Value::Number(_) => value.clone(),
    }
}

/// A URI without the user and password it may carry, and without its query.
pub(super) fn without_credentials(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (rest, query) = rest.split_once('?').map_or((rest, ""), |(rest, _)| (rest, "?[redacted]"));
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_may_be_secret_are_not_made_public() {
        let config = json!({
            "driver": "systemd",
            "replicas": 3,
            "api_key": "sk_live_1",
            "nested": { "DB_PASSWORD": "hunter2", "port": 80 },
            "env": { "ANYTHING": "hunter2" },
            "tokens": ["hunter2"],
            "credentials": "env://GIT_TOKEN",
            "url": "https://user:hunter2@example.org/a?sig=hunter2",
            "headers": ["x: hunter2"],
        });
        let shown = visible("config", &config).to_string();
        assert!(!shown.contains("hunter2") && !shown.contains("sk_live"), "{shown}");
        for kept in ["systemd", "replicas\":3", "port\":80", "ANYTHING", "https://example.org/a"] {
            assert!(shown.contains(kept), "{kept} in {shown}");
        }
    }

    #[test]
    fn a_uri_without_credentials_stays_as_it_is() {
        for uri in ["git+https://example.org/a.git", "file:///srv/a", "plain text", "a@b"] {
            assert_eq!(without_credentials(uri), uri);
        }
        assert_eq!(without_credentials("https://u:p@h:1/x@y"), "https://h:1/x@y");
    }
}
