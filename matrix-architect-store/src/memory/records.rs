//! Small things with a name.

use async_trait::async_trait;
use matrix_architect_core::{
    error::Result,
    id::TenantId,
    pipeline::Version,
    traits::{Record, RecordKey, Records},
};
use serde_json::Value;

use super::Memory;
use crate::decide::record as decide;

/// A record, or what is left of a deleted one so that its versions are never used again.
#[derive(Debug)]
pub(super) struct Slot {
    value: Option<Value>,
    version: u64,
}

impl Slot {
    fn record(&self, key: &str) -> Option<Record> {
        let (key, version) = (key.to_owned(), Version(self.version));
        Some(Record { key, value: self.value.clone()?, version })
    }

    fn current(&self) -> Option<Version> {
        self.value.as_ref().map(|_| Version(self.version))
    }
}

#[async_trait]
impl Records for Memory {
    async fn get(&self, key: &RecordKey) -> Result<Option<Record>> {
        Ok(self.state().records.get(key).and_then(|slot| slot.record(&key.key)))
    }

    async fn put(
        &self,
        key: &RecordKey,
        value: &Value,
        expected: Option<Version>,
    ) -> Result<Version> {
        let mut state = self.state();
        let slot = state.records.get(key);
        decide::put(key, slot.and_then(Slot::current), expected)?;
        let version = slot.map_or(0, |slot| slot.version) + 1;
        state.records.insert(key.clone(), Slot { value: Some(value.clone()), version });
        Ok(Version(version))
    }

    async fn list(
        &self,
        tenant: &TenantId,
        kind: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>> {
        let start = RecordKey {
            tenant: tenant.clone(),
            kind: kind.to_owned(),
            key: after.unwrap_or_default().to_owned(),
        };
        let state = self.state();
        let of_kind = state.records.range(&start..);
        let of_kind = of_kind.take_while(|(key, _)| key.tenant == *tenant && key.kind == kind);
        let behind = of_kind.filter(|(key, _)| after.is_none_or(|after| key.key.as_str() > after));
        Ok(behind.filter_map(|(key, slot)| slot.record(&key.key)).take(limit).collect())
    }

    async fn delete(&self, key: &RecordKey, expected: Version) -> Result<()> {
        let mut state = self.state();
        decide::delete(key, state.records.get(key).and_then(Slot::current), expected)?;
        if let Some(slot) = state.records.get_mut(key) {
            slot.value = None;
        }
        Ok(())
    }
}
