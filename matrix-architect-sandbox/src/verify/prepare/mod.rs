//! Fetching what a project depends on, before anything of it runs.
//!
//! The changed tree's manifests and lock files, and nothing else of it, go into a session that may
//! reach named hosts. There the project's own tool fetches, with scripts off. What it fetched is
//! taken out as a hostile archive and sealed in a [`Cache`]; the checks then see it read-only in
//! sessions that reach nothing.
//!
//! Which hosts is said by the operator, or by the tools' configuration on the base tree. The
//! changed tree has no say: its configuration is left out, and a lock file that names another host
//! meets the proxy.

mod cache;
mod config;
mod demand;
mod fetch;
mod files;
mod go;
mod hosts;
mod node;
mod python;
mod report;
mod rust;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    evidence::Evidence,
    traits::{Bind, Ids, Tree, VerifyContext},
};

pub use config::PrepareConfig;

use cache::{Cache, Sealed};
use demand::{Demand, Sources};

/// Where prepared dependencies are shown inside.
pub(super) const PLACE: &str = "/prepared";

/// What the checks of one tree get beside the tree.
#[derive(Clone, Debug, Default)]
pub(super) struct Prepared {
    pub(super) binds: Vec<Bind>,
    pub(super) env: BTreeMap<String, String>,
    /// Directories of programs, before all others.
    pub(super) path: Vec<String>,
    /// Directories of Python modules, after the project's own.
    pub(super) python_path: Vec<String>,
    /// Kept from being pruned as long as this is.
    sealed: Vec<Arc<Sealed>>,
}

/// Prepares trees.
#[derive(Debug)]
pub(super) struct Preparer {
    config: PrepareConfig,
    cache: Cache,
}

impl Preparer {
    /// # Errors
    /// Whatever opening the cache's directory meets.
    pub(super) fn new(config: PrepareConfig) -> Result<Self> {
        let cache = Cache::open(&config)?;
        Ok(Self { config, cache })
    }

    /// Fetches what a tree depends on, and says how that went: one piece of evidence for each kind
    /// of project that depends on anything.
    pub(super) async fn prepare(
        &self,
        cx: &VerifyContext<'_>,
        tree: &dyn Tree,
        ids: &dyn Ids,
    ) -> Result<(Prepared, Vec<Evidence>)> {
        let base = Sources::read(cx.base).await?;
        let egress = hosts::egress(&self.config, &base);
        let (mut prepared, mut evidence) = (Prepared::default(), Vec::new());
        if egress.hosts.is_empty() {
            return Ok((prepared, evidence));
        }
        for demand in demand::demands(&Sources::read(tree).await?, &base)? {
            let fetching = fetch::Fetching { cx, config: &self.config, cache: &self.cache, ids };
            let (sealed, told) = fetching.carry_out(&demand, &egress).await?;
            if let Some(sealed) = sealed {
                prepared.add(&demand, sealed)?;
            }
            evidence.push(told);
        }
        Ok((prepared, evidence))
    }
}

impl Prepared {
    fn add(&mut self, demand: &Demand, sealed: Arc<Sealed>) -> Result<()> {
        if !sealed.content().is_dir() {
            return Err(Error::new(ErrorKind::Unavailable, "fetched dependencies are gone")
                .context("path", sealed.content().display())
                .advice("let nothing but the server remove them"));
        }
        let offer = &demand.offer;
        let inside = |text: &str| text.replace("{place}", &demand.place());
        for (from, to) in &offer.binds {
            let source = sealed.content().join(from);
            if source.exists() {
                self.binds.push(Bind { source, target: inside(to).into() });
            }
        }
        self.env.extend(offer.env.iter().map(|(key, value)| ((*key).to_owned(), inside(value))));
        self.path.extend(offer.path.iter().map(|path| inside(path)));
        self.python_path.extend(offer.python_path.iter().map(|path| inside(path)));
        self.sealed.push(sealed);
        Ok(())
    }
}
