//! What the server adds to an object.

use serde_json::{Value, json};

use crate::validate::items;

/// Adds what a Pod leaves out.
pub(crate) fn pod(pod: &mut Value) {
    let spec = &mut pod["spec"];
    let defaults = [
        ("restartPolicy", json!("Always")),
        ("dnsPolicy", json!("ClusterFirst")),
        ("terminationGracePeriodSeconds", json!(30)),
        ("schedulerName", json!("default-scheduler")),
        ("securityContext", json!({})),
        ("enableServiceLinks", json!(true)),
        ("serviceAccountName", json!("default")),
        ("serviceAccount", json!("default")),
        ("preemptionPolicy", json!("PreemptLowerPriority")),
        ("priority", json!(0)),
    ];
    for (field, value) in defaults {
        missing(spec, field, value);
    }
    let mounts_token = spec["automountServiceAccountToken"] != false;
    if mounts_token && let Some(volumes) = list(spec, "volumes") {
        let projected = json!({ "defaultMode": 420, "sources": [{ "serviceAccountToken": { "expirationSeconds": 3607, "path": "token" } }] });
        volumes.push(json!({ "name": TOKEN, "projected": projected }));
    }
    for container in spec["containers"].as_array_mut().into_iter().flatten() {
        self::container(container);
        if mounts_token && let Some(mounts) = list(container, "volumeMounts") {
            mounts.push(json!({ "name": TOKEN, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true }));
        }
    }
    let class = quality(pod);
    pod["status"] = json!({ "phase": "Pending", "qosClass": class });
}

/// The volume of a service account's token.
pub(crate) const TOKEN: &str = "kube-api-access";

fn container(container: &mut Value) {
    let image = container["image"].as_str().unwrap_or_default().to_owned();
    let tag = image.rsplit('/').next().unwrap_or_default();
    let is_latest = !image.contains('@') && (tag.ends_with(":latest") || !tag.contains(':'));
    missing(container, "imagePullPolicy", json!(if is_latest { "Always" } else { "IfNotPresent" }));
    missing(container, "terminationMessagePath", json!("/dev/termination-log"));
    missing(container, "terminationMessagePolicy", json!("File"));
    missing(container, "resources", json!({}));
    let limits = container["resources"]["limits"].clone();
    for (resource, limit) in limits.as_object().into_iter().flatten() {
        if container["resources"]["requests"][resource].is_null() {
            container["resources"]["requests"][resource] = limit.clone();
        }
    }
}

fn quality(pod: &Value) -> &'static str {
    let containers = items(&pod["spec"]["containers"]);
    let has = |container: &Value, kind: &str| {
        ["cpu", "memory"]
            .iter()
            .all(|resource| container["resources"][kind].get(resource).is_some())
    };
    let equal = |container: &Value| {
        ["cpu", "memory"].iter().all(|resource| {
            container["resources"]["limits"][resource]
                == container["resources"]["requests"][resource]
        })
    };
    if containers.iter().all(|container| has(container, "limits") && equal(container)) {
        return "Guaranteed";
    }
    let none = |container: &Value| {
        container["resources"]["limits"].is_null() && container["resources"]["requests"].is_null()
    };
    if containers.iter().all(none) { "BestEffort" } else { "Burstable" }
}

fn missing(object: &mut Value, field: &str, value: Value) {
    if object[field].is_null() {
        object[field] = value;
    }
}

fn list<'a>(object: &'a mut Value, field: &str) -> Option<&'a mut Vec<Value>> {
    missing(object, field, json!([]));
    object[field].as_array_mut()
}
