//! `architect verify`: check an attestation against its key and its artifacts, offline.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use clap::Args;
use matrix_architect_core::{
    attest::{self, Expectations, TrustedKey, VerifiedStatement, VerifyError},
    error::{Error, Result},
    id::Digest,
};
use serde_json::json;

use super::{context::Context, exit::Exit};
use crate::output::table;

/// Bytes of the largest attestation that is read.
const LARGEST: u64 = 64 << 20;

/// Check an attestation offline: its signature, its form, and the artifacts it speaks of.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// A DSSE envelope or a Sigstore bundle
    #[arg(value_name = "ATTESTATION")]
    attestation: PathBuf,
    /// Public key it must be signed with, in PEM
    #[arg(long, value_name = "PUB.pem")]
    key: PathBuf,
    /// File it must speak of; may be given several times
    #[arg(long, value_name = "FILE")]
    artifact: Vec<PathBuf>,
}

impl Verify {
    pub(super) fn run(&self, context: &Context) -> Result<Exit> {
        let stored = read(&self.attestation)?;
        let pem = String::from_utf8(read(&self.key)?).map_err(|_| {
            Error::invalid("the key is not text").context("path", self.key.display())
        })?;
        let key = TrustedKey::from_pem(&pem)
            .map_err(|error| error.context("path", self.key.display()))?;
        let mut wanted = Expectations::of(key);
        for path in &self.artifact {
            wanted = wanted.subject(digest(path)?);
        }
        match attest::verify(&stored, &wanted) {
            Ok(verified) => self.accepted(context, &verified),
            Err(cause) => refused(context, &self.attestation, &cause),
        }
    }

    fn accepted(&self, context: &Context, verified: &VerifiedStatement) -> Result<Exit> {
        let statement = verified.statement();
        if context.screen.is_json() {
            context.screen.json(&json!({
                "accepted": true,
                "keys": verified.keys(),
                "compared": self.artifact,
                "statement": statement,
            }))?;
            return Ok(Exit::Done);
        }
        let mut page = format!(
            "{}  {}\nsigned by  {}\n{}",
            context.screen.paint("accepted", "32;1"),
            statement.predicate_type(),
            verified.keys().join(", "),
            self.compared()
        );
        let mut subjects = table(&["about", "digest"]);
        for subject in statement.subjects() {
            for (algorithm, hex) in &subject.digest.0 {
                subjects.add_row([subject.name.clone(), format!("{algorithm}:{hex}")]);
            }
        }
        page.push_str(&subjects.trim_fmt());
        context.screen.say(&page);
        Ok(Exit::Done)
    }

    /// Which files it was held against. A signature alone says nothing about any.
    fn compared(&self) -> String {
        if self.artifact.is_empty() {
            return "compared   no artifact: whether any is as attested is not known; give --artifact FILE\n"
                .to_owned();
        }
        let lines = self.artifact.iter().map(|path| format!("compared   {}", path.display()));
        lines.collect::<Vec<_>>().join("\n") + "\n"
    }
}

/// A refusal is the answer and no failure of the command; it ends with 1 so that scripts stop.
fn refused(context: &Context, path: &Path, cause: &VerifyError) -> Result<Exit> {
    if context.screen.is_json() {
        context.screen.json(&json!({ "accepted": false, "reason": cause.to_string() }))?;
    } else {
        let word = context.screen.paint("refused", "31;1");
        context.screen.warn(&format!("{word}  {}: {cause}", path.display()));
    }
    Ok(Exit::Error)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST).read_to_end(&mut bytes));
    read.map_err(|cause| unreadable(path, cause))?;
    Ok(bytes)
}

/// The digest of a file of any size.
fn digest(path: &Path) -> Result<Digest> {
    let mut file = File::open(path).map_err(|cause| unreadable(path, cause))?;
    let mut hasher = Digest::hasher();
    let mut piece = vec![0; 1 << 16];
    loop {
        match file.read(&mut piece).map_err(|cause| unreadable(path, cause))? {
            0 => return Ok(hasher.finish()),
            length => hasher.update(&piece[..length]),
        }
    }
}

fn unreadable(path: &Path, cause: std::io::Error) -> Error {
    Error::invalid("the file cannot be read")
        .context("path", path.display())
        .advice("check the path and its permissions")
        .source(cause)
}
