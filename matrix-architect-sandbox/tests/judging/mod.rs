//! What the tests of verification share: the native sandbox, and one call to verify.

use std::{
    ffi::OsString,
    path::Path,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use matrix_architect_core::{
    error::Result,
    evidence::Evidence,
    fake::{CountingIds, FixedClock, MemoryEvidence, job_ref},
    job::JobConstraints,
    plan::Plan,
    traits::{Cancel, Fence, Sandbox, Verifier as _, VerifyContext},
};
use matrix_architect_sandbox::{
    native::{NativeConfig, NativeSandbox, detect_toolchains},
    verify::{SuiteVerifier, VerifyConfig},
    workspace::DirTree,
};

/// What the tests read of their environment.
#[expect(clippy::disallowed_methods, reason = "tests look for tools where their user has them")]
pub(crate) fn environment(name: &str) -> OsString {
    std::env::var(name).unwrap_or_default().into()
}

/// The native sandbox with the toolchains of whoever runs the tests.
pub(crate) fn native() -> Arc<dyn Sandbox> {
    static NATIVE: OnceLock<NativeSandbox> = OnceLock::new();
    let start = || {
        let toolchains = detect_toolchains(Path::new(&environment("HOME")), &environment("PATH"));
        NativeSandbox::new(NativeConfig::default().toolchains(toolchains)).unwrap()
    };
    Arc::new(NATIVE.get_or_init(start).clone())
}

/// A verification, as a test wants it.
pub(crate) struct Wish {
    pub(crate) config: VerifyConfig,
    pub(crate) sandbox: Arc<dyn Sandbox>,
    pub(crate) constraints: JobConstraints,
    pub(crate) plan: Plan,
    pub(crate) commands: Vec<String>,
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) sink: MemoryEvidence,
    pub(crate) bundle: Bytes,
}

impl Outcome {
    pub(crate) fn named(&self, name: &str) -> Evidence {
        let names: Vec<_> =
            self.sink.evidence().into_iter().map(|e| (e.name, e.result, e.summary)).collect();
        self.sink.named(name).unwrap_or_else(|| panic!("no {name} among {names:#?}"))
    }
}

impl Default for Wish {
    fn default() -> Self {
        let plan = Plan { steps: Vec::new(), ..Plan::default() };
        Self {
            config: VerifyConfig::default().allow_degraded(true),
            sandbox: native(),
            constraints: JobConstraints { require_tests: false, ..JobConstraints::default() },
            plan,
            commands: Vec::new(),
        }
    }
}

impl Wish {
    pub(crate) async fn verify(self, base: &Path, tree: &Path) -> Result<Outcome> {
        let verifier = SuiteVerifier::new(self.config, Arc::new(CountingIds::new()))?;
        let (base, tree) = (DirTree::open(base)?, DirTree::open(tree)?);
        let (job, clock, sink) = (job_ref(1), FixedClock::new(), MemoryEvidence::new());
        let cancel = Cancel::new();
        let cx = VerifyContext::new(
            (&job, Fence(1)),
            (&base, &tree),
            &self.plan,
            &self.commands,
            &self.constraints,
            &*self.sandbox,
            &clock,
            &sink,
            &cancel,
        );
        let bundle = verifier.verify(&cx).await?.bundle.collect(256 << 20).await?;
        Ok(Outcome { sink, bundle })
    }
}
