//! Secrets in a line.

use matrix_architect_core::id::Digest;

use super::formats::FORMATS;

/// A secret somebody wrote down. Its `Debug` does not show it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretMatch<'a> {
    /// The rule's name, such as `github-token`.
    pub rule: &'static str,
    /// What it is, for people.
    pub what: &'static str,
    text: &'a str,
}

impl SecretMatch<'_> {
    /// A name for the secret from which it cannot be told: the beginning of its SHA-256. The same
    /// secret has the same name in every file.
    pub fn fingerprint(&self) -> String {
        Digest::of(self.text).hex()[..16].to_owned()
    }
}

impl std::fmt::Debug for SecretMatch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretMatch({}, {})", self.rule, self.fingerprint())
    }
}

/// Every secret in a line, each once: of those that overlap, the one that begins first, and of
/// those the longest.
///
/// ```
/// use matrix_architect_sandbox::verify::scan::secrets;
///
/// let line = format!("token = \"ghp_{}\"", "Zk3Jq9Lw2Xc8Vb4Nm7Ty1Rp6Hd5Gf0Sa9QeU");
/// assert_eq!(secrets(&line)[0].rule, "github-token");
/// assert!(secrets("token = \"ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"").is_empty());
/// ```
pub fn secrets(line: &str) -> Vec<SecretMatch<'_>> {
    let mut found: Vec<(usize, usize, SecretMatch<'_>)> = Vec::new();
    for format in FORMATS {
        for (start, _) in line.match_indices(format.keyword()) {
            let end = format.end(line.as_bytes(), start);
            // A secret is ASCII, so its ends are boundaries of characters.
            if let Some(text) = end.and_then(|end| line.get(start..end)) {
                let secret = SecretMatch { rule: format.rule, what: format.what, text };
                found.push((start, start + text.len(), secret));
            }
        }
    }
    found.sort_by_key(|(start, end, _)| (*start, std::cmp::Reverse(*end)));
    let mut covered = 0;
    found.retain(|(start, end, _)| {
        let first = *start >= covered;
        covered = covered.max(*end);
        first
    });
    found.into_iter().map(|(.., secret)| secret).collect()
}
