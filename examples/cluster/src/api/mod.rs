//! What is done with objects, verb by verb.

mod asked;
mod create;
mod delete;
mod event;
mod stamp;
mod update;

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
    kind::Kind,
    server::Shared,
    store::Key,
    stream, table, watch,
};

pub(crate) use asked::Asked;
pub(crate) use create::namespace;
pub(crate) use event::event;
pub(crate) use stamp::now;

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
        "create" => create::create(shared, asked),
        "update" => update::update(shared, asked, &|stored| {
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
        "patch" => update::update(shared, asked, &|stored| update::patched(asked, stored)),
        "delete" => delete::delete(shared, asked, &asked.key()),
        "deletecollection" => {
            let (found, _) = shared.store.list(
                asked.kind(),
                asked.target.namespace.as_deref(),
                &asked.selection()?,
            );
            for object in &found {
                delete::delete(shared, asked, &key_of(asked.kind(), object))?;
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
