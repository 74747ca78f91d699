//! The restricted profile of Pod Security, as its admission plugin words it.

use serde_json::Value;

use crate::validate::items;

/// The volume types that the profile knows.
const VOLUMES: [&str; 8] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// What about a Pod violates the profile.
pub(crate) fn violations(pod: &Value) -> Vec<String> {
    let spec = &pod["spec"];
    let mut found = Vec::new();
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        if spec[field] == true {
            found.push(format!("host namespaces ({field}=true)"));
        }
    }
    for volume in items(&spec["volumes"]) {
        let kinds = volume.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
        for kind in kinds.filter(|name| *name != "name" && !VOLUMES.contains(name)) {
            found.push(format!(
                "restricted volume types (volume {} uses restricted volume type \"{kind}\")",
                volume["name"]
            ));
        }
    }
    for container in items(&spec["containers"]).iter().chain(items(&spec["initContainers"])) {
        of_container(&spec["securityContext"], container, &mut found);
    }
    found
}

fn of_container(of_pod: &Value, container: &Value, found: &mut Vec<String>) {
    let (name, security) = (&container["name"], &container["securityContext"]);
    let mut must = |is_violated: bool, what: &str, must: &str| {
        if is_violated {
            found.push(format!("{what} (container {name} must set {must})"));
        }
    };
    must(security["privileged"] == true, "privileged", "securityContext.privileged=false");
    must(
        security["allowPrivilegeEscalation"] != false,
        "allowPrivilegeEscalation != false",
        "securityContext.allowPrivilegeEscalation=false",
    );
    let drops = items(&security["capabilities"]["drop"]).iter().any(|one| one == "ALL");
    let adds = items(&security["capabilities"]["add"]).iter().any(|one| one != "NET_BIND_SERVICE");
    must(
        !drops || adds,
        "unrestricted capabilities",
        "securityContext.capabilities.drop=[\"ALL\"]",
    );
    let effective = |field: &str| match &security[field] {
        Value::Null => of_pod[field].clone(),
        own => own.clone(),
    };
    must(
        effective("runAsNonRoot") != true,
        "runAsNonRoot != true",
        "securityContext.runAsNonRoot=true",
    );
    must(effective("runAsUser") == 0, "runAsUser=0", "securityContext.runAsUser to another user");
    let profile = effective("seccompProfile");
    let is_known = ["RuntimeDefault", "Localhost"].iter().any(|known| profile["type"] == *known);
    must(
        !is_known,
        "seccompProfile",
        "securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"",
    );
    let host_ports =
        items(&container["ports"]).iter().any(|port| port["hostPort"].as_i64().unwrap_or(0) != 0);
    must(host_ports, "hostPort", "no hostPort");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plain_pod_violates_four_rules_and_a_hardened_one_none() {
        let plain = json!({ "spec": { "containers": [{ "name": "c" }] } });
        assert_eq!(violations(&plain).len(), 4, "{:?}", violations(&plain));
        let security = json!({
            "allowPrivilegeEscalation": false,
            "capabilities": { "drop": ["ALL"] },
            "runAsNonRoot": true,
            "seccompProfile": { "type": "RuntimeDefault" },
        });
        let hard =
            json!({ "spec": { "containers": [{ "name": "c", "securityContext": security }] } });
        assert_eq!(violations(&hard), [""; 0]);
        let mut host = hard;
        host["spec"]["hostPID"] = json!(true);
        host["spec"]["volumes"] = json!([{ "name": "v", "hostPath": { "path": "/" } }]);
        assert_eq!(violations(&host).len(), 2);
    }
}
