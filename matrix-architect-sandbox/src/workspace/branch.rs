//! What a branch adds since it parted from the base.

use std::collections::BTreeMap;

use matrix_architect_core::{
    Error,
    error::Result,
    id::GitOid,
    path::RelPath,
    traits::{Checkout, CheckoutRequest, EntryKind, TreeEntry},
};

use super::{
    GitWorkspace,
    bare::Bare,
    draft::conflict,
    fault::unsafe_path,
    limits::too_large,
    objects::{Kind, Objects},
    outcome::{File, Outcome},
    refs::{Target, Wanted},
    repository::History,
    source::{Source, subfolder},
};

/// A branch and where it parted.
#[derive(Debug)]
pub(super) struct Branch {
    pub(super) outcome: Outcome,
    pub(super) merge_base: GitOid,
    pub(super) tip: GitOid,
}

/// One line of `git diff-tree --raw`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RawChange {
    old: Option<Side>,
    new: Option<Side>,
    path: String,
    /// The old path of a rename.
    from: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Side {
    executable: bool,
    oid: GitOid,
}

impl GitWorkspace {
    /// What the branch makes of the base, where the base is still as the branch found it.
    pub(super) async fn branch(
        &self,
        request: &CheckoutRequest<'_>,
        base: &Checkout,
        entries: &[TreeEntry],
        name: &str,
    ) -> Result<Branch> {
        let source = Source::of(request.repo, &self.config.access)?;
        let commit = base.commit.as_ref().ok_or_else(|| {
            Error::invalid("a plain folder has no branches").code("not_a_repository")
        })?;
        let Target { commit: tip, .. } =
            self.target(request, &source, &Wanted::parse(Some(name))?).await?;
        let bare = self.repository(request, &source, &[commit, &tip], History::All).await?;
        let merge_base = self.merge_base(request, &bare, commit, &tip).await?;
        let changes = self.changes(request, &bare, &merge_base, &tip).await?;
        let changes = within(changes, subfolder(request.repo)?)?;
        let cap = self.config.limits.max_change_bytes;
        let oids = changes.iter().flat_map(|change| [&change.old, &change.new]);
        let oids: Vec<GitOid> = oids.flatten().map(|side| side.oid.clone()).collect();
        let work = move |objects: &mut Objects| contents(objects, oids, cap);
        let contents = self.with_objects(&bare, request.cancel, work).await?;
        let outcome = outcome(base, entries, &changes, &contents).await?;
        Ok(Branch { outcome, merge_base, tip })
    }

    async fn merge_base(
        &self,
        request: &CheckoutRequest<'_>,
        bare: &Bare,
        base: &GitOid,
        tip: &GitOid,
    ) -> Result<GitOid> {
        let args = ["merge-base", base.as_str(), tip.as_str()];
        let output = self.git.run(&bare.invocation(), &args, request.cancel).await;
        let unrelated = |source| {
            Error::invalid("the branch and the base have no common commit")
                .code("unrelated_histories")
                .context("base", base)
                .context("tip", tip)
                .advice("rebase the branch; a shallow clone may need git fetch --unshallow")
                .source(source)
        };
        let output = output.map_err(|error| match error.kind() {
            matrix_architect_core::ErrorKind::Unexpected => unrelated(error),
            _ => error,
        })?;
        GitOid::new(String::from_utf8_lossy(&output).trim_end())
    }

    async fn changes(
        &self,
        request: &CheckoutRequest<'_>,
        bare: &Bare,
        from: &GitOid,
        to: &GitOid,
    ) -> Result<Vec<RawChange>> {
        let args = [
            "diff-tree",
            "-r",
            "-z",
            "-M",
            "--raw",
            "--no-abbrev",
            "--no-ext-diff",
            "--no-textconv",
            from.as_str(),
            to.as_str(),
        ];
        let output = self.git.run(&bare.invocation(), &args, request.cancel).await?;
        parse(&output)
    }
}

