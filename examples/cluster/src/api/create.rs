//! New objects: what the server gives them, and what it does not let in.

use axum::{http::StatusCode, response::Response};
use serde_json::{Value, json};

use super::{
    asked::Asked,
    key_of,
    stamp::{identity, now},
};
use crate::{
    answer::{Refusal, Result},
    default,
    kind::Kind,
    security,
    select::Selection,
    server::Shared,
    store::Key,
    validate,
};

pub(super) fn create(shared: &Shared, asked: &Asked<'_>) -> Result<Response> {
    let kind = asked.kind();
    let mut object = validate::shaped(kind, &asked.object()?, asked.fields())?;
    let namespace = asked.target.namespace.as_deref().unwrap_or_default();
    settle(shared, kind, namespace, &mut object)?;
    if kind.kind == "Pod" {
        if let Some(admission) = shared.options.admission {
            admission(&mut object);
        }
        default::pod(&mut object);
        secure(shared, kind, namespace, &object)?;
        quota(shared, kind, namespace, &object)?;
    }
    check(kind, &object)?;
    let key = key_of(kind, &object);
    if asked.is_dry()? {
        return match shared.store.get(&key) {
            Some(_) => Err(Refusal::exists(kind, &key.name)),
            None => Ok(asked.shown(StatusCode::CREATED, object)),
        };
    }
    let made = shared.store.add(kind, &key, object)?;
    Ok(asked.shown(StatusCode::CREATED, made))
}

/// Adds a namespace.
pub(crate) fn namespace(shared: &Shared, name: &str, labels: &Value) {
    let Some(kind) = Kind::named("Namespace") else { return };
    let mut object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": labels } });
    if settle(shared, kind, "", &mut object).is_ok() {
        // There may be one already.
        let _ = shared.store.add(kind, &Key::new(kind, "", name), object);
    }
}

/// Gives a new object what the server gives it: name, namespace, identity, time.
fn settle(shared: &Shared, kind: &Kind, namespace: &str, object: &mut Value) -> Result<()> {
    let metadata = &mut object["metadata"];
    if let Some(prefix) = metadata["generateName"].as_str().filter(|_| metadata["name"].is_null()) {
        metadata["name"] = json!(format!("{prefix}{}", &identity()[..5]));
    }
    if kind.namespaced {
        let given = metadata["namespace"].as_str().unwrap_or(namespace).to_owned();
        if given != namespace {
            return Err(Refusal::bad(format!(
                "the namespace of the provided object does not match the namespace sent on the request ({given}, {namespace})"
            )));
        }
        metadata["namespace"] = json!(namespace);
        let home = Kind::named("Namespace")
            .and_then(|kind| shared.store.get(&Key::new(kind, "", namespace)));
        if home.is_none() {
            return Err(Refusal::new(
                404,
                "NotFound",
                format!("namespaces \"{namespace}\" not found"),
            ));
        }
    }
    metadata["uid"] = json!(identity());
    metadata["creationTimestamp"] = json!(now());
    if kind.kind == "Namespace" {
        metadata["labels"]["kubernetes.io/metadata.name"] = metadata["name"].clone();
        object["status"] = json!({ "phase": "Active" });
    }
    Ok(())
}

/// Refuses what no cluster would store.
pub(super) fn check(kind: &Kind, object: &Value) -> Result<()> {
    validate::metadata(kind, object)?;
    if kind.kind == "Pod" { validate::pod(kind, object) } else { Ok(()) }
}

fn secure(shared: &Shared, kind: &Kind, namespace: &str, pod: &Value) -> Result<()> {
    let home =
        Kind::named("Namespace").and_then(|kind| shared.store.get(&Key::new(kind, "", namespace)));
    let home = home.unwrap_or_default();
    if home["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] != "restricted" {
        return Ok(());
    }
    let violations = security::violations(pod);
    if violations.is_empty() {
        return Ok(());
    }
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let why = format!("violates PodSecurity \"restricted:latest\": {}", violations.join(", "));
    Err(Refusal::forbidden(kind, name, &why))
}

fn quota(shared: &Shared, kind: &Kind, namespace: &str, pod: &Value) -> Result<()> {
    let Some(most) = shared.options.quota else { return Ok(()) };
    let (there, _) = shared.store.list(kind, Some(namespace), &Selection::default());
    if there.len() < most {
        return Ok(());
    }
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let why = format!(
        "exceeded quota: pods, requested: pods=1, used: pods={}, limited: pods={most}",
        there.len()
    );
    Err(Refusal::forbidden(kind, name, &why))
}
