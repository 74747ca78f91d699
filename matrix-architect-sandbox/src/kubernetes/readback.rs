//! What became of what the cluster was told: admission may change a Pod, and an older cluster
//! drops what it does not know.

use matrix_architect_core::traits::{Enforcement, LimitReport};
use serde_json::Value;

use crate::common::report;

/// A layer, and the fields of the Pod it rests on.
const LAYERS: [(&str, &str, &[&str]); 7] = [
    (
        "user",
        "runAsNonRoot and runAsUser",
        &[
            "/spec/securityContext/runAsNonRoot",
            "/spec/securityContext/runAsUser",
            "/spec/containers/0/securityContext/runAsNonRoot",
            "/spec/containers/0/securityContext/runAsUser",
        ],
    ),
    (
        "capabilities",
        "all dropped, no privilege escalation",
        &[
            "/spec/containers/0/securityContext/allowPrivilegeEscalation",
            "/spec/containers/0/securityContext/privileged",
            "/spec/containers/0/securityContext/capabilities/drop",
            "/spec/containers/0/securityContext/capabilities/add",
        ],
    ),
    (
        "seccomp",
        "profile RuntimeDefault",
        &[
            "/spec/securityContext/seccompProfile",
            "/spec/containers/0/securityContext/seccompProfile",
        ],
    ),
    (
        "mounts",
        "read-only root, no volume but its own",
        &[
            "/spec/containers/0/securityContext/readOnlyRootFilesystem",
            "/spec/containers/0/volumeMounts",
            "/spec/volumes",
        ],
    ),
    ("credentials", "no service account token", &["/spec/automountServiceAccountToken"]),
    (
        "processes_view",
        "pid namespace of its own",
        &["/spec/hostPID", "/spec/hostIPC", "/spec/shareProcessNamespace"],
    ),
    ("user_namespace", "hostUsers: false", &["/spec/hostUsers"]),
];

/// The layers that rest on the Pod's own fields, as the cluster has them.
pub(super) fn layers(wanted: &Value, found: &Value) -> Vec<LimitReport> {
    let layer = |(name, by, fields): &(&str, &str, &[&str])| match fields
        .iter()
        .find(|field| !is_kept(wanted, found, field))
    {
        None => report(name, Enforcement::Enforced, by),
        Some(field) => report(name, Enforcement::Absent, &format!("the cluster changed {field}")),
    };
    let asked = |(name, _, _): &&(&str, &str, &[&str])| {
        *name != "user_namespace" || wanted.pointer("/spec/hostUsers").is_some()
    };
    LAYERS.iter().filter(asked).map(layer).collect()
}

/// Which resource the cluster did not take over as it was told.
pub(super) fn resource_is_kept(wanted: &Value, found: &Value, resource: &str) -> bool {
    ["limits", "requests"].iter().all(|kind| {
        let at = |pod: &Value| {
            let amount = &pod["spec"]["containers"][0]["resources"][*kind][resource];
            amount.as_str().and_then(quantity)
        };
        let (wanted, found) = (at(wanted), at(found));
        wanted.is_some() && wanted == found
    })
}

fn is_kept(wanted: &Value, found: &Value, field: &str) -> bool {
    match (wanted.pointer(field), found.pointer(field)) {
        (None | Some(Value::Bool(false)), None | Some(Value::Bool(false))) => {
            // What we want false by saying so must be said, except where false is the default.
            wanted.pointer(field).is_none() || found.pointer(field).is_some() || is_default(field)
        }
        (Some(Value::Array(wanted)), Some(Value::Array(found))) => {
            wanted.len() == found.len() && wanted.iter().zip(found).all(|(a, b)| holds(a, b))
        }
        (Some(wanted), Some(found)) => holds(wanted, found),
        _ => false,
    }
}

fn is_default(field: &str) -> bool {
    field.ends_with("/privileged") || field.contains("/spec/host") && !field.ends_with("hostUsers")
}

