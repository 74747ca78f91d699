//! The objects, their versions, and what has happened to them lately.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{
    answer::{Refusal, Result},
    kind::Kind,
    select::Selection,
};

/// Which object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) resource: &'static str,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Key {
    pub(crate) fn new(kind: &Kind, namespace: &str, name: &str) -> Self {
        Self { resource: kind.resource, namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

/// Something that happened to an object.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) version: u64,
    pub(crate) key: Key,
    /// The object before; `None` if it was added.
    pub(crate) before: Option<Value>,
    /// The object after; `None` if it was deleted.
    pub(crate) after: Option<Value>,
}

/// All objects.
#[derive(Debug)]
pub(crate) struct Store {
    inner: Mutex<Inner>,
    latest: watch::Sender<u64>,
    history: usize,
}

#[derive(Debug, Default)]
struct Inner {
    version: u64,
    objects: BTreeMap<Key, Value>,
    changes: VecDeque<Change>,
}

impl Store {
    /// A store that remembers so many changes.
    pub(crate) fn new(history: usize) -> Self {
        let inner = Inner { version: 1, ..Inner::default() };
        Self { inner: Mutex::new(inner), latest: watch::Sender::new(1), history }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Value> {
        self.lock().objects.get(key).cloned()
    }

    /// What is selected, and as of which version.
    pub(crate) fn list(
        &self,
        kind: &Kind,
        namespace: Option<&str>,
        selection: &Selection,
    ) -> (Vec<Value>, u64) {
        let inner = self.lock();
        let of_kind = inner.objects.iter().filter(|(key, _)| {
            key.resource == kind.resource
                && namespace.is_none_or(|namespace| key.namespace == namespace)
        });
        let found = of_kind.map(|(_, value)| value).filter(|value| selection.matches(value));
        (found.cloned().collect(), inner.version)
    }

    /// Adds an object, or says that there is one.
    pub(crate) fn add(&self, kind: &Kind, key: &Key, mut value: Value) -> Result<Value> {
        let mut inner = self.lock();
        if inner.objects.contains_key(key) {
            return Err(Refusal::exists(kind, &key.name));
        }
        self.write(&mut inner, key, Some(&mut value));
        Ok(value)
    }

    /// Changes an object. `change` is given what is stored and may refuse.
    pub(crate) fn change(
        &self,
        kind: &Kind,
        key: &Key,
        change: impl FnOnce(&mut Value) -> Result<()>,
    ) -> Result<Value> {
        let mut inner = self.lock();
        let stored =
            inner.objects.get(key).cloned().ok_or_else(|| Refusal::not_found(kind, &key.name))?;
        let mut value = stored.clone();
        change(&mut value)?;
        if value != stored {
            self.write(&mut inner, key, Some(&mut value));
        }
        Ok(value)
    }

    /// Removes an object.
    pub(crate) fn remove(&self, key: &Key) -> Option<Value> {
        let mut inner = self.lock();
        let removed = inner.objects.get(key).cloned()?;
        self.write(&mut inner, key, None);
        Some(removed)
    }

    fn write(&self, inner: &mut Inner, key: &Key, value: Option<&mut Value>) {
        inner.version += 1;
        let version = inner.version;
        let (before, after) = if let Some(value) = value {
            value["metadata"]["resourceVersion"] = json!(version.to_string());
            (inner.objects.insert(key.clone(), value.clone()), Some(value.clone()))
        } else {
            let mut last = inner.objects.remove(key);
            if let Some(last) = &mut last {
                last["metadata"]["resourceVersion"] = json!(version.to_string());
            }
            (last, None)
        };
        inner.changes.push_back(Change { version, key: key.clone(), before, after });
        while inner.changes.len() > self.history {
            inner.changes.pop_front();
        }
        self.latest.send_replace(version);
    }

    /// What happened after a version; `Gone` if that is no longer known.
    pub(crate) fn since(&self, version: u64) -> Result<Vec<Change>> {
        let inner = self.lock();
        let oldest = inner.changes.front().map_or(inner.version + 1, |change| change.version);
        if version + 1 < oldest && version < inner.version {
            return Err(Refusal::gone(format!("too old resource version: {version} ({oldest})")));
        }
        Ok(inner.changes.iter().filter(|change| change.version > version).cloned().collect())
    }

    /// Told when something has happened.
    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.latest.subscribe()
    }
}
