//! Cargo: everything of the lock file is vendored, and Cargo told to use that in place of where it
//! came from.

use bytes::Bytes;
use matrix_architect_core::{error::Result, path::RelPath};
use serde::Deserialize;

use super::demand::{Demand, OUT, Offer, Sources, lock_digest};

#[derive(Deserialize)]
struct Lock {
    #[serde(default)]
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    source: Option<String>,
    checksum: Option<String>,
}

impl Package {
    /// A registry's package has a checksum; a repository's has its commit, which is one.
    fn is_hashed(&self) -> bool {
        let source = self.source.as_deref().unwrap_or_default();
        source.starts_with("git+") && source.contains('#') || self.checksum.is_some()
    }
}

pub(super) fn demand(tree: &Sources, base: &Sources) -> Result<Option<Demand>> {
    let Some(text) = tree.text("Cargo.lock") else { return Ok(None) };
    let Ok(lock) = toml::from_str::<Lock>(text) else { return Ok(None) };
    let foreign: Vec<_> = lock.package.iter().filter(|package| package.source.is_some()).collect();
    let configuration = [".cargo/config.toml", ".cargo/config"];
    let brings_its_own = configuration
        .iter()
        .filter_map(|path| base.text(path))
        .any(|text| text.contains("replace-with"));
    if foreign.is_empty() || brings_its_own {
        return Ok(None);
    }
    let mut demand = Demand {
        ecosystem: "rust",
        files: super::files::Files::default(),
        lock: lock_digest(tree.named("Cargo.lock").chain(tree.named("Cargo.toml"))),
        hashed: foreign.iter().all(|package| package.is_hashed()),
        probe: &["cargo", "--version"],
        // Cargo says itself how its sources are replaced; where they will be is ours to say.
        line: format!(
            "mkdir {OUT} && cargo vendor --locked --versioned-dirs {OUT}/vendor \
             > {OUT}/config.toml && sed -i 's|^directory = .*|directory = \
             \"/prepared/rust/vendor\"|' {OUT}/config.toml"
        ),
        env: [("CARGO_TERM_COLOR", "never"), ("CARGO_NET_RETRY", "2")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        offer: Offer {
            // Cargo reads the configuration of every folder above the project.
            binds: vec![("vendor", "{place}/vendor"), ("config.toml", "/.cargo/config.toml")],
            ..Offer::default()
        },
    };
    demand.files.extend(tree.named("Cargo.toml").chain(tree.named("Cargo.lock")));
    let of_the_base = base.all().filter(|(path, _)| configuration.contains(&path.as_str()));
    demand.files.extend(of_the_base);
    for path in &tree.rust {
        demand.files.insert(path.clone(), Bytes::new());
    }
    // A tree without any source is no package to Cargo.
    if tree.rust.is_empty() {
        demand.files.insert(RelPath::new("src/lib.rs")?, Bytes::new());
    }
    Ok(Some(demand))
}
