//! Applies a resolved plan to a copy of a tree: everything is checked first, then a whole new tree
//! is written beside the old one, made durable, and given its name in one step.

use std::{collections::BTreeSet, fs::File, io::Write as _, sync::Arc};

use matrix_architect_core::{
    error::Result,
    path::RelPath,
    plan::Plan,
    traits::{Applied, Tree, TreeEntry},
};

use super::{
    DirTree, GitWorkspace, Scratch, TreeLimits,
    beneath::{Beneath, TreeWriter},
    checkout::make_links,
    copy::copy,
    describe::describe,
    dir_tree::on_blocking_thread,
    draft::{Difference, Draft, Preconditions},
    fault::fault,
    limits::Budget,
    links::Links,
    unpack::unpack,
};

/// All that the writing needs.
#[derive(Debug)]
struct Staging {
    scratch: Arc<Scratch>,
    limits: TreeLimits,
    base: Arc<Beneath>,
    entries: Vec<TreeEntry>,
    differences: Vec<Difference>,
}

impl GitWorkspace {
    pub(super) async fn applied(&self, base: &dyn Tree, plan: &Plan) -> Result<Applied> {
        plan.validate()?;
        let entries = base.list().await?;
        let mut draft = Draft::new(base, &entries, self.config.limits, Preconditions::Required);
        for op in plan.operations() {
            draft.take(op).await?;
        }
        let differences = draft.differences();
        // A tree that is not on this machine is brought here first.
        let here = match base.local() {
            Some(path) => DirTree::open(path)?,
            None => unpack(&self.scratch, base.pack().await?, &self.config.limits).await?,
        };
        let staging = Staging {
            scratch: Arc::clone(&self.scratch),
            limits: self.config.limits,
            base: Arc::clone(here.root()),
            entries,
            differences,
        };
        let (tree, patch) = on_blocking_thread(move || {
            let patch = describe(&staging.differences);
            Ok((staging.write()?, patch))
        })
        .await?;
        Ok(Applied { patch, tree: Arc::new(tree) })
    }
}

impl Staging {
    fn write(&self) -> Result<DirTree> {
        let directory = self.scratch.directory()?;
        let root = Beneath::open(directory.path().to_owned())?;
        let mut writer = TreeWriter::new(Arc::clone(&root));
        let mut budget = Budget::new(self.limits);
        let mut links = Links::default();
        let touched: BTreeSet<&RelPath> =
            self.differences.iter().flat_map(|one| one.from.iter().chain([&one.path])).collect();
        let kept = self.entries.iter().filter(|entry| !touched.contains(&entry.path));
        copy(&self.base, &mut writer, kept, &mut budget, &mut links)?;
        for difference in &self.differences {
            write(&mut writer, &mut budget, difference)?;
        }
        make_links(&mut writer, &links)?;
        let place = root.path().clone();
        let failed = |source| fault(source, "cannot keep the changed tree", place.display());
        sync(&root).map_err(failed)?;
        let published = directory.publish().map_err(failed)?;
        DirTree::owned(published)
    }
}

fn write(writer: &mut TreeWriter, budget: &mut Budget, difference: &Difference) -> Result<()> {
    let Difference { path, after, .. } = difference;
    let Some(content) = after else { return Ok(()) };
    budget.charge(content.bytes.len() as u64)?;
    let failed = |source| fault(source, "cannot write the file", path);
    let mut file = writer.file(path, content.executable).map_err(failed)?;
    file.write_all(&content.bytes).map_err(failed)?;
    // What was copied can be copied again; what is new is on disk before the tree has its name.
    file.sync_data().map_err(failed)
}

fn sync(root: &Beneath) -> std::io::Result<()> {
    File::open(root.path())?.sync_all()
}
