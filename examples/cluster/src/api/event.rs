//! What happened, as objects of the cluster.

use serde_json::{Value, json};

use super::stamp::{identity, now};
use crate::{kind::Kind, server::Shared, store::Key};

/// Tells the cluster what happened to a Pod.
pub(crate) fn event(shared: &Shared, pod: &Value, reason: &str, message: &str) {
    let Some(kind) = Kind::named("Event") else { return };
    let metadata = &pod["metadata"];
    let (namespace, name) = (
        metadata["namespace"].as_str().unwrap_or_default(),
        metadata["name"].as_str().unwrap_or_default(),
    );
    let event_name = format!("{name}.{}", &identity()[..8]);
    let is_normal = ["Scheduled", "Pulled", "Started", "Killing"].contains(&reason);
    let event = json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": { "name": event_name, "namespace": namespace, "uid": identity(), "creationTimestamp": now() },
        "involvedObject": { "kind": "Pod", "namespace": namespace, "name": name, "uid": metadata["uid"], "apiVersion": "v1" },
        "reason": reason, "message": message, "type": if is_normal { "Normal" } else { "Warning" },
        "firstTimestamp": now(), "lastTimestamp": now(), "count": 1, "source": { "component": "kubelet" },
    });
    let _ = shared.store.add(kind, &Key::new(kind, namespace, &event_name), event);
}
