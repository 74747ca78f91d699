//! What is done with objects, verb by verb.

use std::sync::Arc;

use axum::{
    Json,
    extract::ws::WebSocketUpgrade,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};

use crate::{
    answer::{Refusal, Result},
    default,
    kind::Kind,
    patch,
    request::{Query, Target},
    security,
    select::Selection,
    server::Shared,
    store::Key,
    stream, table,
    validate::{self, Fields},
    watch,
};

/// A request that may be made.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) verb: &'static str,
    pub(crate) target: &'a Target,
    pub(crate) query: &'a Query,
    pub(crate) body: &'a [u8],
    pub(crate) as_table: bool,
    pub(crate) content: &'a str,
}

impl Asked<'_> {
    fn kind(&self) -> &'static Kind {
        self.target.kind
    }

    fn name(&self) -> &str {
        self.target.name.as_deref().unwrap_or_default()
    }

    pub(crate) fn key(&self) -> Key {
        Key::new(self.kind(), self.target.namespace.as_deref().unwrap_or_default(), self.name())
    }

    fn object(&self) -> Result<Value> {
        serde_json::from_slice(self.body)
            .map_err(|cause| Refusal::bad(format!("the object provided is unrecognized: {cause}")))
    }

    fn fields(&self) -> Fields {
        match self.query.get("fieldValidation") {
            "Warn" | "Ignore" => Fields::Dropped,
            _ => Fields::Strict,
        }
    }

    fn is_dry(&self) -> Result<bool> {
        match self.query.get("dryRun") {
            "" => Ok(false),
            "All" => Ok(true),
            other => Err(Refusal::bad(format!("dryRun: Unsupported value: \"{other}\""))),
        }
    }

    pub(crate) fn selection(&self) -> Result<Selection> {
        Selection::parse(self.query.get("labelSelector"), self.query.get("fieldSelector"))
    }

    fn shown(&self, code: StatusCode, object: Value) -> Response {
        let object = if self.as_table { table::of(self.kind(), &[object], "") } else { object };
        (code, Json(object)).into_response()
    }
}

