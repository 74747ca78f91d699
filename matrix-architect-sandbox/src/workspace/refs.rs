//! Finds the commit that a branch, a tag or a commit's name stands for.

use matrix_architect_core::{Error, error::Result, id::GitOid};

/// A commit, and the branch that led to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) commit: GitOid,
    pub(super) branch: Option<String>,
}

/// A reference as the requester wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// What is checked out, or the server's default branch.
    Head,
    /// A whole commit name.
    Commit(GitOid),
    /// A branch, a tag or a full `refs/…` name.
    Name(String),
}

impl Wanted {
    /// Takes a reference, which git could take for an option, a pattern or an expression.
    pub(super) fn parse(reference: Option<&str>) -> Result<Self> {
        let Some(text) = reference.filter(|text| *text != "HEAD") else { return Ok(Self::Head) };
        if let Ok(commit) = GitOid::new(text.to_ascii_lowercase()) {
            return Ok(Self::Commit(commit));
        }
        if is_legal(text) {
            return Ok(Self::Name(text.to_owned()));
        }
        Err(Error::invalid("not the name of a branch, tag or commit")
            .context("ref", text.escape_debug().take(200).collect::<String>())
            .advice("name a branch, a tag or a whole commit"))
    }

    /// The arguments of `git ls-remote` after the URL.
    pub(super) fn patterns(&self) -> Vec<String> {
        match self {
            Self::Head => vec!["HEAD".to_owned()],
            Self::Commit(_) => Vec::new(),
            Self::Name(name) => {
                let all = candidates(name).into_iter();
                all.flat_map(|(name, _)| [format!("{name}^{{}}"), name]).collect()
            }
        }
    }
}

/// The rules of git-check-ref-format(1), and no leading dash.
fn is_legal(name: &str) -> bool {
    let forbidden = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    !name.is_empty()
        && name.len() <= 255
        && !name.contains(forbidden)
        && !name.contains("..")
        && !name.contains("@{")
        && !name.ends_with('.')
        && !name.starts_with('-')
        && name != "@"
        && name.split('/').all(|part| {
            let lock =
                part.len() >= 5 && part.as_bytes()[part.len() - 5..].eq_ignore_ascii_case(b".lock");
            !part.is_empty() && !part.starts_with('.') && !lock
        })
}

/// The full names a short one may stand for, each with its branch.
fn candidates(name: &str) -> Vec<(String, Option<String>)> {
    if name.starts_with("refs/") {
        let branch = name.strip_prefix("refs/heads/").map(str::to_owned);
        return vec![(name.to_owned(), branch)];
    }
    vec![
        (format!("refs/heads/{name}"), Some(name.to_owned())),
        (format!("refs/tags/{name}"), None),
        // What a clone remembers of its origin, as in `origin/main`.
        (format!("refs/remotes/{name}"), None),
    ]
}

/// What `git ls-remote --symref` printed.
#[derive(Debug, Default)]
pub(super) struct Advertised {
    refs: Vec<(String, GitOid)>,
    head: Option<String>,
}

impl Advertised {
    pub(super) fn parse(output: &[u8]) -> Self {
        let mut all = Self::default();
        for line in String::from_utf8_lossy(output).lines() {
            let Some((value, name)) = line.split_once('\t') else { continue };
            if let Some(target) = value.strip_prefix("ref: ") {
                if name == "HEAD" {
                    all.head = Some(target.to_owned());
                }
            } else if let Ok(oid) = GitOid::new(value) {
                all.refs.push((name.to_owned(), oid));
            }
        }
        all
    }

    fn find(&self, name: &str) -> Option<&GitOid> {
        // An annotated tag is followed by the commit it names.
        let peeled = format!("{name}^{{}}");
        let find = |wanted: &str| self.refs.iter().find(|(name, _)| name == wanted);
        find(&peeled).or_else(|| find(name)).map(|(_, oid)| oid)
    }

