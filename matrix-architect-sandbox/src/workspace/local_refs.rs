//! Reads a local repository's HEAD and branches from its files, which saves three processes.
//!
//! Only what is plain is answered here (gitrepository-layout(5)): tags, other reference stores and
//! anything odd are left to git.

use std::io::Read as _;

use matrix_architect_core::{id::GitOid, path::RelPath};

use super::{
    beneath::Beneath,
    refs::{Target, Wanted},
    source::LocalRepository,
};

/// No reference is longer, and `packed-refs` of a very large repository is not larger.
const CAP: u64 = 16 << 20;

/// The commit that is wanted, if plain files say it.
pub(super) fn read(local: &LocalRepository, wanted: &Wanted) -> Option<Target> {
    let common = Beneath::open(local.objects.parent()?.to_owned()).ok()?;
    if common.folder("reftable").is_ok() {
        return None;
    }
    let packed = file(&common, "packed-refs").unwrap_or_default();
    match wanted {
        Wanted::Head => {
            let own = Beneath::open(local.folder.clone()).ok()?;
            let head = file(&own, "HEAD")?;
            match head.trim_end().strip_prefix("ref: refs/heads/") {
                Some(branch) => target(&common, &packed, branch),
                None => Some(Target { commit: GitOid::new(head.trim_end()).ok()?, branch: None }),
            }
        }
        Wanted::Name(name) => {
            // A name that could also be another reference is git's to tell apart.
            let others = [format!("refs/tags/{name}"), format!("refs/remotes/{name}")];
            let plain = !name.starts_with("refs/")
                && others.iter().all(|other| commit(&common, &packed, other).is_none());
            if plain { target(&common, &packed, name) } else { None }
        }
        Wanted::Commit(_) => None,
    }
}

fn target(common: &Beneath, packed: &str, branch: &str) -> Option<Target> {
    let commit = commit(common, packed, &format!("refs/heads/{branch}"))?;
    Some(Target { commit, branch: Some(branch.to_owned()) })
}

/// A loose reference counts before a packed one.
fn commit(common: &Beneath, packed: &str, name: &str) -> Option<GitOid> {
    match file(common, name) {
        Some(loose) => GitOid::new(loose.trim_end()).ok(),
        None => packed.lines().find_map(|line| {
            let (oid, packed_name) = line.split_once(' ')?;
            if packed_name == name { GitOid::new(oid).ok() } else { None }
        }),
    }
}

fn file(folder: &Beneath, path: &str) -> Option<String> {
    let file = folder.file(&RelPath::new(path).ok()?).ok()?;
    let mut text = String::new();
    file.take(CAP).read_to_string(&mut text).ok()?;
    Some(text)
}
