//! Reading where a change is put: deployments, publishers and constraints.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use clap::Args;
use matrix_architect_core::{
    error::{Error, Result},
    job::JobConstraints,
    release::{DeploymentConfig, DeploymentTarget, PublishConfig},
    secret::SecretRef,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::change::is_url;

/// Where the change goes and what is demanded of it.
#[derive(Debug, Args)]
pub(super) struct TargetArgs {
    /// Deployment settings in TOML, or none; may be given several times
    #[arg(long, value_name = "FILE|none")]
    deploy: Vec<PathBuf>,
    /// Deploy to a releases directory with a current symlink
    #[arg(long, value_name = "DIR")]
    deploy_to: Option<PathBuf>,
    /// Name of what --deploy-to deploys
    #[arg(long, value_name = "NAME", default_value = "app", requires = "deploy_to")]
    service: String,
    /// Environment that --deploy-to deploys to
    #[arg(long, value_name = "NAME", default_value = "staging", requires = "deploy_to")]
    environment: String,
    /// Command that tells by its exit code whether the release of --deploy-to serves
    #[arg(long, value_name = "CMD", requires = "deploy_to")]
    health: Option<String>,
    /// Publish bundle, evidence and attestation into a directory
    #[arg(long, value_name = "DIR")]
    publish_to: Option<PathBuf>,
    /// Publish the changed tree as a branch of this repository; never forced
    #[arg(long, value_name = "PATH|URL")]
    publish_git: Option<String>,
    /// Secret that lets git push there, as `env://NAME` or `file:///PATH`, never itself
    #[arg(long, value_name = "SECRET", requires = "publish_git")]
    publish_credentials: Option<SecretRef>,
    /// Branch that --publish-git pushes
    #[arg(long, value_name = "NAME", requires = "publish_git")]
    publish_branch: Option<String>,
    /// Branch that must still stand where the change was made for [default: that of --ref]
    #[arg(long, value_name = "NAME", requires = "publish_git")]
    publish_base: Option<String>,
    /// Demand of the job, such as `require_tests=false`; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    constraint: Vec<String>,
}

/// A deployment file with several deployments.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Several {
    deployments: Vec<DeploymentConfig>,
}

impl TargetArgs {
    /// Where the change is deployed.
    ///
    /// # Errors
    /// `Invalid` if a file cannot be read or understood.
    pub(super) fn deployments(&self) -> Result<Vec<DeploymentConfig>> {
        let mut all = Vec::new();
        for path in &self.deploy {
            if path != Path::new("none") {
                all.extend(read_deployments(path)?);
            }
        }
        if let Some(root) = &self.deploy_to {
            all.push(self.local(root)?);
        }
        Ok(all)
    }

    fn local(&self, root: &Path) -> Result<DeploymentConfig> {
        let mut config = Map::from_iter([
            ("driver".to_owned(), json!("systemd")),
            ("service".to_owned(), json!(self.service)),
            ("root".to_owned(), json!(absolute(root)?)),
        ]);
        if let Some(command) = &self.health {
            let command = json!({ "command": ["sh", "-c", command] });
            config.insert("health".to_owned(), command);
        }
        Ok(DeploymentConfig {
            target: DeploymentTarget::Vm,
            environment: self.environment.clone(),
            namespace: None,
            config: config.into_iter().collect(),
        })
    }

    /// Where the change is published.
    ///
    /// # Errors
    /// `Invalid` if a path has no form.
    pub(super) fn publish(&self) -> Result<Vec<PublishConfig>> {
        let mut all = Vec::new();
        if let Some(path) = &self.publish_to {
            let config = json!({ "path": absolute(path)? });
            all.push(publisher("directory", config));
        }
        if let Some(repo) = &self.publish_git {
            let repo = if is_url(repo) { repo.clone() } else { absolute(Path::new(repo))? };
            let mut config = json!({ "repo": repo });
            if let Some(secret) = &self.publish_credentials {
                config["credentials"] = json!(secret);
            }
            for (key, value) in [("branch", &self.publish_branch), ("base", &self.publish_base)] {
                if let Some(value) = value {
                    config[key] = json!(value);
                }
            }
            all.push(publisher("git", config));
        }
        Ok(all)
    }

    /// What is demanded of the job.
    ///
    /// # Errors
    /// `Invalid`, naming the constraint that is unknown or has a value of another type.
    pub(super) fn constraints(&self) -> Result<JobConstraints> {
        let mut all = Map::new();
        for text in &self.constraint {
            let (key, value) = text.split_once('=').ok_or_else(|| {
                Error::invalid("a constraint has no value")
                    .context("constraint", text)
                    .advice("write it as KEY=VALUE, such as max_duration=600")
            })?;
            let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
            all.insert(key.to_owned(), value);
        }
        serde_json::from_value(Value::Object(all)).map_err(|cause| {
            Error::invalid(format!("a constraint is not legible: {cause}"))
                .context("constraint", self.constraint.join(" "))
        })
    }
}

fn publisher(driver: &str, config: Value) -> PublishConfig {
    let config = match config {
        Value::Object(members) => members.into_iter().collect(),
        _ => BTreeMap::new(),
    };
    PublishConfig { driver: driver.to_owned(), config }
}

fn read_deployments(path: &Path) -> Result<Vec<DeploymentConfig>> {
    let text = std::fs::read_to_string(path).map_err(|cause| {
        Error::invalid("the deployment file cannot be read")
            .context("path", path.display())
            .advice("give --deploy a TOML file, or none")
            .source(cause)
    })?;
    let refuse = |cause: toml::de::Error| {
        let cause = crate::home::one_line(&cause.to_string());
        Error::invalid(format!("the deployment file is not legible: {cause}"))
            .context("path", path.display())
    };
    // An untagged enum tells neither field nor line, so the form is decided by hand.
    let table: toml::Table = toml::from_str(&text).map_err(refuse)?;
    if table.contains_key("deployments") {
        let file: Several = toml::from_str(&text).map_err(refuse)?;
        return Ok(file.deployments);
    }
    Ok(vec![toml::from_str(&text).map_err(refuse)?])
}

/// A path that means the same to a worker in another directory.
fn absolute(path: &Path) -> Result<String> {
    let absolute = std::path::absolute(path).map_err(|cause| {
        Error::invalid("that is no path").context("path", path.display()).source(cause)
    })?;
    absolute
        .into_os_string()
        .into_string()
        .map_err(|_| Error::invalid("the path is not UTF-8").context("path", path.display()))
}
