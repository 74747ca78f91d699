//! What an object must be to be stored.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    answer::{Refusal, Result},
    kind::Kind,
    quantity::quantity,
};

/// How unknown fields are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fields {
    /// They are refused. Unlike with a real server this is the default, because this one is there
    /// to find mistakes.
    Strict,
    /// They are dropped, and a warning says so, or none.
    Dropped,
}

/// The object with only what its kind has; refuses what it has not.
pub(crate) fn shaped(kind: &Kind, object: &Value, fields: Fields) -> Result<Value> {
    let bad = |why: String| {
        Refusal::bad(format!(
            "{} in version \"{}\" cannot be handled as a {}: {why}",
            kind.kind, kind.version, kind.kind
        ))
    };
    if object["kind"] != kind.kind || object["apiVersion"] != kind.api_version() {
        return Err(bad(format!("it is {} {}", object["apiVersion"], object["kind"])));
    }
    let typed = (kind.typed)(object.clone()).map_err(bad)?;
    let mut unknown = Vec::new();
    compare("", object, &typed, &mut unknown);
    if fields == Fields::Strict && !unknown.is_empty() {
        let named: Vec<_> =
            unknown.iter().map(|field| format!("unknown field \"{field}\"")).collect();
        return Err(bad(format!("strict decoding error: {}", named.join(", "))));
    }
    Ok(typed)
}

fn compare(path: &str, given: &Value, typed: &Value, unknown: &mut Vec<String>) {
    match (given, typed) {
        (Value::Object(given), Value::Object(typed)) => {
            for (name, value) in given.iter().filter(|(_, value)| !value.is_null()) {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match typed.get(name) {
                    Some(typed) => compare(&path, value, typed, unknown),
                    None => unknown.push(path),
                }
            }
        }
        (Value::Array(given), Value::Array(typed)) => {
            for (index, (given, typed)) in given.iter().zip(typed).enumerate() {
                compare(&format!("{path}[{index}]"), given, typed, unknown);
            }
        }
        _ => {}
    }
}

/// A label of RFC 1123.
pub(crate) fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

fn is_name_part(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    text.len() <= 63
        && edge(text.bytes().next())
        && edge(text.bytes().next_back())
        && text.bytes().all(inner)
}

fn is_qualified(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && is_name_part(name),
        None => is_name_part(text),
    }
}

/// Checks name, labels and annotations.
pub(crate) fn metadata(kind: &Kind, object: &Value) -> Result<()> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let wrong = |field: &str, why: &str| Err(Refusal::invalid(kind, name, field, why));
    if name.is_empty() {
        return wrong("metadata.name", "Required value: name or generateName is required");
    }
    let is_name = if kind.kind == "Namespace" || kind.kind == "Service" {
        is_label(name)
    } else {
        is_subdomain(name)
    };
    if !is_name {
        return wrong(
            "metadata.name",
            &format!(
                "Invalid value: \"{name}\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character"
            ),
        );
    }
    for (label, value) in object["metadata"]["labels"].as_object().into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        if !is_qualified(label) {
            return wrong(
                "metadata.labels",
                &format!(
                    "Invalid value: \"{label}\": name part must consist of alphanumeric characters, '-', '_' or '.'"
                ),
            );
        }
        if !value.is_empty() && !is_name_part(value) {
            return wrong(
                "metadata.labels",
                &format!(
                    "Invalid value: \"{value}\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.'"
                ),
            );
        }
    }
    for annotation in
        object["metadata"]["annotations"].as_object().into_iter().flatten().map(|(name, _)| name)
    {
        if !is_qualified(&annotation.to_lowercase()) {
            return wrong("metadata.annotations", &format!("Invalid value: \"{annotation}\""));
        }
    }
    Ok(())
}

