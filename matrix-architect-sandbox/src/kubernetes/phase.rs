//! How far a Pod has come. Decides at once what waiting would not change.

use k8s_openapi::api::core::v1::{ContainerState, Pod};
use matrix_architect_core::{
    error::{Error, ErrorKind},
    traits::ExitVerdict,
};

/// How far a Pod has come.
#[derive(Debug)]
pub(super) enum Phase {
    /// Its commands can run.
    Running,
    /// Something is still to happen.
    Pending {
        /// The scheduler finds no node, for this reason.
        unschedulable: Option<String>,
    },
    /// It will not run, or no more.
    Ended(End),
}

/// Why a Pod has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) reason: String,
    pub(super) message: String,
}

/// Reasons of a container that waits which mean that it waits in vain.
const HOPELESS: [&str; 7] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
];

/// Reads a Pod's status.
pub(super) fn phase(pod: &Pod) -> Phase {
    let ended = |reason: &str, message: Option<&String>| {
        Phase::Ended(End {
            reason: reason.to_owned(),
            message: message.cloned().unwrap_or_default(),
        })
    };
    let Some(status) = &pod.status else { return Phase::Pending { unschedulable: None } };
    let state = status.container_statuses.iter().flatten().find_map(|status| status.state.as_ref());
    if let Some(reason) = status.reason.as_deref().filter(|_| is_over(status.phase.as_deref())) {
        return ended(reason, status.message.as_ref());
    }
    match state {
        Some(ContainerState { terminated: Some(terminated), .. }) => {
            return ended(
                terminated.reason.as_deref().unwrap_or("Error"),
                terminated.message.as_ref(),
            );
        }
        Some(ContainerState { waiting: Some(waiting), .. }) => {
            let reason = waiting.reason.as_deref().unwrap_or_default();
            if HOPELESS.contains(&reason) {
                return ended(reason, waiting.message.as_ref());
            }
        }
        _ => {}
    }
    if is_over(status.phase.as_deref()) {
        return ended(status.phase.as_deref().unwrap_or_default(), status.message.as_ref());
    }
    if pod.metadata.deletion_timestamp.is_some() {
        return ended("Deleted", None);
    }
    if status.phase.as_deref() == Some("Running")
        && matches!(state, Some(ContainerState { running: Some(_), .. }))
    {
        return Phase::Running;
    }
    let unschedulable = status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False");
    Phase::Pending {
        unschedulable: unschedulable.map(|condition| condition.message.clone().unwrap_or_default()),
    }
}

fn is_over(phase: Option<&str>) -> bool {
    matches!(phase, Some("Failed" | "Succeeded"))
}

impl End {
    /// That a Pod is not there any more.
    pub(super) fn deleted() -> Self {
        Self { reason: "Deleted".to_owned(), message: String::new() }
    }

    /// The verdict on the command that ran in the Pod; `None` if its end says nothing about it.
    pub(super) fn verdict(&self) -> Option<ExitVerdict> {
        match self.reason.as_str() {
            "OOMKilled" => Some(ExitVerdict::OutOfMemory),
            "DeadlineExceeded" => Some(ExitVerdict::TimedOut),
            "Evicted"
                if self.message.contains("ephemeral") || self.message.contains("EmptyDir") =>
            {
                Some(ExitVerdict::DiskExceeded)
            }
            _ => None,
        }
    }

    /// The error of a session whose Pod did not come to run.
    pub(super) fn never_ran(&self) -> Error {
        let (kind, code, advice) = match self.reason.as_str() {
            "ErrImagePull" | "ImagePullBackOff" | "ErrImageNeverPull" => (
                ErrorKind::Unavailable,
                "image_not_pulled",
                "check that the image is there and that the pull secrets are right",
            ),
            "InvalidImageName" => {
                (ErrorKind::Invalid, "image_not_pulled", "correct the image's name")
            }
            _ => (ErrorKind::Unavailable, "pod_not_started", "look at the Pod's events"),
        };
        self.described(Error::new(kind, "the Pod of a session does not start").code(code))
            .advice(advice)
    }

    /// The error of a session whose Pod has ended under it.
    pub(super) fn ended(&self) -> Error {
        let error = Error::new(ErrorKind::Unavailable, "the Pod of the session has ended");
        self.described(error.code("session_closed")).advice("open another session")
    }

    fn described(&self, error: Error) -> Error {
        let error = error.context("reason", &self.reason);
        if self.message.is_empty() { error } else { error.context("message", &self.message) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn seen(status: &Value) -> Phase {
        phase(&serde_json::from_value(json!({ "metadata": {}, "status": status })).unwrap())
    }

    #[test]
    fn a_container_that_waits_in_vain_is_told_at_once() {
        let waiting = |reason: &str| {
            let state = json!({ "waiting": { "reason": reason, "message": "m" } });
            json!({ "phase": "Pending", "containerStatuses": [{ "name": "session", "image": "",
                "imageID": "", "ready": false, "restartCount": 0, "state": state }] })
        };
        assert!(matches!(
            seen(&waiting("ContainerCreating")),
            Phase::Pending { unschedulable: None }
        ));
        let Phase::Ended(end) = seen(&waiting("ImagePullBackOff")) else { panic!("it waits") };
        assert_eq!(end.never_ran().code_str(), "image_not_pulled");
    }

    #[test]
    fn an_unschedulable_pod_says_why() {
        let condition = json!({ "type": "PodScheduled", "status": "False", "message": "no room" });
        let Phase::Pending { unschedulable } =
            seen(&json!({ "phase": "Pending", "conditions": [condition] }))
        else {
            panic!("it waits")
        };
        assert_eq!(unschedulable.as_deref(), Some("no room"));
    }

    #[test]
    fn the_end_of_a_pod_is_a_verdict_where_the_command_caused_it() {
        let end = |reason: &str, message: &str| End {
            reason: reason.to_owned(),
            message: message.to_owned(),
        };
        assert_eq!(end("OOMKilled", "").verdict(), Some(ExitVerdict::OutOfMemory));
        let full = end("Evicted", "Usage of EmptyDir volume \"tmp\" exceeds the limit \"64Mi\".");
        assert_eq!(full.verdict(), Some(ExitVerdict::DiskExceeded));
        assert_eq!(end("Evicted", "The node was low on resource: memory.").verdict(), None);
        assert_eq!(end("DeadlineExceeded", "").verdict(), Some(ExitVerdict::TimedOut));
        assert_eq!(end("Error", "").verdict(), None);
    }
}
