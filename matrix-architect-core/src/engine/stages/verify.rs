//! VERIFY: the changed tree is checked, and what will be deployed is packed.

use super::{StageContext, TAR};
use crate::{
    artifact::ArtifactKind,
    engine::sink::JobSink,
    error::{Error, Result},
    event::StageOutput,
    evidence::{self, CheckResult, Evidence},
    traits::{Body, ByteStream, VerifyContext},
};

pub(crate) async fn run(cx: &StageContext<'_>) -> Result<StageOutput> {
    let record = cx.writer.record().await;
    let refs = &record.state.refs;
    let plan = record.job.plan.as_ref().ok_or_else(|| Error::unexpected("PLAN left no plan"))?;
    let base = cx.scratch.tree(cx.parts, cx.writer, refs.base_tree).await?;
    let tree = cx.scratch.tree(cx.parts, cx.writer, refs.patched_tree).await?;
    let sink = JobSink::new(cx.parts, cx.writer, cx.log, cx.seen);
    let context = VerifyContext::new(
        (&cx.writer.job, cx.writer.fence),
        (base.as_ref(), tree.as_ref()),
        plan,
        &record.spec.verify_commands,
        &record.spec.constraints,
        cx.parts.sandbox.as_ref(),
        cx.parts.clock.as_ref(),
        &sink,
        cx.cancel,
    );
    let outcome = cx.parts.verifier.verify(&context).await?;
    sink.finish().await?;
    cx.check()?;

    let evidence = cx.writer.job().await.evidence;
    if let Some(failed) = verdict(&evidence) {
        return Err(failed);
    }
    let bundle = Once::new(outcome.bundle);
    let bundle = cx.store(ArtifactKind::Bundle, "bundle", TAR, &bundle).await?;
    let bundle = cx.note(bundle).await;
    Ok(StageOutput::Verify { evidence: evidence::set_digest(&evidence)?, bundle })
}

/// The error that stops the job: the checks that were required and did not pass.
fn verdict(evidence: &[Evidence]) -> Option<Error> {
    if evidence.is_empty() {
        return Some(
            Error::invalid("nothing was checked")
                .code("nothing_checked")
                .advice("add a test suite, verify commands, or checks in .matrix/architect.toml"),
        );
    }
    let failed: Vec<&Evidence> = evidence.iter().filter(|e| e.required && !e.passed).collect();
    let first = failed.first()?;
    let decided = failed.iter().any(|check| check.result == CheckResult::Failed);
    let code = if decided { "verification_failed" } else { "verification_inconclusive" };
    let summary: Vec<String> =
        failed.iter().map(|check| format!("{}: {}", check.name, check.summary)).collect();
    let mut error = Error::invalid(summary.join("; ")).code(code);
    let finding = first.findings.iter().find(|finding| !finding.preexisting);
    if let Some(finding) = finding {
        let place = match (&finding.file, finding.line) {
            (Some(file), Some(line)) => format!("{} ({file}:{line})", finding.name),
            (Some(file), None) => format!("{} ({file})", finding.name),
            _ => finding.name.clone(),
        };
        error = error.context("location", place);
    }
    Some(
        error.advice(
            "look at the evidence and the log of VERIFY, correct the change, submit it again",
        ),
    )
}

/// A stream as a body. It can be read once: a store that needs it twice says so, and the stage is
/// tried again.
#[derive(Debug)]
struct Once(std::sync::Mutex<Option<ByteStream>>);

impl Once {
    fn new(stream: ByteStream) -> Self {
        Self(std::sync::Mutex::new(Some(stream)))
    }
}

impl Body for Once {
    fn open(&self) -> ByteStream {
        let taken = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        taken.unwrap_or_else(|| {
            let error = Error::new(crate::ErrorKind::Unavailable, "the bundle was read already");
            ByteStream::new(futures_util::stream::iter([Err(error)]))
        })
    }
}
