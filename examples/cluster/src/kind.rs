//! The kinds of objects that are served, each with its shape as the API's own description has it.

use k8s_openapi::{
    api::{
        core::v1::{
            ConfigMap, Event, Namespace, Pod, ResourceQuota, Secret, Service, ServiceAccount,
        },
        networking::v1::NetworkPolicy,
    },
    serde::{Serialize, de::DeserializeOwned},
};
use serde_json::Value;

/// A kind of objects.
#[derive(Debug)]
#[expect(clippy::struct_field_names, reason = "`kind` is the API's own word for it")]
pub(crate) struct Kind {
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) resource: &'static str,
    pub(crate) singular: &'static str,
    pub(crate) short: &'static [&'static str],
    pub(crate) namespaced: bool,
    /// What its type makes of an object: a field that the type does not know is missing then.
    pub(crate) typed: fn(Value) -> Result<Value, String>,
}

fn typed<T: Serialize + DeserializeOwned>(value: Value) -> Result<Value, String> {
    let object: T = serde_json::from_value(value).map_err(|cause| cause.to_string())?;
    serde_json::to_value(object).map_err(|cause| cause.to_string())
}

macro_rules! kind {
    ($group:literal, $kind:ident, $resource:literal, $singular:literal, $short:expr, $namespaced:literal) => {
        Kind {
            group: $group,
            version: "v1",
            kind: stringify!($kind),
            resource: $resource,
            singular: $singular,
            short: &$short,
            namespaced: $namespaced,
            typed: typed::<$kind>,
        }
    };
}

/// All kinds. Another kind is another line.
pub(crate) static KINDS: [Kind; 9] = [
    kind!("", ConfigMap, "configmaps", "configmap", ["cm"], true),
    kind!("", Event, "events", "event", ["ev"], true),
    kind!("", Namespace, "namespaces", "namespace", ["ns"], false),
    kind!("", Pod, "pods", "pod", ["po"], true),
    kind!("", ResourceQuota, "resourcequotas", "resourcequota", ["quota"], true),
    kind!("", Secret, "secrets", "secret", [], true),
    kind!("", Service, "services", "service", ["svc"], true),
    kind!("", ServiceAccount, "serviceaccounts", "serviceaccount", ["sa"], true),
    kind!("networking.k8s.io", NetworkPolicy, "networkpolicies", "networkpolicy", ["netpol"], true),
];

impl Kind {
    pub(crate) fn find(group: &str, version: &str, resource: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| {
            kind.group == group && kind.version == version && kind.resource == resource
        })
    }

    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.kind == name)
    }

    /// As `apiVersion` says it.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}
