//! What a session can write: one file system in memory with a size, kept mounted by a container
//! that only waits. It outlives the containers of the session's commands.

use std::{
    collections::{BTreeSet, HashMap},
    io::{self, Read, Write as _},
};

use bollard::{
    body_try_stream, models::VolumeCreateRequest, query_parameters::UploadToContainerOptionsBuilder,
};
use futures_util::{StreamExt as _, stream};
use matrix_architect_core::{
    error::{Error, Result},
    traits::{ByteStream, Tree},
};

use super::{
    config::{ContainerRuntime, DockerConfig},
    container::{Container, Streams, remove_volume},
    engine::Engine,
    fault::fault,
    local::{Local, Unreachable},
    maker::Maker,
    pulled::Pulled,
    shape::{self, ISOLATED, SPACE, WRITABLE},
    word::word,
};
use crate::workspace::{Pieces, written};

/// How long a tree may take to arrive: as long as it takes.
const UPLOAD: std::time::Duration = std::time::Duration::from_hours(1);

/// A session's writable space.
#[derive(Debug)]
pub(super) struct Space {
    pub(super) holder: Container,
    /// The holder ends with its input.
    _streams: Streams,
    volume: Volume,
    /// Where it is on the engine's machine.
    pub(super) place: String,
    pub(super) name: String,
    disk: u64,
    /// Whether the holder has a network that is nobody else's.
    pub(super) is_isolated: bool,
    /// The holder as a process of this machine, if it is one.
    pub(super) local: std::result::Result<Local, Unreachable>,
    runtime: ContainerRuntime,
}

impl Space {
    /// Makes an empty one of `disk` bytes.
    pub(super) async fn make(
        maker: &Maker,
        disk: u64,
        session: HashMap<String, String>,
    ) -> Result<Self> {
        let name = maker.labels.space();
        let mut labels = maker.labels.of(&name, "holder");
        labels.extend(session);
        let (volume, place) = Volume::create(maker, &name, disk, labels.clone()).await?;
        let body = shape::holder(&maker.config, &maker.image.id, &name, labels);
        let (holder, streams) = Container::start(&maker.engine, body).await?;
        let (runtime, local) = (maker.config.runtime, Err(Unreachable::OtherKernel));
        let is_isolated = false;
        let mut space = Self {
            holder,
            _streams: streams,
            volume,
            place,
            name,
            disk,
            is_isolated,
            local,
            runtime,
        };
        let user = User::of(&maker.config);
        let proof = word()?;
        let shown = proof.clone();
        let folders = written(move |pieces| {
            let folders = WRITABLE.map(|(name, _)| {
                (name.to_owned(), if matches!(name, "tmp" | "shm") { 0o1777 } else { 0o755 })
            });
            let mut archive = tar::Builder::new(pieces);
            user.folders(&mut archive, folders)
                .and_then(|()| user.file(&mut archive, "proof", &shown))
                .and_then(|()| finish(archive))
                .map_err(unwritten)
        });
        space.upload(maker, SPACE, folders).await?;
        space.look(&proof).await?;
        Ok(space)
    }

    /// Looks what network the holder has, and whether it is a process of this machine.
    async fn look(&mut self, proof: &str) -> Result<()> {
        let inspected = self.holder.inspect().await?;
        let mode = inspected.host_config.and_then(|host| host.network_mode);
        self.is_isolated = mode.as_deref() == Some(ISOLATED);
        if self.runtime == ContainerRuntime::Engine {
            let pid = inspected.state.and_then(|state| state.pid).unwrap_or(0);
            self.local = Local::certainly(pid, proof);
        }
        Ok(())
    }

    /// Whether its containers share the holder's network.
    pub(super) fn shares_network(&self) -> bool {
        self.runtime == ContainerRuntime::Engine
    }

    /// The network of its containers, as the engine takes it. All share the holder's but those of
    /// gVisor: each of its kernels has a loopback interface of its own.
    pub(super) fn network(&self) -> String {
        match self.runtime {
            ContainerRuntime::Engine => format!("container:{}", self.holder.id),
            ContainerRuntime::GVisor => ISOLATED.to_owned(),
        }
    }

    /// Unpacks a tree into it.
    pub(super) async fn fill(&self, maker: &Maker, tree: &dyn Tree) -> Result<()> {
        let user = User::of(&maker.config);
        let folders = folders_of(tree).await?;
        let mut packed = tar::Archive::new(Pulled::new(tree.pack().await?));
        let whole = written(move |pieces| {
            let mut archive = tar::Builder::new(pieces);
            let folders = folders.into_iter().map(|folder| (folder, 0o755));
            let copied = user.folders(&mut archive, folders);
            copied
                .and_then(|()| user.files(&mut archive, &mut packed))
                .and_then(|()| finish(archive))
                .map_err(unwritten)
        });
        self.upload(maker, &format!("{SPACE}/tree"), whole).await
    }

    async fn upload(&self, maker: &Maker, path: &str, mut archive: ByteStream) -> Result<()> {
        // An upload that breaks off says only that; why is kept here.
        let (told, why) = std::sync::mpsc::channel();
        let body = stream::poll_fn(move |cx| {
            archive.poll_next_unpin(cx).map(|piece| {
                piece.map(|piece| {
                    piece.map_err(|error| {
                        let _ = told.send(error);
                        std::io::Error::other("the tree could not be packed")
                    })
                })
            })
        });
        let options = UploadToContainerOptionsBuilder::default().path(path).build();
        let docker = maker.engine.docker.clone().with_timeout(UPLOAD);
        let body = body_try_stream(body);
        let answer = docker.upload_to_container(&self.holder.id, Some(options), body).await;
        let uploaded = answer.map_err(|cause| {
            if cause.to_string().contains("no space left on device") {
                return Error::invalid("the tree does not fit into the session")
                    .code("too_large")
                    .advice("raise the session's disk limit, or make the tree smaller")
                    .source(cause);
            }
            fault("files could not be put into a container", cause)
        });
        why.try_recv().map_or(uploaded, Err)
    }