    /// The commit that is wanted.
    pub(super) fn resolve(&self, wanted: &Wanted) -> Result<Target> {
        match wanted {
            Wanted::Commit(commit) => Ok(Target { commit: commit.clone(), branch: None }),
            Wanted::Head => {
                let commit = self.find("HEAD").cloned().ok_or_else(empty)?;
                let branch = self.head.as_deref().and_then(|head| head.strip_prefix("refs/heads/"));
                Ok(Target { commit, branch: branch.map(str::to_owned) })
            }
            Wanted::Name(name) => self.named(name),
        }
    }

    fn named(&self, name: &str) -> Result<Target> {
        let mut found: Vec<Target> = candidates(name)
            .into_iter()
            .filter_map(|(full, branch)| {
                self.find(&full).map(|commit| Target { commit: commit.clone(), branch })
            })
            .collect();
        let different = found.iter().any(|target| target.commit != found[0].commit);
        if different {
            return Err(Error::invalid("both a branch and a tag have that name")
                .code("ambiguous_ref")
                .context("ref", name)
                .advice("write refs/heads/… or refs/tags/… before it"));
        }
        if found.is_empty() {
            return Err(no_such_ref(name));
        }
        Ok(found.swap_remove(0))
    }
}

pub(super) fn no_such_ref(name: &str) -> Error {
    Error::not_found("the repository has no such branch, tag or commit")
        .code("ref_not_found")
        .context("ref", name)
        .advice("check the spelling; a commit needs its whole name")
}

fn empty() -> Error {
    Error::not_found("the repository has no commit")
        .code("empty_repository")
        .advice("commit something first, or name a branch that has a commit")
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn resolve(output: &str, reference: Option<&str>) -> Result<Target> {
        Advertised::parse(output.as_bytes()).resolve(&Wanted::parse(reference)?)
    }

    fn target(commit: &str, branch: Option<&str>) -> Target {
        Target { commit: GitOid::new(commit).unwrap(), branch: branch.map(str::to_owned) }
    }

    #[test]
    fn head_names_its_branch_and_a_detached_one_names_none() {
        let on_branch = format!("ref: refs/heads/main\tHEAD\n{A}\tHEAD\n");
        assert_eq!(resolve(&on_branch, None).unwrap(), target(A, Some("main")));
        assert_eq!(resolve(&format!("{A}\tHEAD\n"), Some("HEAD")).unwrap(), target(A, None));
        assert_eq!(resolve("", None).unwrap_err().code_str(), "empty_repository");
    }

    #[test]
    fn a_tag_is_the_commit_it_was_put_on() {
        let output = format!("{A}\trefs/tags/v1\n{B}\trefs/tags/v1^{{}}\n");
        assert_eq!(resolve(&output, Some("v1")).unwrap(), target(B, None));
    }

    #[test]
    fn a_name_of_both_a_branch_and_a_tag_must_be_spelt_out() {
        let output = format!("{A}\trefs/heads/v1\n{B}\trefs/tags/v1\n");
        assert_eq!(resolve(&output, Some("v1")).unwrap_err().code_str(), "ambiguous_ref");
        assert_eq!(resolve(&output, Some("refs/heads/v1")).unwrap(), target(A, Some("v1")));
        assert_eq!(resolve(&output, Some("refs/tags/v1")).unwrap(), target(B, None));
    }

    #[test]
    fn references_that_git_would_take_for_something_else_are_refused() {
        for name in [
            "--upload-pack=evil",
            "-x",
            "a..b",
            "a b",
            "a^",
            "a~1",
            "a:b",
            "a*",
            "a?",
            "[a]",
            "a\\b",
            "a\n",
            "",
            "@",
            "a@{1}",
            ".a",
            "a/.b",
            "a.lock",
            "a//b",
            "a/",
            "/a",
            "a.",
        ] {
            assert!(Wanted::parse(Some(name)).is_err(), "{name:?}");
        }
    }
}
