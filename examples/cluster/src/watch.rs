//! Watches: a stream of what happens, from a version on.

use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};

use crate::{
    answer::Result,
    api::Asked,
    kind::Kind,
    select::Selection,
    server::{Shared, lines},
    store::Change,
    table,
};

/// What a watch is about, and where it stands.
struct Watching {
    shared: Arc<Shared>,
    kind: &'static Kind,
    namespace: Option<String>,
    name: Option<String>,
    selection: Selection,
    as_table: bool,
    bookmarks: bool,
    version: u64,
    ready: VecDeque<Value>,
    left: usize,
    until: tokio::time::Instant,
}

/// How often a watch that asked for them is sent a bookmark.
const BOOKMARK: Duration = Duration::from_secs(5);

/// Begins a watch.
pub(crate) fn watch(shared: &Arc<Shared>, asked: &Asked<'_>) -> Result<Response> {
    let selection = asked.selection()?;
    let (kind, namespace) = (asked.target.kind, asked.target.namespace.clone());
    let seconds = asked.query.number("timeoutSeconds").unwrap_or(1800);
    let mut watching = Watching {
        shared: Arc::clone(shared),
        kind,
        namespace,
        name: asked.target.name.clone(),
        selection,
        as_table: asked.as_table,
        bookmarks: asked.query.is_set("allowWatchBookmarks"),
        version: 0,
        ready: VecDeque::new(),
        left: shared.options.watch_events.unwrap_or(usize::MAX),
        until: tokio::time::Instant::now() + Duration::from_secs(seconds),
    };
    match asked.query.get("resourceVersion") {
        "" | "0" => watching.begin_now(),
        version => {
            watching.version = version.parse().map_err(|_| {
                crate::answer::Refusal::bad(format!(
                    "Invalid value: \"{version}\": resourceVersion"
                ))
            })?;
            shared.store.since(watching.version)?;
        }
    }
    let stream = stream::unfold(watching, |mut watching| async move {
        let line = watching.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(format!("{line}\n"))), watching))
    });
    Ok(lines(Body::from_stream(stream), "application/json"))
}

impl Watching {
    /// What is there already comes first.
    fn begin_now(&mut self) {
        let (found, version) =
            self.shared.store.list(self.kind, self.namespace.as_deref(), &self.selection);
        self.version = version;
        for object in found {
            if self.name.as_ref().is_none_or(|name| object["metadata"]["name"] == **name) {
                let event = self.event("ADDED", object);
                self.ready.push_back(event);
            }
        }
    }

    async fn next(&mut self) -> Option<Value> {
        let (mut news, stop) = (self.shared.store.news(), self.shared.stop.clone());
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.left = self.left.checked_sub(1)?;
                return Some(event);
            }
            news.mark_unchanged();
            match self.shared.store.since(self.version) {
                Ok(changes) => {
                    for change in changes {
                        self.version = change.version;
                        self.ready.extend(self.seen(change));
                    }
                }
                Err(gone) => {
                    self.left = 0;
                    return Some(json!({ "type": "ERROR", "object": gone.status() }));
                }
            }
            if !self.ready.is_empty() {
                continue;
            }
            tokio::select! {
                changed = news.changed() => changed.ok()?,
                () = stop.cancelled() => return None,
                () = tokio::time::sleep_until(self.until) => return None,
                () = tokio::time::sleep(BOOKMARK), if self.bookmarks => return Some(self.bookmark()),
            }
        }
    }

    /// A change as this watch sees it: what comes into the selection is added, what leaves it is
    /// deleted.
    fn seen(&self, change: Change) -> Option<Value> {
        let key = &change.key;
        let is_about = key.resource == self.kind.resource
            && self.namespace.as_ref().is_none_or(|namespace| *namespace == key.namespace)
            && self.name.as_ref().is_none_or(|name| *name == key.name);
        if !is_about {
            return None;
        }
        let is_deleted = change.after.is_none();
        let matched = |object: &Option<Value>| {
            object.as_ref().is_some_and(|object| self.selection.matches(object))
        };
        let (before, after) = (matched(&change.before), matched(&change.after));
        let object = change.after.or(change.before)?;
        match (before, after) {
            (true, true) => Some(self.event("MODIFIED", object)),
            (false, true) => Some(self.event("ADDED", object)),
            (true, false) => Some(self.event("DELETED", object)),
            (false, false) => None,
        }
        .filter(|_| before || after || is_deleted)
    }

    fn event(&self, what: &str, object: Value) -> Value {
        let object = if self.as_table { table::of(self.kind, &[object], "") } else { object };
        json!({ "type": what, "object": object })
    }

    fn bookmark(&self) -> Value {
        json!({ "type": "BOOKMARK", "object": {
            "kind": self.kind.kind,
            "apiVersion": self.kind.api_version(),
            "metadata": { "resourceVersion": self.version.to_string(), "creationTimestamp": null },
        } })
    }
}