/// Whether all that was wanted is there; the cluster may add defaults.
fn holds(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => wanted
            .iter()
            .all(|(key, value)| found.get(key).is_some_and(|found| holds(value, found))),
        (Value::String(wanted), Value::String(found)) => {
            wanted == found
                || quantity(wanted).is_some_and(|amount| quantity(found) == Some(amount))
        }
        _ => wanted == found,
    }
}

/// A Kubernetes quantity in thousandths.
pub(super) fn quantity(text: &str) -> Option<u128> {
    let digits = text.len() - text.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let scale: u128 = match unit {
        "m" => 1,
        "" => 1000,
        "k" => 1_000_000,
        "M" => 1_000_000_000,
        "G" => 1_000_000_000_000,
        "T" => 1_000_000_000_000_000,
        "Ki" => 1000 << 10,
        "Mi" => 1000 << 20,
        "Gi" => 1000 << 30,
        "Ti" => 1000 << 40,
        _ => return None,
    };
    number.parse::<u128>().ok()?.checked_mul(scale)
}

#[cfg(test)]
mod tests {
    use matrix_architect_core::{id::SessionId, traits::SessionSpec};
    use serde_json::json;

    use super::*;
    use crate::kubernetes::{KubernetesConfig, render};

    fn wanted() -> Value {
        let config = KubernetesConfig::new(format!("i@sha256:{}", "0".repeat(64)));
        let spec = SessionSpec::new(SessionId::from_number(1));
        render::pod(&render::Wanted {
            config: &config,
            spec: &spec,
            name: "p",
            owner: "o",
            user: 7,
        })
    }

    fn absent(found: &Value) -> Vec<String> {
        let reports = layers(&wanted(), found).into_iter();
        let absent = reports.filter(|report| report.enforcement == Enforcement::Absent);
        absent.map(|report| report.name).collect()
    }

    #[test]
    fn a_pod_that_was_taken_over_holds() {
        let mut found = wanted();
        found["spec"]["schedulerName"] = json!("default-scheduler");
        assert_eq!(absent(&found), [""; 0]);
        assert!(resource_is_kept(&wanted(), &found, "memory"));
    }

    #[test]
    fn what_admission_changed_is_not_held() {
        type Change = fn(&mut Value);
        let changes: [(&str, Change); 9] = [
            ("user_namespace", |spec| drop(spec.as_object_mut().unwrap().remove("hostUsers"))),
            ("processes_view", |spec| spec["hostPID"] = json!(true)),
            ("processes_view", |spec| spec["shareProcessNamespace"] = json!(true)),
            ("user", |spec| spec["containers"][0]["securityContext"]["runAsUser"] = json!(0)),
            ("user", |spec| spec["securityContext"]["runAsUser"] = json!(0)),
            ("capabilities", |spec| {
                spec["containers"][0]["securityContext"]["capabilities"]["add"] =
                    json!(["SYS_ADMIN"]);
            }),
            ("seccomp", |spec| {
                spec["securityContext"]["seccompProfile"]["type"] = json!("Unconfined");
            }),
            ("mounts", |spec| {
                let secret = json!({ "name": "token", "secret": { "secretName": "s" } });
                spec["volumes"].as_array_mut().unwrap().push(secret);
            }),
            ("credentials", |spec| spec["automountServiceAccountToken"] = json!(true)),
        ];
        for (layer, change) in changes {
            let mut found = wanted();
            change(&mut found["spec"]);
            assert_eq!(absent(&found), [layer]);
        }
    }

    #[test]
    fn resources_are_compared_as_amounts() {
        let mut found = wanted();
        let amount = u64::try_from(quantity("4Gi").unwrap() / 1000).unwrap();
        for kind in ["limits", "requests"] {
            found["spec"]["containers"][0]["resources"][kind]["memory"] = json!("4Gi");
        }
        assert_eq!(amount, 4 << 30);
        assert!(resource_is_kept(&wanted(), &found, "memory"));
        found["spec"]["containers"][0]["resources"]["limits"]["memory"] = json!("8Gi");
        assert!(!resource_is_kept(&wanted(), &found, "memory"));
        assert_eq!((quantity("1500m"), quantity("2")), (Some(1500), Some(2000)));
        assert_eq!(quantity("lots"), None);
    }
}
