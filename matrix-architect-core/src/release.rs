//! What is put where, and the proof that it may be.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    id::{Digest, TenantId},
    tenant::JobRef,
    time::Timestamp,
};

/// What kind of place a change is deployed to.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeploymentTarget {
    /// A Kubernetes cluster.
    Kubernetes,
    /// A compose project.
    DockerCompose,
    /// Functions or containers somebody else runs.
    Serverless,
    /// A machine with systemd.
    Vm,
    /// Nowhere: the job ends with a proven, published change.
    #[default]
    None,
    /// A target only the adapter named in `config.driver` knows.
    Custom,
}

impl DeploymentTarget {
    /// The driver when `config.driver` names none.
    pub const fn default_driver(self) -> &'static str {
        match self {
            Self::Kubernetes => "manifests",
            Self::DockerCompose => "compose",
            Self::Serverless => "lambda",
            Self::Vm => "systemd",
            Self::None | Self::Custom => "none",
        }
    }
}

/// Where and how a change is deployed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeploymentConfig {
    /// What kind of place.
    pub target: DeploymentTarget,
    /// Which environment, such as `staging` or `production`.
    #[serde(default = "staging")]
    pub environment: String,
    /// A subdivision the target knows, such as a Kubernetes namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The adapter's own settings; `driver` names the adapter and `service` the thing deployed.
    #[serde(default)]
    pub config: BTreeMap<String, Value>,
}

fn staging() -> String {
    "staging".to_owned()
}

impl Default for DeploymentConfig {
    fn default() -> Self {
        Self {
            target: DeploymentTarget::None,
            environment: staging(),
            namespace: None,
            config: BTreeMap::new(),
        }
    }
}

impl DeploymentConfig {
    /// The registered name of the adapter.
    pub fn driver(&self) -> &str {
        let named = self.config.get("driver").and_then(Value::as_str);
        named.unwrap_or_else(|| self.target.default_driver())
    }

    /// The name of the thing deployed; `app` if none is given.
    pub fn service(&self) -> &str {
        self.config.get("service").and_then(Value::as_str).unwrap_or("app")
    }

    /// The name of this target within a job: driver, environment and service.
    pub fn name(&self) -> String {
        format!("{}/{}/{}", self.driver(), self.environment, self.service())
    }
}

/// Where a change is published: the publisher's registered name and its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishConfig {
    /// The registered name of the publisher, such as `directory` or `git`.
    pub driver: String,
    /// The publisher's own settings.
    #[serde(default)]
    pub config: BTreeMap<String, Value>,
}

/// A release the gate has let through. It has no public constructor and no `Deserialize`: the only
/// way to one is a verified, signed verification summary
/// ([`attest::admit`](crate::attest::admit())), so a deployer cannot be called with anything else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatedRelease {
    job: JobRef,
    generation: u32,
    version: String,
    bundle: Digest,
    plan_hash: Digest,
    patch_hash: Digest,
    summary: Digest,
}

/// The parts of a [`GatedRelease`] before they are proven.
#[derive(Clone, Debug)]
pub(crate) struct ReleaseParts {
    pub(crate) job: JobRef,
    pub(crate) generation: u32,
    pub(crate) bundle: Digest,
    pub(crate) plan_hash: Digest,
    pub(crate) patch_hash: Digest,
    pub(crate) summary: Digest,
}

impl GatedRelease {
    /// Only the verifier of summaries and the fakes call this.
    pub(crate) fn admit(parts: ReleaseParts) -> Self {
        let ReleaseParts { job, generation, bundle, plan_hash, patch_hash, summary } = parts;
        let version = version_of(&bundle);
        Self { job, generation, version, bundle, plan_hash, patch_hash, summary }
    }

    /// The job.
    pub const fn job(&self) -> &JobRef {
        &self.job
    }

    /// The tenant.
    pub const fn tenant(&self) -> &TenantId {
        &self.job.tenant
    }

    /// The generation of the plan.
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// The release's version: the first sixteen digits of the bundle's digest.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The bundle: a tar archive in the artifact store.
    pub const fn bundle(&self) -> &Digest {
        &self.bundle
    }

    /// The plan's hash.
    pub const fn plan_hash(&self) -> &Digest {
        &self.plan_hash
    }

    /// The patch's hash.
    pub const fn patch_hash(&self) -> &Digest {
        &self.patch_hash
    }

    /// The signed verification summary that let it through, in the artifact store.
    pub const fn summary(&self) -> &Digest {
        &self.summary
    }
}

/// The version of a bundle. Content names it, so deploying the same bundle again is the same
/// release.
pub(crate) fn version_of(bundle: &Digest) -> String {
    bundle.hex()[..16].to_owned()
}

/// Which release of which service in which environment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReleaseRef {
    /// The adapter's registered name.
    pub driver: String,
    /// The environment.
    pub environment: String,
    /// The service.
    pub service: String,
    /// The version.
    pub version: String,
}

/// How a target protects itself from a deployer that lost its lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fencing {
    /// The target itself refuses an older token.
    Target,
    /// Only our lock stands between two deployers.
    #[default]
    LockOnly,
}

/// A release as the target has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// Which release.
    #[serde(flatten)]
    pub reference: ReleaseRef,
    /// The version that served before, to which a rollback returns; `None` for a first release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// Whether anything at the target changed; `false` when the version was live already.
    pub changed: bool,
    /// Where it can be reached or seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// How the target is fenced.
    #[serde(default)]
    pub fencing: Fencing,
    /// What the health check saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// When it went live.
    pub at: Timestamp,
}

/// Whether a release serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// It serves.
    Healthy,
    /// It does not, and will not by waiting.
    Unhealthy,
    /// Not yet known.
    Progressing,
    /// Nothing was asked to be checked.
    Unchecked,
}

/// What a health check saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Whether it serves.
    pub status: HealthStatus,
    /// The version that answered, if it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Why, for people.
    #[serde(default)]
    pub detail: String,
    /// When it was looked.
    pub at: Timestamp,
}

/// A change as a publisher made it public.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    /// The publisher's registered name.
    pub driver: String,
    /// Where it can be found.
    pub uri: String,
    /// The digest or commit that was published.
    pub revision: String,
    /// Whether this call changed anything; `false` when it was published already.
    pub changed: bool,
    /// When.
    pub at: Timestamp,
}
