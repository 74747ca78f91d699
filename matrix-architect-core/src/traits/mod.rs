//! The seams: what a backend promises. One file a trait; each trait's docs are its contract, and
//! each numbered promise is a case of the same name in `conformance`.

mod approver;
mod artifact_store;
mod body;
mod cancel;
mod clock;
mod deployer;
mod journal;
mod locks;
mod log_store;
mod message;
mod network;
mod planner;
mod policy;
mod publisher;
mod queue;
mod records;
mod sandbox;
mod secret_store;
mod service;
mod signer;
mod store;
mod tree;
mod verifier;
mod workspace;

pub use approver::{Answer, Approver};
pub use artifact_store::{ArtifactStore, ScrubReport};
pub use body::{Body, ByteStream};
pub use cancel::Cancel;
pub use clock::{Clock, Ids};
pub use deployer::{
    DeployCapabilities, DeployContext, DeployPlan, DeployRequest, Deployer, LogQuery, LogSink,
    PlannedChange, RollbackRequest, TrafficRouter,
};
pub use journal::Journal;
pub use locks::{LockKey, Locks};
pub use log_store::{LogId, LogPage, LogStore};
pub use message::Message;
pub use network::{
    AddressRange, AllowedHost, Connection, ConnectionOutcome, Egress, Network, PrivateHost,
};
pub use planner::{PlanRequest, Planner};
pub use policy::Policy;
pub use publisher::{PublishCapabilities, PublishContext, PublishRequest, Publisher};
pub use queue::{Lease, LeaseRequest, Queue, QueueStats, Renewal};
pub use records::{Record, RecordKey, Records};
pub use sandbox::{
    Bind, Collect, Command, Enforcement, Exit, ExitVerdict, LimitReport, Limits, Output,
    OutputStream, OutputSummary, Sandbox, SandboxCapabilities, Session, SessionSpec, Usage,
};
pub use secret_store::SecretStore;
pub use service::{Readiness, Service, ServiceState};
pub use signer::{KeyInfo, SignatureAlgorithm, Signer};
pub use store::{Candidate, Commit, Committed, Fence, JobPage, JobQuery, Operator, Store};
pub use tree::{EntryKind, Tree, TreeEntry};
pub use verifier::{CommandOutcome, EvidenceSink, Verifier, VerifyContext};
pub use workspace::{Applied, Checkout, CheckoutRequest, Workspace};
