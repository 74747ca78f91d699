//! What an approval binds to.

use serde::Serialize;

use super::PolicyInfo;
use crate::{
    canonical,
    error::{Error, Result},
    id::{Digest, PrincipalId},
    job::JobConstraints,
    pipeline::JobRecord,
    release::{DeploymentConfig, PublishConfig},
    tenant::JobRef,
};

/// Everything a consent is to. Of any two that differ in one field, the digests differ.
#[derive(Serialize)]
struct Bound<'a> {
    job: JobRef,
    generation: u32,
    plan: Digest,
    patch: Digest,
    evidence: Digest,
    bundle: Digest,
    policy: &'a PolicyInfo,
    constraints: &'a JobConstraints,
    deployments: &'a [DeploymentConfig],
    publish: &'a [PublishConfig],
    requested_by: &'a PrincipalId,
}

/// The digest an approval binds to: what is released (plan, patch, evidence, bundle), by which
/// policy, under which constraints, where to, and for whom. Whoever agreed to one of them agreed to
/// nothing else, so a change of any of them asks anew.
///
/// # Errors
/// `Unexpected` if the job has not been verified yet.
pub fn binding(record: &JobRecord, policy: &PolicyInfo) -> Result<Digest> {
    let refs = &record.state.refs;
    let left = |digest: Option<Digest>| {
        digest.ok_or_else(|| {
            Error::unexpected("nothing to agree to: the job has not been verified")
                .context("job", record.job.reference())
        })
    };
    canonical::digest(&Bound {
        job: record.job.reference(),
        generation: record.state.generation,
        plan: left(refs.plan_hash)?,
        patch: left(refs.patch_hash)?,
        evidence: left(refs.evidence)?,
        bundle: left(refs.bundle)?,
        policy,
        constraints: &record.spec.constraints,
        deployments: &record.spec.deployments,
        publish: &record.spec.publish,
        requested_by: &record.job.requested_by,
    })
}
