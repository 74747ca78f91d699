//! Go: the module cache's downloads, offered as a proxy in the file system, which is what Go's own
//! proxies are.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    demand::{Demand, OUT, Offer, Sources, lock_digest},
    files::Files,
};

const MANIFESTS: [&str; 4] = ["go.mod", "go.sum", "go.work", "go.work.sum"];

pub(super) fn demand(tree: &Sources) -> Option<Demand> {
    if Module::of(tree.text("go.mod")?).required.is_empty() {
        return None;
    }
    let manifests = || MANIFESTS.iter().flat_map(|name| tree.named(name));
    let mut files = Files::default();
    files.extend(manifests());
    let hashed = is_hashed(tree);
    let mut env = BTreeMap::from(
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

/// Whether everything that `go.mod` names stands in `go.sum`, its content and its `go.mod`. A
/// workspace's and a module's before Go 1.17 do not name all that they need (Go Modules Reference,
/// "Module graph pruning").
fn is_hashed(tree: &Sources) -> bool {
    let (Some(own), Some(sums)) = (tree.text("go.mod"), tree.text("go.sum")) else { return false };
    let sums: BTreeSet<_> = sums.lines().filter_map(sum).collect();
    let module = Module::of(own);
    let stands = |(path, version): &(&str, &str)| {
        let manifest = format!("{version}/go.mod");
        sums.contains(&(*path, *version)) && sums.contains(&(*path, manifest.as_str()))
    };
    tree.text("go.work").is_none() && module.names_all() && module.fetched().all(|one| stands(&one))
}

/// The path and version of a line of `go.sum` that has a hash.
fn sum(line: &str) -> Option<(&str, &str)> {
    let mut words = line.split_ascii_whitespace();
    let (path, version, hash) = (words.next()?, words.next()?, words.next()?);
    let is_hash = hash.strip_prefix("h1:").is_some_and(|hash| !hash.is_empty());
    is_hash.then_some((path, version))
}

/// A path, and a version if one is named.
type Named<'a> = (&'a str, Option<&'a str>);

/// What a `go.mod` says of others.
#[derive(Debug, Default)]
struct Module<'a> {
    go: Option<&'a str>,
    required: Vec<(&'a str, &'a str)>,
    /// What stands in for a path, of a version or of all: a path and version, or a folder.
    replaced: BTreeMap<Named<'a>, Named<'a>>,
}

impl<'a> Module<'a> {
    fn of(text: &'a str) -> Self {
        let (mut module, mut block) = (Self::default(), None);
        for line in text.lines() {
            let line = line.split("//").next().unwrap_or_default();
            let line = line.split_ascii_whitespace().map(|word| word.trim_matches(['"', '`']));
            let mut words: Vec<_> = line.collect();
            match (block, &words[..]) {
                (_, []) => {}
                (Some(_), [")"]) => block = None,
                (Some(verb), _) => module.take(verb, &words),
                (None, [verb, "("]) => block = Some(*verb),
                // Also without a space before the bracket.
                (None, [verb]) if verb.ends_with('(') => block = Some(verb.trim_end_matches('(')),
                (None, _) => {
                    let verb = words.remove(0);
                    module.take(verb, &words);
                }
            }
        }
        module
    }

    fn take(&mut self, verb: &'a str, words: &[&'a str]) {
        match (verb, words) {
            ("go", [version, ..]) => self.go = Some(*version),
            ("require", [path, version, ..]) => self.required.push((*path, *version)),
            ("replace", [path, "=>", to @ ..]) => self.replace((*path, None), to),
            ("replace", [path, version, "=>", to @ ..]) => {
                self.replace((*path, Some(*version)), to);
            }
            _ => {}
        }
    }

    fn replace(&mut self, what: Named<'a>, to: &[&'a str]) {
        if let Some(path) = to.first() {
            self.replaced.insert(what, (*path, to.get(1).copied()));
        }
    }

    /// Whether it names what its dependencies depend on, as modules do since Go 1.17.
    fn names_all(&self) -> bool {
        let mut parts = self.go.unwrap_or_default().split('.').map(str::parse::<u32>);
        match (parts.next(), parts.next()) {
            (Some(Ok(1)), Some(Ok(minor))) => minor >= 17,
            _ => false,
        }
    }

    /// Path and version of what is fetched for it: not what a folder of the tree replaces.
    fn fetched(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.required.iter().filter_map(|(path, version)| {
            let of = |version| self.replaced.get(&(*path, version));
            match of(Some(*version)).or_else(|| of(None)) {
                Some((path, version)) => Some((*path, (*version)?)),
                None => Some((*path, *version)),
            }
        })
    }
}