/// Answers.
pub(crate) async fn answer(
    shared: &Arc<Shared>,
    asked: &Asked<'_>,
    websocket: Option<WebSocketUpgrade>,
) -> Result<Response> {
    match asked.target.subresource.as_deref() {
        Some("log") => return stream::log(shared, asked).await,
        Some("exec" | "attach") => return stream::open(shared, asked, websocket),
        Some("status") | None => {}
        Some(_) => return Err(Refusal::no_such_path()),
    }
    match asked.verb {
        "watch" => watch::watch(shared, asked),
        "list" => list(shared, asked),
        "get" => {
            let found = shared.store.get(&asked.key());
            let found = found.ok_or_else(|| Refusal::not_found(asked.kind(), asked.name()))?;
            Ok(asked.shown(StatusCode::OK, found))
        }
        "create" => create(shared, asked),
        "update" => update(shared, asked, &|stored| {
            let given = asked.object()?;
            let given_version = given["metadata"]["resourceVersion"].as_str().unwrap_or_default();
            if !given_version.is_empty() && stored["metadata"]["resourceVersion"] != given_version {
                return Err(Refusal::conflict(
                    asked.kind(),
                    asked.name(),
                    "the object has been modified; please apply your changes to the latest version and try again",
                ));
            }
            Ok(given)
        }),
        "patch" => update(shared, asked, &|stored| patched(asked, stored)),
        "delete" => delete(shared, asked, &asked.key()),
        "deletecollection" => {
            let (found, _) = shared.store.list(
                asked.kind(),
                asked.target.namespace.as_deref(),
                &asked.selection()?,
            );
            for object in &found {
                delete(shared, asked, &key_of(asked.kind(), object))?;
            }
            Ok(Json(json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success" })).into_response())
        }
        _ => Err(Refusal::no_such_path()),
    }
}

fn key_of(kind: &Kind, object: &Value) -> Key {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
    Key::new(kind, text("namespace"), text("name"))
}

fn list(shared: &Shared, asked: &Asked<'_>) -> Result<Response> {
    let kind = asked.kind();
    let (found, version) =
        shared.store.list(kind, asked.target.namespace.as_deref(), &asked.selection()?);
    let version = version.to_string();
    let list = if asked.as_table {
        table::of(kind, &found, &version)
    } else {
        json!({
            "kind": format!("{}List", kind.kind),
            "apiVersion": kind.api_version(),
            "metadata": { "resourceVersion": version },
            "items": found,
        })
    };
    Ok(Json(list).into_response())
}

fn create(shared: &Shared, asked: &Asked<'_>) -> Result<Response> {
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

fn check(kind: &Kind, object: &Value) -> Result<()> {
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

fn patched(asked: &Asked<'_>, stored: &Value) -> Result<Value> {
    let (mut changed, patch) = (stored.clone(), asked.object()?);
    match asked.content {
        "application/merge-patch+json" => patch::merge(&mut changed, &patch),
        "application/strategic-merge-patch+json" => patch::strategic(&mut changed, &patch),
        other => {
            return Err(Refusal::new(
                415,
                "UnsupportedMediaType",
                format!("the body of the request was in an unknown format: {other}"),
            ));
        }
    }
    Ok(changed)
}

/// Stores what `make` makes of the stored object, if it may be changed so.
fn update(
    shared: &Shared,
    asked: &Asked<'_>,
    make: &dyn Fn(&Value) -> Result<Value>,
) -> Result<Response> {
    let kind = asked.kind();
    let is_status = asked.target.subresource.is_some();
    let is_dry = asked.is_dry()?;
    let change = |stored: &mut Value| {
        let mut wanted = validate::shaped(kind, &make(stored)?, asked.fields())?;
        for field in ["uid", "creationTimestamp", "name", "namespace", "deletionTimestamp"] {
            if wanted["metadata"][field] != stored["metadata"][field]
                && !wanted["metadata"][field].is_null()
            {
                return Err(Refusal::invalid(
                    kind,
                    asked.name(),
                    &format!("metadata.{field}"),
                    "Invalid value: field is immutable",
                ));
            }
            wanted["metadata"][field] = stored["metadata"][field].clone();
        }
        wanted["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"].clone();
        if is_status {
            wanted["spec"] = stored["spec"].clone();
            wanted["metadata"] = stored["metadata"].clone();
        } else {
            wanted["status"] = stored["status"].clone();
        }
        if kind.kind == "Pod" && !is_status && !only_mutable(&stored["spec"], &wanted["spec"]) {
            return Err(Refusal::invalid(
                kind,
                asked.name(),
                "spec",
                "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations`",
            ));
        }
        wanted = (kind.typed)(wanted).map_err(Refusal::bad)?;
        check(kind, &wanted)?;
        *stored = wanted;
        Ok(())
    };
    let changed = if is_dry {
        let mut stored =
            shared.store.get(&asked.key()).ok_or_else(|| Refusal::not_found(kind, asked.name()))?;
        change(&mut stored)?;
        stored
    } else {
        shared.store.change(kind, &asked.key(), change)?
    };
    Ok(asked.shown(StatusCode::OK, changed))
}

/// Whether nothing of a Pod changes but what may.
fn only_mutable(before: &Value, after: &Value) -> bool {
    let fixed = |spec: &Value| {
        let mut spec = spec.clone();
        for container in spec["containers"].as_array_mut().into_iter().flatten() {
            container["image"] = Value::Null;
        }
        for field in ["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"] {
            spec[field] = Value::Null;
        }
        spec
    };
    fixed(before) == fixed(after)
}

fn delete(shared: &Shared, asked: &Asked<'_>, key: &Key) -> Result<Response> {
    let kind = asked.kind();
    let options: Value = serde_json::from_slice(asked.body).unwrap_or_default();
    let stored = shared.store.get(key).ok_or_else(|| Refusal::not_found(kind, &key.name))?;
    if let Some(uid) =
        options["preconditions"]["uid"].as_str().filter(|uid| stored["metadata"]["uid"] != *uid)
    {
        return Err(Refusal::conflict(
            kind,
            &key.name,
            &format!(
                "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
                stored["metadata"]["uid"]
            ),
        ));
    }
    if asked.is_dry()? {
        return Ok(Json(stored).into_response());
    }
    if kind.kind == "Namespace" {
        for kind in crate::kind::KINDS.iter().filter(|kind| kind.namespaced) {
            let (inside, _) = shared.store.list(kind, Some(&key.name), &Selection::default());
            for object in inside {
                shared.store.remove(&key_of(kind, &object));
            }
        }
    }
    let grace =
        options["gracePeriodSeconds"].as_u64().or_else(|| asked.query.number("gracePeriodSeconds"));
    let grace =
        grace.or_else(|| stored["spec"]["terminationGracePeriodSeconds"].as_u64()).unwrap_or(0);
    let is_over = matches!(stored["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    if kind.kind == "Pod" && grace > 0 && !is_over {
        // The node removes it when what runs in it has ended.
        let marked = shared.store.change(kind, key, |pod| {
            if pod["metadata"]["deletionTimestamp"].is_null() {
                pod["metadata"]["deletionTimestamp"] = json!(now());
                pod["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
            }
            Ok(())
        })?;
        return Ok(Json(marked).into_response());
    }
    shared.store.remove(key);
    Ok(Json(json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": { "name": key.name, "kind": kind.resource, "uid": stored["metadata"]["uid"] },
    }))
    .into_response())
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

/// An identity in the form of a UUID.
fn identity() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).unwrap_or_default();
    let hex = format!("{:032x}", u128::from_le_bytes(bytes));
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// The moment it is, as the API writes it.
pub(crate) fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
