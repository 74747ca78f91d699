//! Tables, as `kubectl get` asks for them.

use serde_json::{Value, json};

use crate::{kind::Kind, validate::items};

/// These objects as a table.
pub(crate) fn of(kind: &Kind, objects: &[Value], version: &str) -> Value {
    let columns: &[&str] = match kind.kind {
        "Pod" => &["Name", "Ready", "Status", "Restarts", "Age"],
        "Namespace" => &["Name", "Status", "Age"],
        "Event" => &["Last Seen", "Type", "Reason", "Object", "Message"],
        "NetworkPolicy" => &["Name", "Pod-Selector", "Age"],
        _ => &["Name", "Age"],
    };
    let definitions: Vec<_> = columns.iter().map(|name| {
        let format = if *name == "Name" { "name" } else { "" };
        json!({ "name": name, "type": "string", "format": format, "description": "", "priority": 0 })
    }).collect();
    let rows: Vec<_> = objects.iter().map(|object| {
        let cells: Vec<_> = columns.iter().map(|column| cell(object, column)).collect();
        let partial = json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"] });
        json!({ "cells": cells, "object": partial })
    }).collect();
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": { "resourceVersion": version },
        "columnDefinitions": definitions,
        "rows": rows,
    })
}

fn cell(object: &Value, column: &str) -> Value {
    let containers = items(&object["status"]["containerStatuses"]);
    match column {
        "Name" => object["metadata"]["name"].clone(),
        "Age" => json!(age(&object["metadata"]["creationTimestamp"])),
        "Last Seen" => json!(age(&object["lastTimestamp"])),
        "Type" => object["type"].clone(),
        "Reason" => object["reason"].clone(),
        "Message" => object["message"].clone(),
        "Object" => {
            json!(format!("pod/{}", object["involvedObject"]["name"].as_str().unwrap_or_default()))
        }
        "Ready" => {
            let ready = containers.iter().filter(|container| container["ready"] == true).count();
            json!(format!("{ready}/{}", items(&object["spec"]["containers"]).len()))
        }
        "Restarts" => json!(
            containers
                .iter()
                .filter_map(|container| container["restartCount"].as_u64())
                .sum::<u64>()
        ),
        "Pod-Selector" => json!(
            object["spec"]["podSelector"]["matchLabels"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
                .collect::<Vec<_>>()
                .join(",")
        ),
        _ => json!(status(object)),
    }
}

fn status(object: &Value) -> String {
    if !object["metadata"]["deletionTimestamp"].is_null() {
        return "Terminating".to_owned();
    }
    let state = &object["status"]["containerStatuses"][0]["state"];
    let reason = [
        &state["waiting"]["reason"],
        &state["terminated"]["reason"],
        &object["status"]["reason"],
        &object["status"]["phase"],
    ];
    reason.into_iter().find_map(Value::as_str).unwrap_or("Unknown").to_owned()
}

fn age(since: &Value) -> String {
    let since = since.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let seconds =
        since.map_or(0, |since| jiff::Timestamp::now().duration_since(since).as_secs().max(0));
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        _ => format!("{}h", seconds / 3600),
    }
}
