//! What a request is about: its verb, its path, its query.

use std::collections::BTreeMap;

use axum::http::{Method, Uri};

use crate::{
    answer::{Refusal, Result},
    kind::Kind,
};

/// What a request is about.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) kind: &'static Kind,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
}

impl Target {
    /// Reads a path below `/api` or `/apis`.
    pub(crate) fn parse(path: &str) -> Result<Self> {
        let mut parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (group, version) = match parts.first() {
            Some(&"api") if parts.len() > 2 => ("", parts.remove(1)),
            Some(&"apis") if parts.len() > 3 => (parts.remove(1), parts.remove(1)),
            _ => return Err(Refusal::no_such_path()),
        };
        parts.remove(0);
        let mut namespace = None;
        // `/namespaces/NAME` itself, and its status, are about the namespace.
        if parts[0] == "namespaces" && parts.len() > 2 && parts[2] != "status" {
            namespace = Some(parts[1].to_owned());
            parts.drain(..2);
        }
        let kind = Kind::find(group, version, parts[0]).ok_or_else(Refusal::no_such_path)?;
        if parts.len() > 3
            || kind.namespaced != namespace.is_some() && (namespace.is_some() || parts.len() > 1)
        {
            return Err(Refusal::no_such_path());
        }
        let part = |index: usize| parts.get(index).map(|part| (*part).to_owned());
        Ok(Self { kind, namespace, name: part(1), subresource: part(2) })
    }

    /// The resource with its subresource, as rights name it.
    pub(crate) fn resource(&self) -> String {
        match &self.subresource {
            Some(subresource) => format!("{}/{subresource}", self.kind.resource),
            None => self.kind.resource.to_owned(),
        }
    }

    /// The verb that rights are about.
    pub(crate) fn verb(&self, method: &Method, query: &Query) -> Result<&'static str> {
        let is_named = self.name.is_some();
        let streams = matches!(self.subresource.as_deref(), Some("exec" | "attach"));
        Ok(match (method.as_str(), is_named) {
            // Websockets begin with a GET; rights are those of the POST it stands for since 1.35,
            // and those of a GET before.
            ("GET" | "POST", true) if streams => "create",
            ("GET", _) if query.is_set("watch") => "watch",
            ("GET", true) => "get",
            ("GET", false) => "list",
            ("POST", false) => "create",
            ("PUT", true) => "update",
            ("PATCH", true) => "patch",
            ("DELETE", true) => "delete",
            ("DELETE", false) => "deletecollection",
            _ => {
                return Err(Refusal::new(
                    405,
                    "MethodNotAllowed",
                    "the server does not allow this method on the requested resource",
                ));
            }
        })
    }
}

/// The query of a request; a name may be there more than once.
#[derive(Debug, Default)]
pub(crate) struct Query(BTreeMap<String, Vec<String>>);

impl Query {
    pub(crate) fn parse(uri: &Uri) -> Self {
        let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            names.entry(decode(name)).or_default().push(decode(value));
        }
        Self(names)
    }

    pub(crate) fn get(&self, name: &str) -> &str {
        self.all(name).first().map_or("", String::as_str)
    }

    pub(crate) fn all(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn is_set(&self, name: &str) -> bool {
        matches!(self.get(name), "true" | "1")
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.get(name).parse().ok()
    }
}

fn decode(text: &str) -> String {
    let (bytes, mut decoded, mut at) = (text.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        let code = bytes
            .get(at + 1..at + 3)
            .and_then(|code| u8::from_str_radix(str::from_utf8(code).ok()?, 16).ok());
        match (bytes[at], code) {
            (b'%', Some(code)) => {
                decoded.push(code);
                at += 2;
            }
            (b'+', _) => decoded.push(b' '),
            (byte, _) => decoded.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_what_they_are_about() {
        let target = Target::parse("/api/v1/namespaces/n/pods/p/exec").unwrap();
        assert_eq!(
            (target.resource().as_str(), target.namespace.as_deref(), target.name.as_deref()),
            ("pods/exec", Some("n"), Some("p"))
        );
        assert_eq!(Target::parse("/api/v1/namespaces/n").unwrap().kind.kind, "Namespace");
        assert_eq!(Target::parse("/api/v1/pods").unwrap().namespace, None);
        let policy =
            Target::parse("/apis/networking.k8s.io/v1/namespaces/n/networkpolicies").unwrap();
        assert_eq!(policy.kind.kind, "NetworkPolicy");
        for wrong in ["/api/v1/pods/p", "/api/v1/nothing", "/apis/apps/v1/deployments", "/api"] {
            assert!(Target::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn queries_are_decoded() {
        let query =
            Query::parse(&"/x?command=sh&command=-c&command=a%20b+c%2B&watch=1".parse().unwrap());
        assert_eq!(query.all("command"), ["sh", "-c", "a b c+"]);
        assert!(query.is_set("watch") && !query.is_set("follow"));
    }
}
