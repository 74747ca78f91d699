//! Go: the module cache's downloads, offered as a proxy in the file system, which is what Go's own
//! proxies are.

use super::{
    demand::{Demand, OUT, Offer, Sources, lock_digest},
    files::Files,
};

const MANIFESTS: [&str; 4] = ["go.mod", "go.sum", "go.work", "go.work.sum"];

pub(super) fn demand(tree: &Sources) -> Option<Demand> {
    let requires = |text: &str| {
        text.lines().any(|line| {
            let line = line.trim_start();
            line.strip_prefix("require").is_some_and(|rest| rest.starts_with([' ', '(', '\t']))
        })
    };
    if !tree.text("go.mod").is_some_and(requires) {
        return None;
    }
    let manifests = || MANIFESTS.iter().flat_map(|name| tree.named(name));
    let mut files = Files::default();
    files.extend(manifests());
    let hashed = tree.text("go.sum").is_some_and(|sums| !sums.trim().is_empty());
    let mut env = std::collections::BTreeMap::from(
        [("GOTOOLCHAIN", "local"), ("GOFLAGS", "-modcacherw")]
            .map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    // What stands in go.sum needs no other witness.
    if hashed {
        env.insert("GOSUMDB".to_owned(), "off".to_owned());
    }
    Some(Demand {
        ecosystem: "go",
        lock: lock_digest(manifests()),
        files,
        hashed,
        probe: &["go", "version"],
        line: format!(
            "GOMODCACHE=/tmp/go GOPATH=/tmp/gopath go mod download && mkdir {OUT} && \
             mv /tmp/go/cache/download {OUT}/download"
        ),
        env,
        offer: Offer {
            binds: vec![("download", "{place}")],
            env: vec![("GOPROXY", "file://{place}"), ("GOSUMDB", "off"), ("GOTOOLCHAIN", "local")],
            ..Offer::default()
        },
    })
}
