//! Releases without a gate.

use crate::{
    id::Digest,
    release::{GatedRelease, ReleaseParts},
    tenant::JobRef,
};

/// A release of `bundle` as if the gate had let it through, for tests of deployers and publishers.
/// Outside of the `fake` feature only a verified summary makes one.
pub fn gated_release(job: &JobRef, bundle: Digest) -> GatedRelease {
    let named = |what: &str| Digest::of(format!("{what} of {job}"));
    GatedRelease::admit(ReleaseParts {
        job: job.clone(),
        generation: 1,
        bundle,
        plan_hash: named("plan"),
        patch_hash: named("patch"),
        summary: named("summary"),
    })
}
