//! The gate's word: a [SLSA verification summary](https://slsa.dev/spec/v1.1/verification_summary),
//! version 1.
//!
//! The predicate has no room of its own for what a gate decides about besides the artifact, and
//! readers refuse fields they do not know. So plan, patch, evidence, binding and approvals stand
//! among the `inputAttestations`, each under a URN that names job and generation.

use serde::{Deserialize, Serialize};

use super::statement::{DigestSet, Predicate, Statement, Subject};
use crate::{
    canonical, error::Result, event::Grant, id::Digest, policy::PolicyInfo, tenant::JobRef,
    time::Timestamp,
};

/// The `predicateType` of a verification summary.
pub const SUMMARY: &str = "https://slsa.dev/verification_summary/v1";

const SLSA_VERSION: &str = "1.1";

/// What the gate decided, by which policy, on which grounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Summary {
    /// Who decided.
    pub verifier: SummaryVerifier,
    /// When.
    pub time_verified: Timestamp,
    /// What it is about: `urn:matrix-architect:bundle:TENANT/JOB#GENERATION`.
    pub resource_uri: String,
    /// By which rules.
    pub policy: PolicyRef,
    /// On which grounds: the plan, the patch, the set of evidence, what approvals bind to, and each
    /// approval.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub input_attestations: Vec<SummaryInput>,
    /// Whether it may be released.
    pub verification_result: VerificationResult,
    /// What holds for it: `MATRIX_GATE_PASSED`, and `MATRIX_APPROVED` if somebody agreed; `FAILED`
    /// alone otherwise.
    pub verified_levels: Vec<String>,
    /// The version of the SLSA specification.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub slsa_version: String,
}

/// Who decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SummaryVerifier {
    /// The URI of the installation whose gate it is.
    pub id: String,
}

/// By which rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyRef {
    /// The policy's URI.
    pub uri: String,
    /// The digest of its rules.
    #[serde(default, skip_serializing_if = "DigestSet::is_empty")]
    pub digest: DigestSet,
}

/// One ground of the decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SummaryInput {
    /// What it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uri: String,
    /// Its content.
    pub digest: DigestSet,
}

/// Whether it may be released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum VerificationResult {
    /// It may.
    Passed,
    /// It may not.
    Failed,
}

/// What a gate decides about, all of it by digest. Two claims that differ in one field are two
/// different decisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseClaim {
    /// The job.
    pub job: JobRef,
    /// The generation of its plan.
    pub generation: u32,
    /// What will be deployed.
    pub bundle: Digest,
    /// The plan's hash.
    pub plan_hash: Digest,
    /// The patch's hash.
    pub patch_hash: Digest,
    /// The digest of the set of evidence.
    pub evidence: Digest,
    /// What approvals bind to: [`policy::binding`](crate::policy::binding).
    pub binding: Digest,
}

impl ReleaseClaim {
    /// The URN under which the summary speaks of the bundle.
    pub fn resource_uri(&self) -> String {
        self.urn("bundle")
    }

    pub(super) fn urn(&self, what: &str) -> String {
        format!("urn:matrix-architect:{what}:{}#{}", self.job, self.generation)
    }

    /// The grounds by name and digest.
    pub(super) const fn grounds(&self) -> [(&'static str, &Digest); 4] {
        [
            ("plan", &self.plan_hash),
            ("patch", &self.patch_hash),
            ("evidence", &self.evidence),
            ("binding", &self.binding),
        ]
    }
}

impl Predicate for Summary {
    const TYPE: &'static str = SUMMARY;

    fn flaw(&self) -> Option<&'static str> {
        let failed = self.verified_levels.iter().any(|level| level == "FAILED");
        let empty = |text: &String| text.is_empty();
        [
            (self.verifier.id.is_empty(), "verifier.id is empty"),
            (self.resource_uri.is_empty(), "resourceUri is empty"),
            (self.policy.uri.is_empty(), "policy.uri is empty"),
            (self.verified_levels.iter().any(empty), "a verified level is empty"),
            (self.verified_levels.is_empty(), "verifiedLevels is empty"),
            (failed && self.is_passed(), "it says both PASSED and FAILED"),
            (self.repeats_a_track(), "verifiedLevels has two levels of one SLSA track"),
            (
                self.input_attestations.iter().any(|input| input.digest.is_empty()),
                "an input attestation has no digest",
            ),
        ]
        .into_iter()
        .find_map(|(is_so, flaw)| is_so.then_some(flaw))
    }
}

impl Summary {
    /// The word that `claim` may be released, with everybody who agreed.
    ///
    /// # Errors
    /// As [`canonical::digest`].
    pub fn passed(
        claim: &ReleaseClaim,
        verifier: impl Into<String>,
        policy: &PolicyInfo,
        grants: &[Grant],
        at: Timestamp,
    ) -> Result<Self> {
        let mut levels = vec!["MATRIX_GATE_PASSED".to_owned()];
        if !grants.is_empty() {
            levels.push("MATRIX_APPROVED".to_owned());
        }
        let mut summary = Self::new(claim, verifier.into(), policy, at, levels);
        for grant in grants {
            summary.input_attestations.push(approval(claim, grant)?);
        }
        Ok(summary)
    }

    /// The word that `claim` may not be released.
    pub fn failed(
        claim: &ReleaseClaim,
        verifier: impl Into<String>,
        policy: &PolicyInfo,
        at: Timestamp,
    ) -> Self {
        let levels = vec!["FAILED".to_owned()];
        let summary = Self::new(claim, verifier.into(), policy, at, levels);
        Self { verification_result: VerificationResult::Failed, ..summary }
    }

    /// The statement that this holds for the claim's bundle.
    ///
    /// # Errors
    /// As [`Statement::new`].
    pub fn statement(&self, claim: &ReleaseClaim) -> Result<Statement> {
        Statement::of([Subject::new("bundle", claim.bundle)], self)
    }

    /// Whether it may be released.
    pub fn is_passed(&self) -> bool {
        self.verification_result == VerificationResult::Passed
    }

    fn new(
        claim: &ReleaseClaim,
        verifier: String,
        policy: &PolicyInfo,
        at: Timestamp,
        verified_levels: Vec<String>,
    ) -> Self {
        let ground = |(what, digest): (&str, &Digest)| SummaryInput {
            uri: claim.urn(what),
            digest: (*digest).into(),
        };
        Self {
            verifier: SummaryVerifier { id: verifier },
            time_verified: at,
            resource_uri: claim.resource_uri(),
            policy: PolicyRef { uri: policy.uri.clone(), digest: policy.digest.into() },
            input_attestations: claim.grounds().into_iter().map(ground).collect(),
            verification_result: VerificationResult::Passed,
            verified_levels,
            slsa_version: SLSA_VERSION.to_owned(),
        }
    }

    fn repeats_a_track(&self) -> bool {
        let track = |level: &String| {
            let (track, _) = level.strip_prefix("SLSA_")?.split_once("_LEVEL_")?;
            Some(track.to_owned())
        };
        let mut seen = std::collections::BTreeSet::new();
        self.verified_levels.iter().filter_map(track).any(|track| !seen.insert(track))
    }
}

fn approval(claim: &ReleaseClaim, grant: &Grant) -> Result<SummaryInput> {
    let (job, by, generation) = (&claim.job, &grant.by, grant.generation);
    Ok(SummaryInput {
        uri: format!("urn:matrix-architect:approval:{job}/{by}#{generation}"),
        digest: canonical::digest(grant)?.into(),
    })
}