    /// Whether it has this size, and where it can be seen from here, really has.
    pub(super) fn has(&self, disk: u64) -> bool {
        let pages = |bytes: u64| bytes.div_ceil(rustix::param::page_size() as u64);
        let seen = rustix::fs::statvfs(&self.place).ok();
        let size = seen.map_or(self.disk, |space| space.f_blocks * space.f_frsize);
        disk == self.disk && pages(size) == pages(disk)
    }

    /// Whether next to nothing more can be written, where that can be seen from here.
    pub(super) fn is_full(&self) -> bool {
        rustix::fs::statvfs(&self.place)
            .is_ok_and(|space| space.f_bavail * space.f_frsize < 64 << 10 || space.f_ffree < 4)
    }

    /// Removes it and waits until it is gone.
    pub(super) async fn end(self) -> Result<()> {
        self.holder.end().await?;
        self.volume.end().await
    }
}

/// A volume. It is removed when this is dropped, in the background, as soon as nothing uses it.
#[derive(Debug)]
struct Volume {
    engine: Engine,
    name: String,
}

impl Volume {
    /// Makes one, and says where it is on the engine's machine.
    async fn create(
        maker: &Maker,
        name: &str,
        disk: u64,
        labels: HashMap<String, String>,
    ) -> Result<(Self, String)> {
        let (user, group) = maker.config.user.split_once(':').unwrap_or_default();
        let inodes = inodes(disk);
        let options =
            format!("size={disk},nr_inodes={inodes},mode=0755,uid={user},gid={group},nosuid,nodev");
        let options = [("type", "tmpfs"), ("device", "tmpfs"), ("o", options.as_str())]
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        let request = VolumeCreateRequest {
            name: Some(name.to_owned()),
            driver: Some("local".to_owned()),
            driver_opts: Some(options.into()),
            labels: Some(labels),
            cluster_volume_spec: None,
        };
        let create = maker.engine.docker.create_volume(request);
        let made = maker.engine.ask("a volume could not be created", create).await?;
        Ok((Self { engine: maker.engine.clone(), name: made.name }, made.mountpoint))
    }

    async fn end(mut self) -> Result<()> {
        let name = std::mem::take(&mut self.name);
        let removed = remove_volume(&self.engine.docker, &name).await;
        removed.map_err(|cause| fault("a volume could not be removed", cause))
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let (docker, name) = (self.engine.docker.clone(), std::mem::take(&mut self.name));
        if name.is_empty() {
            return;
        }
        self.engine.later(async move {
            if let Err(cause) = remove_volume(&docker, &name).await {
                tracing::warn!(%cause, volume = name, "a volume could not be removed");
            }
        });
    }
}

/// One file per 4 KiB, but enough for small spaces and not so many that their kernel memory
/// becomes the larger part.
fn inodes(size: u64) -> u64 {
    (size / 4096).clamp(4096, 4 << 20)
}

/// The directories of a tree, those above others first. They are packed before its files, because
/// an engine makes those that are missing for root.
async fn folders_of(tree: &dyn Tree) -> Result<BTreeSet<String>> {
    let mut folders = BTreeSet::new();
    for entry in tree.list().await? {
        let mut path = entry.path.as_str();
        while let Some((folder, _)) = path.rsplit_once('/') {
            if !folders.insert(folder.to_owned()) {
                break;
            }
            path = folder;
        }
    }
    Ok(folders)
}

type Archive<'a> = tar::Builder<&'a mut Pieces>;

/// Whom the files of a space belong to.
#[derive(Clone, Copy, Debug)]
struct User {
    id: u64,
    group: u64,
}

impl User {
    fn of(config: &DockerConfig) -> Self {
        let (id, group) = config.user.split_once(':').unwrap_or_default();
        Self { id: id.parse().unwrap_or(NOBODY), group: group.parse().unwrap_or(NOBODY) }
    }

    fn folders(
        self,
        archive: &mut Archive<'_>,
        folders: impl IntoIterator<Item = (String, u32)>,
    ) -> io::Result<()> {
        folders.into_iter().try_for_each(|(path, mode)| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Directory);
            header.set_mode(mode);
            header.set_size(0);
            header.set_mtime(0);
            self.mark(&mut header);
            archive.append_data(&mut header, format!("{path}/"), io::empty())
        })
    }

    /// Copies an archive, header by header.
    fn files(
        self,
        archive: &mut Archive<'_>,
        packed: &mut tar::Archive<impl Read>,
    ) -> io::Result<()> {
        for entry in packed.entries()?.raw(true) {
            let entry = entry?;
            let mut header = entry.header().clone();
            self.mark(&mut header);
            header.set_cksum();
            archive.append(&header, entry)?;
        }
        Ok(())
    }

    fn file(self, archive: &mut Archive<'_>, path: &str, content: &str) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o444);
        header.set_size(content.len() as u64);
        header.set_mtime(0);
        self.mark(&mut header);
        archive.append_data(&mut header, path, content.as_bytes())
    }

    fn mark(self, header: &mut tar::Header) {
        header.set_uid(self.id);
        header.set_gid(self.group);
    }
}

const NOBODY: u64 = 65534;

fn finish(archive: Archive<'_>) -> io::Result<()> {
    archive.into_inner()?.flush()
}

/// What the tree itself said goes before what became of it.
fn unwritten(cause: io::Error) -> Error {
    match cause.downcast::<Error>() {
        Ok(error) => error,
        Err(cause) => Error::unexpected("the tree could not be packed").source(cause),
    }
}
