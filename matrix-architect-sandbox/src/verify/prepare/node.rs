//! Node: `npm ci` from the lock file, without the packages' scripts. The modules are shown above
//! the project, where Node looks after it looked in the project itself.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    demand::{Demand, OUT, Offer, Sources, lock_digest},
    files::Files,
};

const LOCKS: [&str; 2] = ["npm-shrinkwrap.json", "package-lock.json"];

#[derive(Deserialize)]
struct Lock {
    #[serde(default)]
    packages: BTreeMap<String, Package>,
}

#[derive(Deserialize)]
struct Package {
    integrity: Option<String>,
    #[serde(default)]
    link: bool,
}

pub(super) fn demand(tree: &Sources, base: &Sources) -> Option<Demand> {
    let (lock_name, text) = LOCKS.iter().find_map(|name| Some((*name, tree.text(name)?)))?;
    let Ok(lock) = serde_json::from_str::<Lock>(text) else { return None };
    let mut foreign = lock
        .packages
        .iter()
        .filter(|(place, package)| place.contains("node_modules/") && !package.link)
        .peekable();
    if foreign.peek().is_none() || tree.text("package.json").is_none() {
        return None;
    }
    let hashed = foreign.all(|(_, package)| package.integrity.as_deref().is_some_and(is_hash));
    let own = |name: &'static str| tree.named(name);
    let mut files = Files::default();
    files.extend(own("package.json").chain(own(lock_name)));
    files.extend(base.all().filter(|(path, _)| path.as_str() == ".npmrc"));
    Some(Demand {
        ecosystem: "node",
        lock: lock_digest(own(lock_name).chain(own("package.json"))),
        files,
        hashed,
        probe: &["npm", "--version"],
        line: format!(
            "npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error \
             --cache /tmp/npm && mkdir {OUT} && mv node_modules {OUT}/"
        ),
        env: [("NO_COLOR", "1"), ("npm_config_progress", "false")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        offer: Offer {
            binds: vec![("node_modules", "/node_modules")],
            path: vec!["/node_modules/.bin"],
            ..Offer::default()
        },
    })
}

/// Whether npm has anything to hold a package against: of the W3C's Subresource Integrity it takes
/// the strongest hash that is one, and without any it takes every package.
fn is_hash(integrity: &str) -> bool {
    let known = |hash: &str| {
        let (algorithm, digest) = hash.split_once('-')?;
        let bytes = match algorithm {
            "sha256" => 32_usize,
            "sha384" => 48,
            "sha512" => 64,
            _ => return None,
        };
        let digest = digest.split('?').next()?;
        let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
        (digest.len() == bytes.div_ceil(3) * 4 && digest.chars().all(is_base64)).then_some(())
    };
    integrity.split_ascii_whitespace().any(|hash| known(hash).is_some())
}
