//! Publishing into a directory: one folder a release, complete or not there.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write as _,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use futures_util::StreamExt as _;
use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    id::Digest,
    job::Job,
    release::{GatedRelease, Publication},
    traits::{PublishCapabilities, PublishContext, PublishRequest, Publisher},
};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::go_on;
use crate::{
    disk::{self, blocking, failed},
    settings::{self, is_absolute, is_plain_name},
};

/// The registered name.
const DRIVER: &str = "directory";
/// The bundle's name in the folder of what is published.
pub const BUNDLE: &str = "bundle.tar";
const MANIFEST: &str = "MANIFEST.json";

/// The settings of the `directory` publisher.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DirectoryConfig {
    /// The publisher's registered name; `directory`.
    pub driver: String,
    /// The absolute path of the directory. Required.
    pub path: PathBuf,
    /// The folder in it; the job's id. Letters, digits, `.`, `_` and `-`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Publishes into `<path>/<name>/<version>/`: `bundle.tar`, `attestation.json`, `summary.json`,
/// `plan.json`, `evidence.json`, `key.pem` if a key was given, and `MANIFEST.json` with the digest
/// of each. `<path>/<name>/latest` leads to what was published last. Nothing is ever overwritten.
///
/// ```
/// use matrix_architect_core::traits::Publisher;
/// use matrix_architect_deploy::publish::DirectoryPublisher;
///
/// let publisher = DirectoryPublisher::new().within("/srv/releases");
/// assert_eq!(publisher.capabilities().driver, "directory");
/// ```
#[derive(Clone, Debug, Default)]
pub struct DirectoryPublisher {
    key: Option<String>,
    roots: Vec<PathBuf>,
}

impl DirectoryPublisher {
    /// A publisher into any directory a job names.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts the signer's public key, in PEM, beside what is published.
    #[must_use]
    pub fn public_key(mut self, pem: impl Into<String>) -> Self {
        self.key = Some(pem.into());
        self
    }

    /// Takes only paths in this folder, or in one of those named before.
    #[must_use]
    pub fn within(mut self, root: impl Into<PathBuf>) -> Self {
        self.roots.push(root.into());
        self
    }

    fn settings(&self, config: &BTreeMap<String, Value>) -> Result<DirectoryConfig> {
        let config: DirectoryConfig = settings::parse(DRIVER, config)?;
        if !is_absolute(&config.path) {
            return Err(settings::wrong(DRIVER, "path", "not an absolute path")
                .advice("give an absolute path without '..', such as /srv/releases"));
        }
        if !self.roots.is_empty() && !self.roots.iter().any(|root| config.path.starts_with(root)) {
            return Err(Error::new(ErrorKind::Denied, "the path is not one this worker may use")
                .context("field", "path")
                .context("path", config.path.display())
                .advice("choose a folder the operator allows, or ask the operator"));
        }
        config.name.as_deref().map_or(Ok(()), check_name)?;
        Ok(config)
    }

    /// All files but the bundle.
    fn documents(&self, request: &PublishRequest<'_>) -> Result<BTreeMap<&'static str, Vec<u8>>> {
        let mut files = BTreeMap::from([
            ("attestation.json", json(request.attestation)?),
            ("summary.json", json(request.summary)?),
            ("evidence.json", json(&request.job.evidence)?),
        ]);
        if let Some(plan) = &request.job.plan {
            files.insert("plan.json", json(plan)?);
        }
        if let Some(key) = &self.key {
            files.insert("key.pem", key.clone().into_bytes());
        }
        Ok(files)
    }
}

fn check_name(name: &str) -> Result<()> {
    if is_plain_name(name) && name != "latest" {
        return Ok(());
    }
    Err(settings::wrong(DRIVER, "name", "not a plain name"))
}

fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    let text = serde_json::to_vec_pretty(value);
    text.map_err(|source| Error::unexpected("a document has no JSON form").source(source))
}

