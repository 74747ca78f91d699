//! What a Pod needs before it runs: a place, its images, its volumes.

use std::{fs, io, time::Duration};

use serde_json::{Value, json};

use super::life::Life;
use crate::{api, default::TOKEN, process::Container, quantity::units, validate::items};

impl Life {
    /// Finds a place, the images and the volumes. `None` if the Pod cannot run.
    pub(super) async fn prepare(&self) -> Option<Vec<Container>> {
        let spec = &self.pod["spec"];
        let memory = |container: &Value| {
            container["resources"]["requests"]["memory"].as_str().and_then(units)
        };
        let wanted: u64 = items(&spec["containers"]).iter().filter_map(memory).sum();
        if wanted > self.shared.options.memory {
            let message = "0/1 nodes are available: 1 Insufficient memory.";
            self.status(|status| {
                status["conditions"] = json!([{ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message, "lastTransitionTime": api::now() }]);
            });
            self.event("FailedScheduling", message);
            return None;
        }
        self.event("Scheduled", "Successfully assigned to node");
        for container in items(&spec["containers"]) {
            let image = container["image"].as_str().unwrap_or_default();
            if !self.shared.options.images.iter().any(|known| known == image) {
                self.cannot_pull(container, image).await;
                return None;
            }
        }
        if let Some(id) = unmapped(spec) {
            // As a real node does it: the Pod stays where it is, and is tried again and again.
            self.waits("ContainerCreating", "");
            self.event(
                "FailedCreatePodSandBox",
                &format!(
                    "Failed to create pod sandbox: unable to setup user: {id} is not mapped: invalid argument"
                ),
            );
            return None;
        }
        match self.containers() {
            Ok(containers) => Some(containers),
            Err(cause) => {
                self.waits("CreateContainerConfigError", &cause.to_string());
                None
            }
        }
    }

    async fn cannot_pull(&self, container: &Value, image: &str) {
        let message = format!("failed to pull and unpack image \"{image}\": not found");
        self.event(
            "Failed",
            &format!("Failed to pull image \"{image}\" for {}: not found", container["name"]),
        );
        self.waits("ErrImagePull", &message);
        tokio::time::sleep(Duration::from_millis(300)).await;
        self.waits("ImagePullBackOff", &format!("Back-off pulling image \"{image}\""));
    }

    fn containers(&self) -> io::Result<Vec<Container>> {
        let (spec, folder) = (&self.pod["spec"], &self.running.folder);
        fs::create_dir_all(folder.join("volumes"))?;
        let of_pod = items(&spec["containers"]);
        if let Some(cgroup) = &self.running.cgroup {
            let limit = of_pod
                .iter()
                .map(|container| {
                    container["resources"]["limits"]["memory"].as_str().and_then(units)
                })
                .sum::<Option<u64>>();
            fs::create_dir(cgroup)?;
            if let Some(limit) = limit {
                fs::write(cgroup.join("memory.limit_in_bytes"), limit.to_string())?;
            }
        }
        let containers: Vec<_> = of_pod
            .iter()
            .map(|container| {
                Container::new(&self.pod, container, folder, self.running.cgroup.clone())
            })
            .collect();
        for volume in items(&spec["volumes"]) {
            let name = volume["name"].as_str().unwrap_or_default();
            let path = folder.join("volumes").join(name);
            fs::create_dir(&path)?;
            if name == TOKEN {
                fs::write(path.join("token"), "a service account's token")?;
            } else if volume["emptyDir"].is_null() {
                return Err(io::Error::other(format!(
                    "volume \"{name}\" is of a type that this node does not have"
                )));
            }
            if let Some(container) = containers.first() {
                container.own(&path)?;
            }
        }
        Ok(containers)
    }
}

/// How many users the kubelet maps into a user namespace.
const MAPPED: u64 = 65_536;

/// A user or group that a Pod asks for and its user namespace does not have.
fn unmapped(spec: &Value) -> Option<u64> {
    if spec["hostUsers"] != false {
        return None;
    }
    let containers =
        items(&spec["containers"]).iter().map(|container| &container["securityContext"]);
    let named = std::iter::once(&spec["securityContext"])
        .chain(containers)
        .flat_map(|security| ["runAsUser", "runAsGroup", "fsGroup"].map(|field| &security[field]));
    let more = items(&spec["securityContext"]["supplementalGroups"]);
    named.chain(more).filter_map(Value::as_u64).find(|id| *id >= MAPPED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_65536_users_are_in_a_user_namespace() {
        let mut spec = json!({
            "hostUsers": false,
            "securityContext": { "runAsUser": 65_535, "fsGroup": 1 },
            "containers": [{ "securityContext": { "runAsGroup": 7 } }],
        });
        assert_eq!(unmapped(&spec), None);
        spec["containers"][0]["securityContext"]["runAsGroup"] = json!(65_536);
        assert_eq!(unmapped(&spec), Some(65_536));
        spec["hostUsers"] = json!(true);
        assert_eq!(unmapped(&spec), None);
    }
}