/// Checks the specification of a Pod, with its defaults.
pub(crate) fn pod(kind: &Kind, object: &Value) -> Result<()> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let wrong = |field: &str, why: &str| Refusal::invalid(kind, name, field, why);
    let spec = &object["spec"];
    let containers = items(&spec["containers"]);
    if containers.is_empty() {
        return Err(wrong("spec.containers", "Required value"));
    }
    one_of(spec, "restartPolicy", &["Always", "OnFailure", "Never"])
        .map_err(|why| wrong("spec.restartPolicy", &why))?;
    one_of(spec, "dnsPolicy", &["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"])
        .map_err(|why| wrong("spec.dnsPolicy", &why))?;
    if spec["activeDeadlineSeconds"].as_i64().is_some_and(|seconds| seconds < 1) {
        return Err(wrong(
            "spec.activeDeadlineSeconds",
            "Invalid value: must be between 1 and 2147483647, inclusive",
        ));
    }
    let mut volumes = BTreeSet::new();
    for (index, volume) in items(&spec["volumes"]).iter().enumerate() {
        let field = format!("spec.volumes[{index}]");
        let volume_name = volume["name"].as_str().unwrap_or_default();
        if !is_label(volume_name) {
            return Err(wrong(
                &format!("{field}.name"),
                "Invalid value: a lowercase RFC 1123 label is required",
            ));
        }
        if !volumes.insert(volume_name) {
            return Err(wrong(
                &format!("{field}.name"),
                &format!("Duplicate value: \"{volume_name}\""),
            ));
        }
        if volume.as_object().is_none_or(|volume| volume.len() != 2) {
            return Err(wrong(&field, "Required value: must specify exactly one volume type"));
        }
        if let Some(size) = volume["emptyDir"]["sizeLimit"].as_str()
            && quantity(size).is_none()
        {
            return Err(wrong(
                &format!("{field}.emptyDir.sizeLimit"),
                &format!("Invalid value: \"{size}\""),
            ));
        }
    }
    let mut names = BTreeSet::new();
    for (index, container) in containers.iter().enumerate() {
        let field = format!("spec.containers[{index}]");
        self::container(container, &volumes)
            .map_err(|(part, why)| wrong(&format!("{field}.{part}"), &why))?;
        if !names.insert(container["name"].as_str()) {
            return Err(wrong(&format!("{field}.name"), "Duplicate value"));
        }
    }
    Ok(())
}

/// What is wrong, and with which part.
type Flaw = (&'static str, String);

fn container(container: &Value, volumes: &BTreeSet<&str>) -> Result<(), Flaw> {
    if !is_label(container["name"].as_str().unwrap_or_default()) {
        return Err(("name", "Required value: a lowercase RFC 1123 label".to_owned()));
    }
    let image = container["image"].as_str().unwrap_or_default();
    if image.is_empty() || image.trim() != image {
        return Err(("image", "Required value".to_owned()));
    }
    let mut paths = BTreeSet::new();
    for mount in items(&container["volumeMounts"]) {
        let (name, path) = (
            mount["name"].as_str().unwrap_or_default(),
            mount["mountPath"].as_str().unwrap_or_default(),
        );
        if !volumes.contains(name) {
            return Err(("volumeMounts", format!("Not found: \"{name}\"")));
        }
        if path.is_empty() || !paths.insert(path) {
            return Err((
                "volumeMounts",
                format!("Invalid value: \"{path}\": must be unique and not empty"),
            ));
        }
    }
    resources(&container["resources"])?;
    let security = &container["securityContext"];
    if security["allowPrivilegeEscalation"] == false && security["privileged"] == true {
        return Err((
            "securityContext",
            "cannot set `allowPrivilegeEscalation` to false and `privileged` to true".to_owned(),
        ));
    }
    one_of(container, "imagePullPolicy", &["Always", "IfNotPresent", "Never"])
        .map_err(|why| ("imagePullPolicy", why))
}

fn resources(resources: &Value) -> Result<(), Flaw> {
    let (limits, requests) = (&resources["limits"], &resources["requests"]);
    for (resource, amount) in limits.as_object().into_iter().chain(requests.as_object()).flatten() {
        if !["cpu", "memory", "ephemeral-storage"].contains(&resource.as_str())
            && !resource.contains('/')
            && !resource.starts_with("hugepages-")
        {
            return Err((
                "resources",
                format!(
                    "Invalid value: \"{resource}\": must be a standard resource for containers"
                ),
            ));
        }
        if amount.as_str().and_then(quantity).is_none() {
            return Err((
                "resources",
                format!("Invalid value: {amount}: quantities must match the regular expression"),
            ));
        }
    }
    for (resource, request) in requests.as_object().into_iter().flatten() {
        let amount = |value: &Value| value.as_str().and_then(quantity);
        if let Some(limit) = amount(&limits[resource])
            .filter(|limit| amount(request).is_some_and(|request| request > *limit))
        {
            return Err((
                "resources.requests",
                format!(
                    "Invalid value: {request}: must be less than or equal to {resource} limit of {limit}m"
                ),
            ));
        }
    }
    Ok(())
}

fn one_of(object: &Value, field: &str, values: &[&str]) -> Result<(), String> {
    match object[field].as_str() {
        Some(value) if !values.contains(&value) => {
            Err(format!("Unsupported value: \"{value}\": supported values: {values:?}"))
        }
        _ => Ok(()),
    }
}

/// The items of a list that may be missing.
pub(crate) fn items(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}