/// Which files there are and what they hold. It has no time in it: publishing again is the same.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Manifest {
    job: String,
    version: String,
    files: BTreeMap<String, Digest>,
}

#[async_trait]
impl Publisher for DirectoryPublisher {
    fn capabilities(&self) -> PublishCapabilities {
        PublishCapabilities::new(DRIVER, true)
    }

    fn check(&self, config: &BTreeMap<String, Value>, _: Option<&Job>) -> Result<()> {
        self.settings(config).map(drop)
    }

    #[tracing::instrument(name = "publish.directory.publish", skip_all, fields(job = %cx.job))]
    async fn publish(
        &self,
        cx: &PublishContext<'_>,
        request: &PublishRequest<'_>,
    ) -> Result<Publication> {
        let DirectoryConfig { path, name, .. } = self.settings(request.config)?;
        let name = name.unwrap_or_else(|| request.job.id.to_string());
        check_name(&name)?;
        go_on(cx.cancel)?;
        let release = request.release;
        let folder = path.join(&name).join(release.version());
        let documents = self.documents(request)?;
        let manifest = manifest(cx, release, &documents);
        let publication = |changed| Publication {
            driver: DRIVER.to_owned(),
            uri: format!("file://{}", folder.display()),
            revision: release.bundle().to_string(),
            changed,
            at: cx.clock.now(),
        };
        let place = Place { root: path, folder: folder.clone() };
        if place.clone().finish(&manifest).await? {
            return Ok(publication(false));
        }
        let step = format!("publish {DRIVER}/{name} {}", release.version());
        cx.journal.intend(&step).await?;
        let job = format!("{}-{}", cx.job.id, cx.job.tenant);
        let staging = Staging { root: place.root.clone(), job };
        let staged = stage(cx, release, &staging, documents, &manifest).await;
        let published = match staged {
            Ok(()) => place.publish(staging.folder(), &manifest).await,
            Err(error) => Err(error),
        };
        blocking(move || staging.clear()).await?;
        published?;
        cx.journal.done(&step, *release.bundle()).await?;
        cx.log.line(&format!("published in {}", folder.display()));
        Ok(publication(true))
    }
}

fn manifest(
    cx: &PublishContext<'_>,
    release: &GatedRelease,
    documents: &BTreeMap<&'static str, Vec<u8>>,
) -> Manifest {
    let mut files: BTreeMap<String, Digest> =
        documents.iter().map(|(name, content)| ((*name).to_owned(), Digest::of(content))).collect();
    files.insert(BUNDLE.to_owned(), *release.bundle());
    Manifest { job: cx.job.to_string(), version: release.version().to_owned(), files }
}

/// Writes everything where nobody looks, durably.
async fn stage(
    cx: &PublishContext<'_>,
    release: &GatedRelease,
    staging: &Staging,
    documents: BTreeMap<&'static str, Vec<u8>>,
    manifest: &Manifest,
) -> Result<()> {
    let (begun, staging) = (staging.clone(), staging.folder());
    blocking(move || begun.begin()).await?;
    let bundle = staging.join(BUNDLE);
    let cannot = |e| failed(e, "the bundle could not be published", &bundle);
    let mut file = File::create_new(&bundle).map_err(cannot)?;
    let mut content = cx.artifacts.get(release.tenant(), release.bundle(), None).await?;
    let mut hasher = Digest::hasher();
    while let Some(piece) = content.next().await {
        go_on(cx.cancel)?;
        let piece = piece?;
        hasher.update(&piece);
        file.write_all(&piece).map_err(cannot)?;
    }
    if hasher.finish() != *release.bundle() {
        return Err(Error::unexpected("the bundle is not what the gate let through")
            .code("damaged_artifact")
            .context("digest", *release.bundle()));
    }
    let manifest = json(manifest)?;
    blocking(move || {
        for (name, content) in documents {
            disk::create(&staging.join(name), &content, 0o644)?;
        }
        disk::create(&staging.join(MANIFEST), &manifest, 0o644)?;
        disk::sync_all(&staging)
    })
    .await
}

