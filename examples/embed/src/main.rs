//! The SDK in a program of its own: one change to a small project, from plan to signed statement.
#![expect(clippy::print_stdout, reason = "a program says what it found")]

use std::{fs, io::Read as _, sync::Arc};

use matrix_architect_core::attest::{Ed25519Signer, Expectations, TrustedKey, verify};
use matrix_architect_core::id::{PrincipalId, TenantId, WorkerId};
use matrix_architect_core::policy::{RulePolicy, Rules};
use matrix_architect_core::principal::{Principal, Role};
use matrix_architect_core::traits::{Cancel, Signer as _};
use matrix_architect_core::{engine::Engine, job::JobSpec};
use matrix_architect_sandbox::native::{NativeConfig, NativeSandbox};
use matrix_architect_sandbox::verify::{SuiteVerifier, VerifyConfig};
use matrix_architect_sandbox::workspace::{GitWorkspace, WorkspaceConfig};
use matrix_architect_store::system::{SystemClock, SystemIds};
use matrix_architect_store::{memory, secrets::ChainedSecrets};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::temp_dir().join(format!("embed-{}", std::process::id()));
    fs::create_dir_all(folder.join("project"))?;
    fs::write(folder.join("project/greeting.txt"), "hello\n")?;
    let mut seed = [0; 32];
    fs::File::open("/dev/urandom")?.read_exact(&mut seed)?;
    let signer = Arc::new(Ed25519Signer::from_seed(seed));
    let stores = memory::open(Arc::new(SystemClock));
    let engine = Engine::builder()
        .store(stores.store)
        .queue(stores.queue)
        .logs(stores.logs)
        .locks(stores.locks)
        .artifacts(stores.artifacts)
        .secrets(Arc::new(ChainedSecrets::new()))
        .sandbox(Arc::new(NativeSandbox::new(NativeConfig::default())?))
        .workspace(Arc::new(GitWorkspace::open(WorkspaceConfig::new(folder.join("work")))?))
        .verifier(Arc::new(SuiteVerifier::new(VerifyConfig::default(), Arc::new(SystemIds))?))
        .policy(Arc::new(RulePolicy::new(Rules::default())?))
        .signer(Arc::<Ed25519Signer>::clone(&signer))
        .clock(Arc::new(SystemClock))
        .ids(Arc::new(SystemIds))
        .builder_id("https://example.org/embed")
        .build()?;
    let change: JobSpec = serde_json::from_value(serde_json::json!({
        "repo": { "kind": "local", "path": folder.join("project") }, "goal": "greet the world",
        "change": { "diff": "--- a/greeting.txt\n+++ b/greeting.txt\n@@ -1 +1 @@\n-hello\n+hi, world\n" },
        "verify_commands": ["grep -q world greeting.txt"], "constraints": { "require_tests": false }
    }))?;
    let me = Principal::new(PrincipalId::new("me")?, TenantId::default(), Role::Operator);
    let job = engine.submit(&me, change).await?.reference();
    let job = engine.worker(WorkerId::new("embed")?).drive(&job, &Cancel::new()).await?;
    for one in &job.evidence {
        println!("{:<20} {:?}: {}", one.name, one.result, one.summary);
    }
    let attestation = job.attestation.ok_or(job.error.unwrap_or_default())?;
    let key = TrustedKey::of(&signer.key())?;
    let proven = verify(&attestation.envelope.to_bytes(), &Expectations::of(key))?;
    println!("{:?}: {}", job.status, proven.statement().predicate_type());
    Ok(fs::remove_dir_all(folder)?)
}
