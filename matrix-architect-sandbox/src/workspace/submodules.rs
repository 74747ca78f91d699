//! Which submodules a repository names (gitmodules(5)).

use std::collections::BTreeMap;

use matrix_architect_core::{
    Error,
    error::Result,
    git::{GitAccess, RemoteUrl},
    id::GitOid,
    path::RelPath,
    traits::CheckoutRequest,
};

use super::{
    GitWorkspace,
    checkout::{Submodule, TreeCheckout},
    fault::fault,
    git::Invocation,
    objects::{ItemMode, Kind, Objects},
    repository::History,
    source::Source,
};

const FILE_CAP: u64 = 1 << 20;
/// Repositories within repositories within repositories.
const DEPTH: usize = 8;

/// A repository whose tree was written, and what it says of its submodules.
#[derive(Debug)]
pub(super) struct Parent {
    pub(super) url: RemoteUrl,
    /// Its `.gitmodules`.
    pub(super) modules: Vec<u8>,
    /// The folder of it that was written.
    pub(super) subfolder: Option<RelPath>,
    /// Where its files are in the tree that is written.
    pub(super) prefix: Option<RelPath>,
    pub(super) depth: usize,
}

/// The `.gitmodules` of a root tree; empty if there is none.
pub(super) fn modules(objects: &mut Objects, root: &GitOid) -> Result<Vec<u8>> {
    let items = objects.tree(root)?;
    let file = |mode| matches!(mode, ItemMode::File { .. });
    let Some(item) = items.into_iter().find(|item| item.name == b".gitmodules" && file(item.mode))
    else {
        return Ok(Vec::new());
    };
    objects.ask(item.oid)?;
    let object = objects.answer()?;
    objects.content(&object, Kind::Blob, FILE_CAP)
}

impl GitWorkspace {
    /// Writes the submodules that were met, and theirs.
    pub(super) async fn submodules(
        &self,
        request: &CheckoutRequest<'_>,
        source: &Source,
        mut checkout: TreeCheckout,
        parent: Parent,
    ) -> Result<TreeCheckout> {
        let mut todo = vec![(parent, std::mem::take(&mut checkout.submodules))];
        while let Some((parent, met)) = todo.pop() {
            if met.is_empty() {
                continue;
            }
            if parent.depth == DEPTH {
                return Err(Error::invalid("submodules are nested too deeply"));
            }
            let urls = self.urls(request, &parent).await?;
            for submodule in met {
                let url = url_of(&submodule, &parent, &urls, &self.config.access)?;
                let (done, child) =
                    self.submodule(request, source, checkout, (&parent, submodule, url)).await?;
                checkout = done;
                todo.push((child, std::mem::take(&mut checkout.submodules)));
            }
        }
        Ok(checkout)
    }

    async fn submodule(
        &self,
        request: &CheckoutRequest<'_>,
        source: &Source,
        mut checkout: TreeCheckout,
        (parent, submodule, url): (&Parent, Submodule, RemoteUrl),
    ) -> Result<(TreeCheckout, Parent)> {
        let credentials = match source {
            Source::Remote { url: root, credentials, .. } if root.same_server(&url) => {
                credentials.clone()
            }
            _ => None,
        };
        let repository = Source::Remote { url: url.clone(), credentials, submodules: true };
        let Submodule { path, commit } = submodule;
        let bare = self
            .repository(request, &repository, &[&commit], History::None)
            .await
            .map_err(|error| error.context("submodule", &path))?;
        let prefix = path.clone();
        let work = move |objects: &mut Objects| {
            let (_, root) = objects.root(&commit)?;
            let modules = modules(objects, &root)?;
            checkout.write(objects, &root, Some(&prefix))?;
            Ok((checkout, modules))
        };
        let (checkout, modules) = self.with_objects(&bare, request.cancel, work).await?;
        let depth = parent.depth + 1;
        let child = Parent { url, modules, subfolder: None, prefix: Some(path), depth };
        Ok((checkout, child))
    }

    /// The URL of each path, as git reads the file.
    async fn urls(
        &self,
        request: &CheckoutRequest<'_>,
        parent: &Parent,
    ) -> Result<BTreeMap<String, String>> {
        let directory = self.scratch.directory()?;
        let file = directory.path().join("gitmodules");
        std::fs::write(&file, &parent.modules)
            .map_err(|source| fault(source, "cannot write the file", file.display()))?;
        let file = file.display().to_string();
        let args = ["config", "--file", &file, "--no-includes", "--null", "--list"];
        let output = self.git.run(&Invocation::default(), &args, request.cancel).await?;
        Ok(parse(&String::from_utf8_lossy(&output)))
    }
}

fn parse(output: &str) -> BTreeMap<String, String> {
    let mut paths = BTreeMap::new();
    let mut urls = BTreeMap::new();
    for record in output.split('\0') {
        let Some((key, value)) = record.split_once('\n') else { continue };
        let Some((name, field)) =
            key.strip_prefix("submodule.").and_then(|rest| rest.rsplit_once('.'))
        else {
            continue;
        };
        match field {
            "path" => drop(paths.insert(name, value)),
            "url" => drop(urls.insert(name, value)),
            _ => {}
        }
    }
    let url = |name: &str| urls.get(name).map(|url| (*url).to_owned());
    paths.iter().filter_map(|(name, path)| Some(((*path).to_owned(), url(name)?))).collect()
}

fn url_of(
    submodule: &Submodule,
    parent: &Parent,
    urls: &BTreeMap<String, String>,
    access: &GitAccess,
) -> Result<RemoteUrl> {
    let path = submodule.path.as_str();
    let within = match &parent.prefix {
        Some(prefix) => path.strip_prefix(prefix.as_str()).unwrap_or(path).trim_start_matches('/'),
        None => path,
    };
    let named = match &parent.subfolder {
        Some(folder) => format!("{folder}/{within}"),
        None => within.to_owned(),
    };
    let url = urls.get(&named).ok_or_else(|| {
        Error::invalid("the repository names no URL for its submodule")
            .context("submodule", &submodule.path)
            .advice("correct its .gitmodules")
    })?;
    parent.url.join(url, access).map_err(|error| error.context("submodule", &submodule.path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_found_by_path_whatever_the_name() {
        let output = "submodule.a.b.path\nlibs/x\0submodule.a.b.url\n../x.git\0core.bare\ntrue\0\
                      submodule.half.path\nlibs/y\0";
        let expected = [("libs/x".to_owned(), "../x.git".to_owned())];
        assert_eq!(parse(output), expected.into());
    }
}
