//! A request, as its parts say it.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use serde_json::Value;

use crate::{
    answer::{Refusal, Result},
    kind::Kind,
    request::{Query, Target},
    select::Selection,
    store::Key,
    table,
    validate::Fields,
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
    pub(super) fn kind(&self) -> &'static Kind {
        self.target.kind
    }

    pub(super) fn name(&self) -> &str {
        self.target.name.as_deref().unwrap_or_default()
    }

    pub(crate) fn key(&self) -> Key {
        Key::new(self.kind(), self.target.namespace.as_deref().unwrap_or_default(), self.name())
    }

    pub(super) fn object(&self) -> Result<Value> {
        serde_json::from_slice(self.body)
            .map_err(|cause| Refusal::bad(format!("the object provided is unrecognized: {cause}")))
    }

    pub(super) fn fields(&self) -> Fields {
        match self.query.get("fieldValidation") {
            "Warn" | "Ignore" => Fields::Dropped,
            _ => Fields::Strict,
        }
    }

    pub(super) fn is_dry(&self) -> Result<bool> {
        match self.query.get("dryRun") {
            "" => Ok(false),
            "All" => Ok(true),
            other => Err(Refusal::bad(format!("dryRun: Unsupported value: \"{other}\""))),
        }
    }

    pub(crate) fn selection(&self) -> Result<Selection> {
        Selection::parse(self.query.get("labelSelector"), self.query.get("fieldSelector"))
    }

    pub(super) fn shown(&self, code: StatusCode, object: Value) -> Response {
        let object = if self.as_table { table::of(self.kind(), &[object], "") } else { object };
        (code, Json(object)).into_response()
    }
}
