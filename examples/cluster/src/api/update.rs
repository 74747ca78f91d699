//! Changes to stored objects, whole or by a patch.

use axum::{http::StatusCode, response::Response};
use serde_json::Value;

use super::{asked::Asked, create::check};
use crate::{
    answer::{Refusal, Result},
    patch,
    server::Shared,
    validate,
};

/// Stores what `make` makes of the stored object, if it may be changed so.
pub(super) fn update(
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

/// The stored object after the patch that was sent.
pub(super) fn patched(asked: &Asked<'_>, stored: &Value) -> Result<Value> {
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
