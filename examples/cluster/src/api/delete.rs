//! The end of objects, at once or when the node has ended what runs.

use axum::{
    Json,
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};

use super::{asked::Asked, key_of, stamp::now};
use crate::{
    answer::{Refusal, Result},
    kind::KINDS,
    select::Selection,
    server::Shared,
    store::Key,
};

pub(super) fn delete(shared: &Shared, asked: &Asked<'_>, key: &Key) -> Result<Response> {
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
        for kind in KINDS.iter().filter(|kind| kind.namespaced) {
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
