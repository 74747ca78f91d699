//! What the server says about itself.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::kind::{KINDS, Kind};

/// `/version`.
pub(crate) fn version() -> Value {
    json!({
        "major": "1", "minor": "33", "gitVersion": "v1.33.0", "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "2025-04-23T13:00:00Z", "goVersion": "", "compiler": "", "platform": "linux/amd64",
    })
}

/// `/api`.
pub(crate) fn core() -> Value {
    json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [] })
}

/// `/apis`.
pub(crate) fn groups() -> Value {
    let names: BTreeMap<_, _> = KINDS
        .iter()
        .filter(|kind| !kind.group.is_empty())
        .map(|kind| (kind.group, kind.version))
        .collect();
    let groups: Vec<_> =
        names.into_iter().map(|(group, version)| group_named(group, version)).collect();
    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
}

fn group_named(group: &str, version: &str) -> Value {
    let version = json!({ "groupVersion": format!("{group}/{version}"), "version": version });
    json!({ "name": group, "versions": [version], "preferredVersion": version })
}

/// `/api/v1` and `/apis/GROUP/VERSION`.
pub(crate) fn resources(group: &str, version: &str) -> Option<Value> {
    let kinds: Vec<_> =
        KINDS.iter().filter(|kind| kind.group == group && kind.version == version).collect();
    let first = kinds.first()?;
    let mut resources: Vec<_> = kinds.iter().map(|kind| resource(kind)).collect();
    if group.is_empty() {
        for (name, verbs) in [
            ("pods/status", vec!["get", "patch", "update"]),
            ("pods/log", vec!["get"]),
            ("pods/exec", vec!["create", "get"]),
            ("pods/attach", vec!["create", "get"]),
        ] {
            let kind = match name {
                "pods/exec" => "PodExecOptions",
                "pods/attach" => "PodAttachOptions",
                _ => "Pod",
            };
            resources.push(json!({ "name": name, "singularName": "", "namespaced": true, "kind": kind, "verbs": verbs }));
        }
    }
    Some(json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": first.api_version(),
        "resources": resources,
    }))
}

fn resource(kind: &Kind) -> Value {
    json!({
        "name": kind.resource,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
        "shortNames": kind.short,
        "categories": if kind.kind == "Pod" { vec!["all"] } else { Vec::new() },
    })
}

/// `/openapi/v3`: one document a group, each with the paths and what kubectl asks of them, that is
/// whether the server validates fields itself.
pub(crate) fn openapi_index() -> Value {
    let mut paths = serde_json::Map::new();
    for kind in &KINDS {
        let path = prefix(kind);
        paths.insert(path.clone(), json!({ "serverRelativeURL": format!("/openapi/v3/{path}") }));
    }
    json!({ "paths": paths })
}

fn prefix(kind: &Kind) -> String {
    if kind.group.is_empty() {
        "api/v1".to_owned()
    } else {
        format!("apis/{}/{}", kind.group, kind.version)
    }
}

/// `/openapi/v3/PREFIX`.
pub(crate) fn openapi(wanted: &str) -> Option<Value> {
    let mut paths = serde_json::Map::new();
    for kind in KINDS.iter().filter(|kind| prefix(kind) == wanted) {
        let scope = if kind.namespaced { "/namespaces/{namespace}" } else { "" };
        let parameter = |name: &str| json!({ "name": name, "in": "query", "schema": { "type": "string", "uniqueItems": true } });
        let operation = |action: &str| {
            json!({
                "x-kubernetes-action": action,
                "x-kubernetes-group-version-kind": { "group": kind.group, "version": kind.version, "kind": kind.kind },
                "parameters": [parameter("dryRun"), parameter("fieldManager"), parameter("fieldValidation")],
                "responses": { "200": { "description": "OK" } },
            })
        };
        let path = format!("/{wanted}{scope}/{}", kind.resource);
        paths.insert(
            format!("{path}/{{name}}"),
            json!({ "patch": operation("patch"), "put": operation("put") }),
        );
        paths.insert(path, json!({ "post": operation("post") }));
    }
    (!paths.is_empty()).then(|| {
        json!({
            "openapi": "3.0.0",
            "info": { "title": "Kubernetes", "version": "v1.33.0" },
            "paths": paths,
            "components": { "schemas": {} },
        })
    })
}
