//! From the gate's signed word to a release that may be deployed. There is no other way to one.

use super::{
    error::VerifyError,
    expect::Expectations,
    summary::{ReleaseClaim, SUMMARY, Summary},
    trust::TrustedKey,
    verify::{VerifiedStatement, verify},
};
use crate::release::{GatedRelease, ReleaseParts};

/// Verifies a stored verification summary under the gate's key and lets the release through if it
/// says `PASSED` about exactly this claim.
///
/// # Errors
/// The [`VerifyError`] that names what does not hold. It turns into an [`Error`](crate::Error) of
/// kind `Denied`.
pub fn admit(
    stored: &[u8],
    gate: &TrustedKey,
    claim: &ReleaseClaim,
) -> Result<GatedRelease, VerifyError> {
    let wanted = Expectations::of(gate.clone()).predicate_type(SUMMARY).subject(claim.bundle);
    let verified = verify(stored, &wanted)?;
    let summary: Summary = verified.predicate()?;
    if !summary.is_passed() {
        return Err(VerifyError::GateFailed);
    }
    compare(&verified, &summary, claim)?;
    Ok(GatedRelease::admit(ReleaseParts {
        job: claim.job.clone(),
        generation: claim.generation,
        bundle: claim.bundle,
        plan_hash: claim.plan_hash,
        patch_hash: claim.patch_hash,
        summary: *verified.stored(),
    }))
}

fn compare(
    verified: &VerifiedStatement,
    summary: &Summary,
    claim: &ReleaseClaim,
) -> Result<(), VerifyError> {
    let differs = |what| Err(VerifyError::ClaimMismatch { what });
    if summary.resource_uri != claim.resource_uri() {
        return differs("job or generation");
    }
    if verified.statement().subjects().len() != 1 {
        return differs("set of artifacts");
    }
    for (what, digest) in claim.grounds() {
        let urn = claim.urn(what);
        let mut under = summary.input_attestations.iter().filter(|input| input.uri == urn);
        // A second digest under the same name would leave open which of them the gate meant.
        let is_it = under.next().is_some_and(|input| input.digest == (*digest).into());
        if !is_it || under.next().is_some() {
            return differs(what);
        }
    }
    Ok(())
}