fn parse(output: &[u8]) -> Result<Vec<RawChange>> {
    let text = std::str::from_utf8(output)
        .map_err(|source| unsafe_path("a path of the branch is not UTF-8", "-").source(source))?;
    let mut records = text.split('\0');
    let mut changes = Vec::new();
    while let Some(header) = records.next().filter(|header| !header.is_empty()) {
        let malformed = || Error::unexpected("git's list of changes is malformed");
        let mut path = records.next().ok_or_else(malformed)?.to_owned();
        let fields: Vec<&str> = header.trim_start_matches(':').split(' ').collect();
        let [old_mode, new_mode, old, new, status] = fields[..] else { return Err(malformed()) };
        let mut from = None;
        if status.starts_with(['R', 'C']) {
            from = Some(path.clone());
            records.next().ok_or_else(malformed)?.clone_into(&mut path);
        }
        let (old, new) = (side(old_mode, old, &path)?, side(new_mode, new, &path)?);
        changes.push(RawChange { old, new, path, from });
    }
    Ok(changes)
}

fn side(mode: &str, oid: &str, path: &str) -> Result<Option<Side>> {
    let executable = match mode {
        "000000" => return Ok(None),
        "100644" | "100664" => false,
        "100755" => true,
        "120000" => return Err(unsafe_path("the branch changes a symbolic link", path)),
        "160000" => return Err(unsafe_path("the branch changes a submodule", path)),
        _ => {
            return Err(
                Error::invalid("a file of the branch has an unknown mode").context("path", path)
            );
        }
    };
    Ok(Some(Side { executable, oid: GitOid::new(oid)? }))
}

/// The changes relative to the subfolder that is the project.
fn within(changes: Vec<RawChange>, folder: Option<&RelPath>) -> Result<Vec<RawChange>> {
    let Some(folder) = folder else { return Ok(changes) };
    let strip = |path: String| {
        let rest = path.strip_prefix(folder.as_str()).and_then(|rest| rest.strip_prefix('/'));
        rest.map(str::to_owned).ok_or_else(|| {
            Error::invalid("the branch changes files outside the project's folder")
                .code("outside_subfolder")
                .context("path", &path)
                .context("subfolder", folder)
        })
    };
    changes
        .into_iter()
        .map(|change| {
            let from = change.from.map(strip).transpose()?;
            Ok(RawChange { path: strip(change.path)?, from, ..change })
        })
        .collect()
}

fn contents(
    objects: &mut Objects,
    oids: Vec<GitOid>,
    cap: u64,
) -> Result<BTreeMap<GitOid, Vec<u8>>> {
    let mut all = BTreeMap::new();
    let mut left = cap;
    for oid in oids {
        objects.ask(oid.clone())?;
        let object = objects.answer()?;
        let content = objects.content(&object, Kind::Blob, left)?;
        left = left
            .checked_sub(object.size)
            .ok_or_else(|| too_large("the branch changes too much", "max_change_bytes", cap))?;
        all.insert(oid, content);
    }
    Ok(all)
}

async fn outcome(
    base: &Checkout,
    entries: &[TreeEntry],
    changes: &[RawChange],
    contents: &BTreeMap<GitOid, Vec<u8>>,
) -> Result<Outcome> {
    let kinds: BTreeMap<&RelPath, EntryKind> =
        entries.iter().map(|entry| (&entry.path, entry.kind)).collect();
    let mut outcome = Outcome::default();
    for change in changes {
        let path = RelPath::new(change.path.as_str())?;
        let from = change.from.as_deref().map(RelPath::new).transpose()?;
        let old_path = from.as_ref().unwrap_or(&path);
        match (&change.old, kinds.get(old_path)) {
            (None, None) => {}
            (None, Some(_)) | (Some(_), None) => return Err(moved(old_path)),
            (Some(old), Some(kind)) => {
                let found = base.tree.read(old_path).await?;
                let expected = contents.get(&old.oid);
                let executable = *kind == EntryKind::Executable;
                if found.as_deref() != expected.map(Vec::as_slice) || executable != old.executable {
                    return Err(moved(old_path));
                }
            }
        }
        if let Some(from) = from {
            outcome.gone.insert(from.clone());
            outcome.renamed.insert(path.clone(), from);
        }
        match &change.new {
            None => drop(outcome.gone.insert(path)),
            Some(new) => {
                let bytes = contents.get(&new.oid).cloned().unwrap_or_default();
                let executable = Some(new.executable);
                outcome.written.insert(path, File { bytes, executable });
            }
        }
    }
    Ok(outcome)
}

fn moved(path: &RelPath) -> Error {
    conflict("the base changed the file since the branch parted from it", path)
        .advice("rebase the branch on the base")
}
