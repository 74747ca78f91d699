//! Decides where symbolic links lead before any of them exists.

use std::collections::BTreeMap;

use matrix_architect_core::{error::Result, path::RelPath};

use super::{fault::unsafe_path, names::refuse_git_folder};

/// The kernel's own bound (`path_resolution(7)`): beyond it a path is a loop and opens nothing.
const EXPANSIONS: usize = 40;

/// The symbolic links of a tree that is being written, by path.
#[derive(Debug, Default)]
pub(super) struct Links(BTreeMap<RelPath, String>);

impl Links {
    /// Takes a link.
    ///
    /// # Errors
    /// `Denied` with code `unsafe_path` if the target is absolute or no plain text.
    pub(super) fn insert(&mut self, path: RelPath, target: &[u8]) -> Result<()> {
        let legal = |text: &&str| {
            !text.is_empty() && !text.starts_with('/') && !text.chars().any(char::is_control)
        };
        let Some(target) = std::str::from_utf8(target).ok().filter(legal) else {
            return Err(outside(&path, &String::from_utf8_lossy(target)));
        };
        self.0.insert(path, target.to_owned());
        Ok(())
    }

    /// Refuses links that lead out of the tree or into Git's own folder, alone or through others.
    pub(super) fn check(&self) -> Result<()> {
        for (path, target) in &self.0 {
            self.follow(path, target)?;
        }
        Ok(())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&RelPath, &str)> {
        self.0.iter().map(|(path, target)| (path, target.as_str()))
    }

    /// Walks as the kernel would: `..` after a link is the parent of where the link led.
    fn follow(&self, path: &RelPath, target: &str) -> Result<()> {
        let mut at: Vec<String> = path.components().map(str::to_owned).collect();
        at.pop();
        let mut todo: Vec<String> = target.rsplit('/').map(str::to_owned).collect();
        let mut expansions = 0;
        while let Some(name) = todo.pop() {
            match name.as_str() {
                "" | "." => continue,
                ".." => {
                    at.pop().ok_or_else(|| outside(path, target))?;
                    continue;
                }
                _ => at.push(name),
            }
            let here = RelPath::new(at.join("/"))?;
            refuse_git_folder(&here)?;
            if let Some(next) = self.0.get(&here) {
                expansions += 1;
                if expansions > EXPANSIONS {
                    return Ok(());
                }
                at.pop();
                todo.extend(next.rsplit('/').map(str::to_owned));
            }
        }
        Ok(())
    }
}

fn outside(path: &RelPath, target: &str) -> matrix_architect_core::Error {
    unsafe_path("the symbolic link leads out of the tree", path)
        .context("target", target.escape_debug().take(200).collect::<String>())
        .advice("remove the link, or take a larger folder that holds its target")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(links: &[(&str, &str)]) -> Result<()> {
        let mut all = Links::default();
        for (path, target) in links {
            all.insert(RelPath::new(*path).unwrap(), target.as_bytes())?;
        }
        all.check()
    }

    #[test]
    fn links_within_the_tree_are_kept() {
        check(&[("a", "b"), ("d/e/f", "../../g"), ("x", "./y/../z"), ("dangling", "nowhere")])
            .unwrap();
    }

    #[test]
    fn a_loop_opens_nothing_and_is_kept() {
        check(&[("a", "b"), ("b", "a"), ("c", "c/d")]).unwrap();
    }

    #[test]
    fn links_out_of_the_tree_are_refused() {
        for link in [("a", ".."), ("d/e", "../../x"), ("a", "/etc/passwd"), ("a", "b/../../x")] {
            assert_eq!(check(&[link]).unwrap_err().code_str(), "unsafe_path", "{link:?}");
        }
    }

    #[test]
    fn a_link_that_leaves_only_through_another_is_refused() {
        // By its text `x` stays inside: d/e/up/../y is d/e/y. The kernel ends above the root.
        let links = [("d/e/up", "../.."), ("x", "d/e/up/../y")];
        assert_eq!(check(&links).unwrap_err().code_str(), "unsafe_path");
    }

    #[test]
    fn a_link_into_gits_folder_is_refused() {
        for target in [".git/config", ".GIT", "sub/../.git/hooks", "git~1/config"] {
            assert_eq!(check(&[("a", target)]).unwrap_err().code_str(), "unsafe_path", "{target}");
        }
    }
}
