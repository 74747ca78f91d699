//! GATE: the policy decides, people agree where it asks for them, and the word is signed.

use super::{GateOutcome, StageContext};
use crate::{
    artifact::ArtifactKind,
    attest::{ReleaseClaim, Summary, TrustedKey, admit, sign},
    engine::scratch,
    error::{Error, ErrorKind, Result},
    event::{ApprovalRequest, Grant, StageOutput},
    evidence,
    id::{ApprovalId, Digest},
    patch::Patch,
    pipeline::{ApprovalState, JobRecord},
    policy::{self, Decision, PolicyGate, PolicyInput, Verdict},
    release::GatedRelease,
    traits::LogSink as _,
};

/// The media type of a stored envelope.
pub(super) const ENVELOPE: &str = "application/vnd.dsse.envelope.v1+json";

pub(crate) async fn run(cx: &StageContext<'_>) -> Result<GateOutcome> {
    let record = cx.writer.record().await;
    let verdict = judge(cx, &record).await?;
    for reason in &verdict.reasons {
        cx.log.line(reason);
    }
    if verdict.decision == Decision::Deny {
        return Err(Error::new(ErrorKind::Denied, verdict.reasons.join("; "))
            .code("policy_denied")
            .advice("change what the reasons name and submit it again"));
    }
    let asked = match verdict.decision {
        Decision::RequireApproval => verdict.approvals.max(1),
        Decision::Allow | Decision::Deny => 0,
    };
    let required = asked.max(record.spec.constraints.min_approvals);
    let binding = policy::binding(&record, &cx.parts.policy.info())?;
    let mut gate = word(&verdict, required > 0);
    let standing = record.state.approval.as_ref().filter(|a| stands(a, &binding, required));
    if required > 0 && standing.is_none() {
        return Ok(GateOutcome::Ask(question(cx, &record, gate, (binding, required))));
    }
    if let Some(approval) = standing {
        gate.approval_id = Some(approval.request.id.clone());
    }
    let grants: Vec<Grant> =
        standing.into_iter().flat_map(|a| &a.grants).map(|(grant, _)| grant.clone()).collect();
    let summary = sign_summary(cx, &claim(&record, binding)?, &grants).await?;
    cx.log.line(&format!("let through at risk {}", gate.risk));
    gate.allowed = true;
    Ok(GateOutcome::Through(StageOutput::Gate { gate: Box::new(gate), binding, summary }))
}

/// The release that the stored summary lets through: verified again, right before it is used.
pub(crate) async fn admitted(cx: &StageContext<'_>, record: &JobRecord) -> Result<GatedRelease> {
    let missing = || Error::new(ErrorKind::Denied, "the gate has not let this change through");
    let summary = record.state.refs.summary.ok_or_else(missing)?;
    let binding = record.state.refs.binding.ok_or_else(missing)?;
    let stored = scratch::read(cx.parts, cx.writer, &summary).await?;
    let key = TrustedKey::of(&cx.parts.signer.key())?.speaks_for(cx.parts.builder_id.as_str());
    Ok(admit(&stored, &key, &claim(record, binding)?)?)
}

async fn judge(cx: &StageContext<'_>, record: &JobRecord) -> Result<Verdict> {
    let refs = &record.state.refs;
    let evidence = &record.job.evidence;
    if refs.evidence != Some(evidence::set_digest(evidence)?) {
        return Err(Error::unexpected("the evidence is not what VERIFY let pass"));
    }
    let plan = record.job.plan.as_ref().ok_or_else(|| Error::unexpected("PLAN left no plan"))?;
    let stored = refs.patch.ok_or_else(|| Error::unexpected("PATCH left no patch"))?;
    let bytes = scratch::read(cx.parts, cx.writer, &stored).await?;
    let patch: Patch = serde_json::from_slice(&bytes)
        .map_err(|source| Error::unexpected("the stored patch cannot be read").source(source))?;
    let spec = &record.spec;
    let input = PolicyInput::new(
        plan,
        &patch,
        evidence,
        &spec.constraints,
        &spec.deployments,
        &record.job.requested_by,
    );
    Ok(cx.parts.policy.judge(&input))
}

/// Whether an earlier consent is to just this, and by enough.
fn stands(approval: &ApprovalState, binding: &Digest, required: u32) -> bool {
    let enough = u32::try_from(approval.grants.len()).is_ok_and(|count| count >= required);
    approval.request.binding == *binding && approval.is_granted() && enough
}

fn word(verdict: &Verdict, asks: bool) -> PolicyGate {
    PolicyGate {
        allowed: false,
        risk: verdict.risk.level,
        reasons: verdict.reasons.clone(),
        requires_guardian_approval: asks,
        approval_id: None,
        approved_by: None,
        approved_at: None,
        score: Some(verdict.risk.clone()),
    }
}

fn question(
    cx: &StageContext<'_>,
    record: &JobRecord,
    mut gate: PolicyGate,
    (binding, required): (Digest, u32),
) -> ApprovalRequest {
    let id = ApprovalId::from_number(cx.parts.ids.next());
    gate.approval_id = Some(id.clone());
    let timeout = std::time::Duration::from_secs(record.spec.constraints.approval_timeout);
    cx.log.line(&format!("waiting for {required} approval(s) at risk {}", gate.risk));
    ApprovalRequest {
        id,
        binding,
        generation: record.state.generation,
        required,
        expires_at: cx.parts.clock.now() + timeout,
        gate: Box::new(gate),
    }
}

fn claim(record: &JobRecord, binding: Digest) -> Result<ReleaseClaim> {
    let refs = &record.state.refs;
    let left = |digest: Option<Digest>| {
        digest.ok_or_else(|| Error::unexpected("an earlier stage left nothing"))
    };
    Ok(ReleaseClaim {
        job: record.job.reference(),
        generation: record.state.generation,
        bundle: left(refs.bundle)?,
        plan_hash: left(refs.plan_hash)?,
        patch_hash: left(refs.patch_hash)?,
        evidence: left(refs.evidence)?,
        binding,
    })
}

async fn sign_summary(
    cx: &StageContext<'_>,
    claim: &ReleaseClaim,
    grants: &[Grant],
) -> Result<Digest> {
    let (parts, now) = (cx.parts, cx.parts.clock.now());
    let builder = parts.builder_id.as_str();
    let summary = Summary::passed(claim, builder, &parts.policy.info(), grants, now)?;
    let envelope = sign(parts.signer.as_ref(), &summary.statement(claim)?).await?;
    let bytes = envelope.to_bytes();
    let stored = cx.store(ArtifactKind::Attestation, "summary", ENVELOPE, &bytes).await?;
    Ok(cx.note(stored).await)
}