/// Where a release is published. Whoever changes it has the directory to himself for that moment, for
/// there is one link to the latest.
#[derive(Clone, Debug)]
struct Place {
    root: PathBuf,
    folder: PathBuf,
}

impl Place {
    /// Whether just this is published already; its link to the latest then gets its name.
    async fn finish(self, wanted: &Manifest) -> Result<bool> {
        let wanted = json(wanted)?;
        blocking(move || {
            if self.folder.symlink_metadata().is_err() {
                return Ok(false);
            }
            let _held = disk::lock(&self.root)?;
            self.is_published(&wanted)?;
            finish_link(&self.folder)?;
            Ok(true)
        })
        .await
    }

    /// Puts what was staged in place, unless somebody else has put just that there meanwhile.
    async fn publish(self, staged: PathBuf, wanted: &Manifest) -> Result<()> {
        let wanted = json(wanted)?;
        blocking(move || {
            let _held = disk::lock(&self.root)?;
            if self.is_published(&wanted)? {
                return finish_link(&self.folder);
            }
            put_in_place(&staged, &self.folder)
        })
        .await
    }

    /// Whether just this is there; something else is an error.
    fn is_published(&self, wanted: &[u8]) -> Result<bool> {
        if self.folder.symlink_metadata().is_err() {
            return Ok(false);
        }
        if disk::read(&self.folder.join(MANIFEST))?.as_deref() == Some(wanted) {
            return Ok(true);
        }
        Err(Error::new(ErrorKind::Conflict, "something else is published there")
            .code("already_published")
            .context("path", self.folder.display())
            .advice("publish under another name; nothing is ever overwritten"))
    }
}

/// Where a job writes what it will publish.
#[derive(Clone, Debug)]
struct Staging {
    root: PathBuf,
    job: String,
}

impl Staging {
    fn folder(&self) -> PathBuf {
        self.root.join(STAGING).join(&self.job)
    }

    /// Makes the folder, without what a crash left in it.
    fn begin(&self) -> Result<()> {
        let _held = disk::lock(&self.root)?;
        disk::remove(&self.folder())?;
        disk::make(&self.folder())
    }

    /// Removes what is left.
    fn clear(&self) -> Result<()> {
        let _held = disk::lock(&self.root)?;
        disk::remove(&self.folder())?;
        // Only an empty one goes.
        let _ = fs::remove_dir(self.root.join(STAGING));
        Ok(())
    }
}

const STAGING: &str = ".staging";

/// One rename, which replaces nothing. The link to the latest is written under another name before,
/// so that whoever goes on after a crash finds that it still has to get its own.
fn put_in_place(staging: &Path, folder: &Path) -> Result<()> {
    let parent = folder.parent().unwrap_or(folder);
    disk::make(parent)?;
    let next = parent.join(NEXT);
    disk::remove(&next)?;
    symlink(folder.file_name().unwrap_or_default(), &next)
        .map_err(|e| failed(e, "the link to the latest could not be made", &next))?;
    disk::sync(parent)?;
    renameat_with(CWD, staging, CWD, folder, RenameFlags::NOREPLACE)
        .map_err(|e| failed(e.into(), "the publication could not be put in place", folder))?;
    disk::sync(parent)?;
    finish_link(folder)
}

/// The link to the latest before it has its name.
const NEXT: &str = ".latest.next";

/// Gives the link its name, if it waits for it and is to this folder. What somebody else published
/// meanwhile has replaced it.
fn finish_link(folder: &Path) -> Result<()> {
    let parent = folder.parent().unwrap_or(folder);
    let (next, latest) = (parent.join(NEXT), parent.join("latest"));
    if fs::read_link(&next).ok().as_deref() != folder.file_name().map(Path::new) {
        return Ok(());
    }
    fs::rename(&next, &latest)
        .map_err(|e| failed(e, "the link to the latest could not be made", &latest))?;
    disk::sync(parent)
}
