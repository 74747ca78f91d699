//! [SLSA provenance](https://slsa.dev/spec/v1.1/provenance), version 1: what went into a job, who
//! ran it, and what it left behind.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    parameters,
    statement::{DigestSet, Predicate, Resource, Statement, Subject},
};
use crate::{error::Result, id::Digest, pipeline::JobRecord, time::Timestamp};

/// The `predicateType` of provenance.
pub const PROVENANCE: &str = "https://slsa.dev/provenance/v1";

/// The `buildType` of a job: how `externalParameters` are to be read.
///
/// They hold `goal`, `repo` and `change` (its kind, and what it came from), `constraints`,
/// `verifyCommands`, `deployments` and `publish`, all as submitted, with every value that may be a
/// secret replaced by `[redacted]`. `internalParameters` hold the job's generation and the version
/// of the pipeline's rules. `byproducts` hold the plan, the patch, each piece of evidence by the
/// digest of its canonical JSON, and each stored artifact by the digest of its bytes.
pub const BUILD_TYPE: &str = "https://github.com/matrix-architect/matrix-architect/change@v1";

/// How the subjects came to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Provenance {
    /// What was asked for.
    pub build_definition: BuildDefinition,
    /// How it was done.
    pub run_details: RunDetails,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BuildDefinition {
    /// How the parameters are to be read; [`BUILD_TYPE`] for jobs.
    pub build_type: String,
    /// What the requester decided.
    pub external_parameters: BTreeMap<String, Value>,
    /// What the installation decided.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub internal_parameters: BTreeMap<String, Value>,
    /// What was taken from elsewhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resolved_dependencies: Vec<Resource>,
}

/// How it was done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunDetails {
    /// Who did it.
    pub builder: Builder,
    /// When.
    #[serde(default)]
    pub metadata: BuildMetadata,
    /// What it left beside the subjects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub byproducts: Vec<Resource>,
}

/// Who ran a job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Builder {
    /// The URI of the installation whose word this is.
    pub id: String,
    /// The versions of what it is made of.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub version: BTreeMap<String, String>,
    /// What the builder itself was made from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub builder_dependencies: Vec<Resource>,
}

/// Which run it was, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct BuildMetadata {
    /// The run: `tenant/job` for jobs.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub invocation_id: String,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_on: Option<Timestamp>,
    /// When it was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_on: Option<Timestamp>,
}

impl Predicate for Provenance {
    const TYPE: &'static str = PROVENANCE;

    fn flaw(&self) -> Option<&'static str> {
        if self.build_definition.build_type.is_empty() {
            return Some("buildType is empty");
        }
        self.run_details.builder.id.is_empty().then_some("builder.id is empty")
    }
}

impl Builder {
    /// A builder with the version of this crate.
    pub fn new(id: impl Into<String>) -> Self {
        let version = (env!("CARGO_PKG_NAME").to_owned(), env!("CARGO_PKG_VERSION").to_owned());
        Self { id: id.into(), version: [version].into(), builder_dependencies: Vec::new() }
    }
}

impl Provenance {
    /// The provenance of a job, as its record tells it.
    ///
    /// # Errors
    /// As [`canonical::digest`](crate::canonical::digest), for evidence that has no JSON form.
    pub fn of(record: &JobRecord, builder: Builder, finished: Timestamp) -> Result<Self> {
        let job = &record.job;
        Ok(Self {
            build_definition: BuildDefinition {
                build_type: BUILD_TYPE.to_owned(),
                external_parameters: parameters::external(&record.spec),
                internal_parameters: BTreeMap::from([
                    ("generation".to_owned(), json!(record.state.generation)),
                    ("rules".to_owned(), json!(record.state.rules)),
                ]),
                resolved_dependencies: dependencies(record),
            },
            run_details: RunDetails {
                builder,
                metadata: BuildMetadata {
                    invocation_id: job.reference().to_string(),
                    started_on: job.started_at,
                    finished_on: Some(finished),
                },
                byproducts: byproducts(record)?,
            },
        })
    }

    /// The statement that `subjects` came to be like this.
    ///
    /// # Errors
    /// As [`Statement::new`].
    pub fn statement(&self, subjects: impl IntoIterator<Item = Subject>) -> Result<Statement> {
        Statement::of(subjects, self)
    }
}

/// The base: as Git names it, and as the packed tree that was really used.
fn dependencies(record: &JobRecord) -> Vec<Resource> {
    let Some(base) = &record.job.base else { return Vec::new() };
    let commit = base.commit.as_ref().map(|commit| Resource {
        name: "base".to_owned(),
        uri: parameters::without_credentials(&record.spec.repo.uri()),
        digest: DigestSet::git_commit(commit),
        ..Resource::default()
    });
    let tree = Resource::new("base-tree", format!("artifact:{}", base.tree), base.tree);
    commit.into_iter().chain([tree]).collect()
}

fn byproducts(record: &JobRecord) -> Result<Vec<Resource>> {
    let refs = &record.state.refs;
    let named = [
        ("plan", refs.plan_hash),
        ("patch", refs.patch_hash),
        ("evidence-set", refs.evidence),
        ("verification-summary", refs.summary),
    ];
    let hash = |(name, digest): (&str, Option<Digest>)| {
        digest.map(|digest| Resource {
            name: name.to_owned(),
            digest: digest.into(),
            ..Resource::default()
        })
    };
    let mut all: Vec<Resource> = named.into_iter().filter_map(hash).collect();
    for evidence in &record.job.evidence {
        all.push(Resource {
            name: format!("evidence/{}", evidence.name),
            digest: evidence.digest()?.into(),
            annotations: BTreeMap::from([
                ("kind".to_owned(), json!(evidence.kind)),
                ("result".to_owned(), json!(evidence.result)),
                ("summary".to_owned(), json!(evidence.summary)),
            ]),
            ..Resource::default()
        });
    }
    all.extend(record.job.artifacts.iter().map(|artifact| Resource {
        media_type: artifact.content_type.clone(),
        ..Resource::new(artifact.name.as_str(), artifact.uri.as_str(), artifact.checksum)
    }));
    Ok(all)
}
