//! This machine.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{FileExt as _, symlink},
    path::Path,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use matrix_architect_core::{
    error::{Error, Result},
    id::Digest,
    tenant::JobRef,
    traits::{Cancel, Fence},
};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::{
    client::{Bundle, Held, Host},
    environment::Variables,
    history::{self, Entry},
    layout::Place,
    lock,
    manifest::Manifest,
    process::{self, Ran, Run},
    slot::{Slot, SlotState, State},
    stopped, unpack,
};
use crate::disk::{self, blocking, failed};

/// This machine.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LocalHost;

impl Held for lock::Held {}

#[async_trait]
impl Host for LocalHost {
    async fn lock(&self, place: &Place, fence: Fence, wait: Duration) -> Result<Box<dyn Held>> {
        let place = place.clone();
        blocking(move || {
            disk::make(place.directory())?;
            let held = lock::acquire(&place.lock(), fence, wait)?;
            // Nobody else is here: whatever is under way was broken off.
            disk::remove(&place.staging())?;
            disk::remove(&place.next())?;
            Ok(Box::new(held) as Box<dyn Held>)
        })
        .await
    }

    async fn state(&self, place: &Place) -> Result<State> {
        let place = place.clone();
        blocking(move || read_state(&place)).await
    }

    async fn is_intact(&self, place: &Place, version: &str) -> Result<bool> {
        let (manifest, release) = (place.manifest(version), place.release(version));
        blocking(move || {
            Ok(Manifest::load(&manifest)?.is_some_and(|manifest| manifest.matches(&release)))
        })
        .await
    }

    async fn stage(&self, place: &Place, bundle: Bundle<'_>) -> Result<()> {
        let Bundle { version, digest, content, cancel } = bundle;
        disk::make(&place.staging())?;
        let outcome = stage(place, version, digest, content, cancel).await;
        let staging = place.staging();
        blocking(move || disk::remove(&staging)).await.and(outcome)
    }

    async fn prepare(&self, place: &Place, slot: &Slot, variables: &Variables) -> Result<()> {
        let (place, slot, environment) = (place.clone(), slot.clone(), variables.to_file());
        blocking(move || {
            let written = write_slot(&place, &slot, environment.expose());
            if written.is_err() {
                disk::remove(&place.slot(slot.number))?;
            }
            written
        })
        .await
    }

    async fn variables(&self, place: &Place, number: u64) -> Result<Option<Variables>> {
        let path = place.environment(number);
        blocking(move || {
            let text = disk::read(&path)?.and_then(|bytes| String::from_utf8(bytes).ok());
            Ok(text.and_then(|text| Variables::from_file(&text)))
        })
        .await
    }

    async fn pivot(&self, place: &Place, to: Option<u64>) -> Result<()> {
        let place = place.clone();
        blocking(move || pivot(&place, to)).await
    }

    async fn mark(&self, place: &Place, number: u64, state: SlotState) -> Result<()> {
        let path = place.slot(number).join("state");
        blocking(move || {
            let written = OpenOptions::new().write(true).open(&path).and_then(|file| {
                file.write_all_at(state.as_bytes(), 0)?;
                file.sync_all()
            });
            written.map_err(|e| failed(e, "the deployment's state could not be written", &path))
        })
        .await
    }

    async fn share(&self, place: &Place, number: u64, jobs: BTreeSet<JobRef>) -> Result<()> {
        let path = place.jobs(number);
        blocking(move || {
            let bytes = serde_json::to_vec(&jobs).map_err(|e| {
                failed(e.into(), "the deployment's jobs could not be written", &path)
            })?;
            disk::replace(&path, &bytes, 0o600)
        })
        .await
    }

    async fn record(&self, place: &Place, entry: Entry) -> Result<()> {
        let path = place.history();
        blocking(move || history::append(&path, &entry)).await
    }

    async fn prune(&self, place: &Place, kept: Vec<u64>) -> Result<()> {
        let place = place.clone();
        blocking(move || prune(&place, &kept)).await
    }

