//! The [in-toto statement](https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md),
//! version 1: which artifacts, and what is claimed of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::error::VerifyError;
use crate::{
    error::{Error, Result},
    id::{Digest, GitOid},
};

/// The `_type` of every statement.
pub const STATEMENT: &str = "https://in-toto.io/Statement/v1";

/// A claim about artifacts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    predicate_type: String,
    predicate: Value,
}

/// One artifact a statement is about. Only its digests count; the name is for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// What people call it. Always written: some verifiers refuse a subject without a name.
    #[serde(default)]
    pub name: String,
    /// Its digests.
    pub digest: DigestSet,
}

/// Digests of one thing by algorithm, in lower-case hexadecimal digits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DigestSet(pub BTreeMap<String, String>);

/// A thing a predicate refers to
/// ([resource descriptor](https://github.com/in-toto/attestation/blob/main/spec/v1/resource_descriptor.md)).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Resource {
    /// What people call it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Where or what it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uri: String,
    /// Its digests.
    #[serde(skip_serializing_if = "DigestSet::is_empty")]
    pub digest: DigestSet,
    /// Its content, in base 64, when it is small.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub content: String,
    /// Where it can be had, if not at `uri`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub download_location: String,
    /// What it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// Anything else.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, Value>,
}

/// A predicate that has a type of its own here.
pub trait Predicate: Serialize + DeserializeOwned {
    /// Its `predicateType`.
    const TYPE: &'static str;

    /// What its specification forbids and its Rust type does not.
    fn flaw(&self) -> Option<&'static str> {
        None
    }
}

impl Statement {
    /// A statement about `subjects`.
    ///
    /// # Errors
    /// `Invalid` if there is no subject, a digest is missing or malformed, or the predicate is empty
    /// or has no JSON form: what [`verify`](super::verify()) would refuse is not made.
    pub fn new(
        subjects: impl IntoIterator<Item = Subject>,
        predicate_type: impl Into<String>,
        predicate: &impl Serialize,
    ) -> Result<Self> {
        let predicate = serde_json::to_value(predicate)
            .map_err(|source| Error::invalid("the predicate has no JSON form").source(source))?;
        let statement = Self {
            kind: STATEMENT.to_owned(),
            subject: subjects.into_iter().collect(),
            predicate_type: predicate_type.into(),
            predicate,
        };
        statement.check().map_err(|flaw| {
            Error::invalid("not a statement").context("reason", &flaw).source(flaw)
        })?;
        Ok(statement)
    }

    /// A statement with a predicate of a known type.
    ///
    /// # Errors
    /// As [`Statement::new`].
    pub fn of<P: Predicate>(
        subjects: impl IntoIterator<Item = Subject>,
        predicate: &P,
    ) -> Result<Self> {
        Self::new(subjects, P::TYPE, predicate)
    }

    /// What it is about.
    pub fn subjects(&self) -> &[Subject] {
        &self.subject
    }

    /// What kind of claim it makes.
    pub fn predicate_type(&self) -> &str {
        &self.predicate_type
    }

    /// The claim.
    pub const fn predicate(&self) -> &Value {
        &self.predicate
    }

    /// Whether it is about the artifact with that digest.
    pub fn is_about(&self, artifact: &Digest) -> bool {
        let hex = artifact.hex();
        self.subject.iter().any(|subject| subject.digest.0.get("sha256") == Some(&hex))
    }

    /// The bytes that are signed and stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        // It was JSON before it was a statement.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// What in-toto demands of every statement, whatever it claims.
    pub(super) fn check(&self) -> Result<(), VerifyError> {
        if self.kind != STATEMENT {
            return Err(VerifyError::StatementType { found: self.kind.clone() });
        }
        if self.predicate_type.is_empty() {
            return Err(VerifyError::PredicateType { found: String::new() });
        }
        if self.subject.is_empty() {
            return Err(VerifyError::NoSubject);
        }
        self.subject.iter().try_for_each(Subject::check)?;
        match &self.predicate {
            Value::Object(members) if !members.is_empty() => Ok(()),
            _ => Err(VerifyError::EmptyPredicate),
        }
    }
}

impl Subject {
    /// The artifact with that SHA-256.
    pub fn new(name: impl Into<String>, digest: Digest) -> Self {
        Self { name: name.into(), digest: digest.into() }
    }

    fn check(&self) -> Result<(), VerifyError> {
        if self.digest.is_empty() {
            return Err(VerifyError::SubjectWithoutDigest { name: self.name.clone() });
        }
        match self.digest.flaw() {
            None => Ok(()),
            Some(algorithm) => Err(VerifyError::BadDigest {
                name: self.name.clone(),
                algorithm: algorithm.to_owned(),
            }),
        }
    }
}

impl DigestSet {
    /// The name of a Git commit.
    pub fn git_commit(commit: &GitOid) -> Self {
        Self(BTreeMap::from([("gitCommit".to_owned(), commit.to_string())]))
    }

    /// Whether it holds no digest.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The algorithm whose digest is not what it yields: lower-case hexadecimal digits of its
    /// length. Algorithms nobody here knows only have to say something.
    fn flaw(&self) -> Option<&str> {
        let malformed = |(algorithm, digest): &(&String, &String)| {
            let lengths: &[usize] = match algorithm.as_str() {
                "sha256" => &[64],
                "sha384" => &[96],
                "sha512" => &[128],
                "sha1" => &[40],
                "gitCommit" | "gitTree" | "gitBlob" | "gitTag" => &[40, 64],
                _ => return digest.is_empty(),
            };
            let hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            !lengths.contains(&digest.len()) || !digest.bytes().all(hexadecimal)
        };
        self.0.iter().find(malformed).map(|(algorithm, _)| algorithm.as_str())
    }
}

impl From<Digest> for DigestSet {
    fn from(digest: Digest) -> Self {
        Self(BTreeMap::from([("sha256".to_owned(), digest.hex())]))
    }
}

impl Resource {
    /// A thing with a name, an address and a SHA-256.
    pub fn new(name: impl Into<String>, uri: impl Into<String>, digest: Digest) -> Self {
        Self { name: name.into(), uri: uri.into(), digest: digest.into(), ..Self::default() }
    }
}
