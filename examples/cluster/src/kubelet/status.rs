//! What the cluster is told of a Pod.

use serde_json::{Value, json};

use super::life::Life;
use crate::{api, process::Container, validate::items};

impl Life {
    /// Writes the status, if the Pod is still this one.
    pub(super) fn status(&self, change: impl FnOnce(&mut Value)) {
        let _ = self.shared.store.change(self.kind, &self.running.key, |pod| {
            if pod["metadata"]["uid"] == self.uid {
                change(&mut pod["status"]);
            }
            Ok(())
        });
    }

    pub(super) fn event(&self, reason: &str, message: &str) {
        api::event(&self.shared, &self.pod, reason, message);
    }

    pub(super) fn waits(&self, reason: &str, message: &str) {
        let statuses: Vec<_> = items(&self.pod["spec"]["containers"])
            .iter()
            .map(|container| {
                status_of(
                    container,
                    &json!({ "waiting": { "reason": reason, "message": message } }),
                    0,
                )
            })
            .collect();
        self.status(|status| status["containerStatuses"] = json!(statuses));
    }

    pub(super) fn stopped(&self, container: &Container, code: i32, count: u64) {
        let reason = match code {
            0 => "Completed",
            137 if container.was_out_of_memory() => "OOMKilled",
            _ => "Error",
        };
        let state = json!({ "terminated": { "exitCode": code, "reason": reason, "finishedAt": api::now() } });
        self.contain(container, &state, count, false);
    }

    pub(super) fn contain(
        &self,
        container: &Container,
        state: &Value,
        count: u64,
        is_running: bool,
    ) {
        let of_spec =
            items(&self.pod["spec"]["containers"]).iter().find(|one| one["name"] == container.name);
        let Some(of_spec) = of_spec else { return };
        let shown = status_of(of_spec, state, count);
        self.status(|status| {
            let mut statuses = items(&status["containerStatuses"]).to_vec();
            match statuses.iter_mut().find(|one| one["name"] == shown["name"]) {
                Some(one) => *one = shown,
                None => statuses.push(shown),
            }
            status["containerStatuses"] = json!(statuses);
            if is_running {
                status["phase"] = json!("Running");
                status["startTime"] = json!(api::now());
                let ready = |kind: &str| json!({ "type": kind, "status": "True", "lastTransitionTime": api::now() });
                status["conditions"] = json!([ready("PodScheduled"), ready("Initialized"), ready("ContainersReady"), ready("Ready")]);
            }
        });
    }
}

fn status_of(container: &Value, state: &Value, count: u64) -> Value {
    let is_running = !state["running"].is_null();
    json!({
        "name": container["name"],
        "image": container["image"],
        "imageID": container["image"],
        "ready": is_running,
        "started": is_running,
        "restartCount": count,
        "state": state,
    })
}
