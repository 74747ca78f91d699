//! Which paths a tree has, in every spelling that some file system takes for the same.

use std::collections::HashMap;

use matrix_architect_core::path::RelPath;

use super::names::fold;

/// The files and folders of a tree by their folded path.
#[derive(Debug, Default)]
pub(super) struct Spellings(HashMap<String, Vec<Spelling>>);

#[derive(Debug)]
struct Spelling {
    path: String,
    /// How many files are at or below it.
    files: usize,
    is_folder: bool,
}

impl Spellings {
    pub(super) fn add(&mut self, path: &RelPath) {
        for (prefix, is_folder) in prefixes(path.as_str()) {
            let same = self.0.entry(folded(prefix)).or_default();
            match same.iter_mut().find(|spelling| spelling.path == prefix) {
                Some(spelling) => spelling.files += 1,
                None => {
                    same.push(Spelling { path: prefix.to_owned(), files: 1, is_folder });
                }
            }
        }
    }

    pub(super) fn remove(&mut self, path: &RelPath) {
        for (prefix, _) in prefixes(path.as_str()) {
            if let Some(same) = self.0.get_mut(&folded(prefix)) {
                for spelling in same.iter_mut().filter(|spelling| spelling.path == prefix) {
                    spelling.files -= 1;
                }
                same.retain(|spelling| spelling.files > 0);
            }
        }
    }

    pub(super) fn is_folder(&self, path: &RelPath) -> bool {
        let same = self.0.get(&folded(path.as_str()));
        same.is_some_and(|same| same.iter().any(|one| one.is_folder && one.path == path.as_str()))
    }

    /// A file or folder on the way to `path` that has the same fold in another spelling, unless
    /// the tree has the spelling of `path` already.
    pub(super) fn collision(&self, path: &RelPath) -> Option<&str> {
        prefixes(path.as_str()).find_map(|(prefix, _)| {
            let same = self.0.get(&folded(prefix))?;
            let known = same.iter().any(|one| one.path == prefix);
            if known { None } else { same.first().map(|one| one.path.as_str()) }
        })
    }
}

/// Each folder on the way to a path, and the path itself.
fn prefixes(path: &str) -> impl Iterator<Item = (&str, bool)> {
    let folders = path.match_indices('/').map(|(cut, _)| (&path[..cut], true));
    folders.chain([(path, false)])
}

fn folded(path: &str) -> String {
    if path.is_ascii() { path.to_ascii_lowercase() } else { fold(path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::new(text).unwrap()
    }

    #[test]
    fn a_new_spelling_of_a_known_path_collides() {
        let mut tree = Spellings::default();
        tree.add(&path("src/Café.rs"));
        assert_eq!(tree.collision(&path("SRC/x")), Some("src"));
        assert_eq!(tree.collision(&path("src/CAFE\u{301}.rs")), Some("src/Café.rs"));
        assert_eq!(tree.collision(&path("src/Café.rs")), None);
        assert_eq!(tree.collision(&path("src/other")), None);
        assert!(tree.is_folder(&path("src")));
        tree.remove(&path("src/Café.rs"));
        assert_eq!(tree.collision(&path("SRC/x")), None);
        assert!(!tree.is_folder(&path("src")));
    }
}