    async fn read(&self, path: &Path) -> Result<Option<Bytes>> {
        const CAP: u64 = 16 << 20;
        let path = path.to_owned();
        blocking(move || {
            let tail = File::open(&path).and_then(|mut file| {
                let length = file.metadata()?.len();
                file.seek(SeekFrom::Start(length.saturating_sub(CAP)))?;
                let mut bytes = Vec::new();
                file.take(CAP).read_to_end(&mut bytes)?;
                Ok(bytes)
            });
            match tail {
                Ok(bytes) => Ok(Some(bytes.into())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(failed(error, "the file could not be read", &path)),
            }
        })
        .await
    }

    async fn write(&self, path: &Path, content: Vec<u8>) -> Result<()> {
        let path = path.to_owned();
        blocking(move || {
            disk::make(path.parent().unwrap_or(&path))?;
            disk::replace(&path, &content, 0o644)
        })
        .await
    }

    async fn remove(&self, path: &Path) -> Result<()> {
        let path = path.to_owned();
        blocking(move || disk::remove(&path)).await
    }

    async fn run(&self, run: Run) -> Result<Ran> {
        process::run(&run).await
    }
}

fn read_state(place: &Place) -> Result<State> {
    let (mut slots, mut jobs) = (Vec::new(), BTreeMap::new());
    for name in disk::names(&place.slots())? {
        let folder = place.slots().join(&name);
        let slot = disk::read(&folder.join("slot.json"))?
            .and_then(|bytes| serde_json::from_slice::<Slot>(&bytes).ok());
        let state = disk::read(&folder.join("state"))?.and_then(|b| SlotState::from_bytes(&b));
        // A deployment that was never fully written down was never live.
        if let (Some(slot), Some(state)) = (slot, state) {
            jobs.extend(read_jobs(place, slot.number)?.map(|jobs| (slot.number, jobs)));
            slots.push((slot, state));
        }
    }
    slots.sort_by_key(|(slot, _)| slot.number);
    let live = fs::read_link(place.live()).ok();
    let live = live.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
    let live = live.and_then(|name| name.parse().ok());
    if let Some(number) = live
        && !slots.iter().any(|(slot, _)| slot.number == number)
    {
        return Err(Error::unexpected("the live deployment's own record is gone")
            .code("damaged_target")
            .context("path", place.slot(number).display())
            .advice("restore slots/ from a backup, or remove the 'live' link to begin anew"));
    }
    Ok(State { slots, live, last: history::last_number(&place.history())?, jobs })
}

/// For which jobs a deployment is live, if that was ever said. What cannot be read must not pass
/// for nobody: a release could be taken away from those who rely on it.
fn read_jobs(place: &Place, number: u64) -> Result<Option<BTreeSet<JobRef>>> {
    let path = place.jobs(number);
    let Some(bytes) = disk::read(&path)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|source| {
        Error::unexpected("a deployment's jobs cannot be read")
            .code("damaged_target")
            .context("path", path.display())
            .advice("remove the file if only the job in slot.json beside it needs the release")
            .source(source)
    })
}

fn write_slot(place: &Place, slot: &Slot, environment: &[u8]) -> Result<()> {
    let folder = place.slot(slot.number);
    disk::remove(&folder)?;
    disk::make(&folder)?;
    let link = Path::new("../../releases").join(&slot.version);
    let release = folder.join("release");
    symlink(link, &release).map_err(|e| failed(e, "the link could not be made", &release))?;
    disk::create(&place.environment(slot.number), environment, 0o600)?;
    disk::create(&place.output(slot.number), b"", 0o640)?;
    let record = serde_json::to_vec_pretty(slot)
        .map_err(|e| failed(e.into(), "the deployment could not be written", &folder))?;
    disk::create(&folder.join("slot.json"), &record, 0o600)?;
    disk::create(&folder.join("state"), SlotState::Intended.as_bytes(), 0o600)?;
    disk::sync(&folder)?;
    disk::sync(&place.slots())
}

/// One rename decides. The link that was live stays beside it until all is over, so that the way
/// back needs no space on the disk.
fn pivot(place: &Place, to: Option<u64>) -> Result<()> {
    let Some(number) = to else {
        disk::remove(&place.live())?;
        disk::remove(&place.current())?;
        return disk::sync(place.directory());
    };
    let (live, next) = (place.live(), place.next());
    let wanted = Path::new("slots").join(number.to_string());
    if fs::read_link(&next).ok().as_deref() != Some(&wanted) {
        disk::remove(&next)?;
        symlink(&wanted, &next).map_err(|e| failed(e, "the link could not be made", &next))?;
    }
    if place.current().symlink_metadata().is_err() {
        symlink("live/release", place.current())
            .map_err(|e| failed(e, "the link could not be made", &place.current()))?;
    }
    let flags =
        if live.symlink_metadata().is_ok() { RenameFlags::EXCHANGE } else { RenameFlags::empty() };
    renameat_with(CWD, &next, CWD, &live, flags)
        .map_err(|e| failed(e.into(), "the release could not be switched", &live))?;
    disk::sync(place.directory())
}

fn prune(place: &Place, kept: &[u64]) -> Result<()> {
    disk::remove(&place.next())?;
    let state = read_state(place)?;
    let stays = |number: u64| kept.contains(&number) || state.live == Some(number);
    for name in disk::names(&place.slots())? {
        if !name.parse().is_ok_and(stays) {
            disk::remove(&place.slots().join(name))?;
        }
    }
    let versions: Vec<&str> = state
        .slots
        .iter()
        .filter(|(slot, _)| stays(slot.number))
        .map(|(slot, _)| slot.version.as_str())
        .collect();
    for name in disk::names(&place.releases())? {
        if !versions.contains(&name.as_str()) {
            disk::remove(&place.manifest(&name))?;
            disk::remove(&place.release(&name))?;
        }
    }
    for folder in [place.slots(), place.releases(), place.manifests(), place.staging()] {
        // Only an empty one goes.
        let _ = fs::remove_dir(folder);
    }
    Ok(())
}

/// Takes the bundle in, unpacks it, and exchanges it for what is there.
async fn stage(
    place: &Place,
    version: &str,
    digest: &Digest,
    mut content: matrix_architect_core::traits::ByteStream,
    cancel: &Cancel,
) -> Result<()> {
    let archive = place.staging().join(format!("{version}.tar"));
    let mut file = File::create_new(&archive)
        .map_err(|e| failed(e, "the bundle could not be stored", &archive))?;
    let mut hasher = Digest::hasher();
    while let Some(piece) = content.next().await {
        if cancel.is_cancelled() {
            return Err(stopped());
        }
        let piece = piece?;
        hasher.update(&piece);
        file.write_all(&piece)
            .map_err(|e| failed(e, "the bundle could not be stored", &archive))?;
    }
    if hasher.finish() != *digest {
        return Err(Error::unexpected("the bundle is not what the gate let through")
            .code("damaged_artifact")
            .context("digest", *digest));
    }
    let (place, version, cancel) = (place.clone(), version.to_owned(), cancel.clone());
    blocking(move || install(&place, &version, &archive, &cancel)).await
}

fn install(place: &Place, version: &str, archive: &Path, cancel: &Cancel) -> Result<()> {
    let staged = place.staging().join(version);
    disk::make(&staged)?;
    let file =
        File::open(archive).map_err(|e| failed(e, "the bundle could not be read", archive))?;
    let manifest =
        unpack::unpack(io::BufReader::new(file), &staged, unpack::Caps::DEFAULT, cancel)?;
    disk::sync_all(&staged)?;
    for folder in [place.releases(), place.manifests()] {
        disk::make(&folder)?;
    }
    manifest.store(&place.manifest(version))?;
    let release = place.release(version);
    let flags = if release.symlink_metadata().is_ok() {
        RenameFlags::EXCHANGE
    } else {
        RenameFlags::NOREPLACE
    };
    renameat_with(CWD, &staged, CWD, &release, flags)
        .map_err(|e| failed(e.into(), "the release could not be put in place", &release))?;
    disk::sync(&place.releases())
}
