//! Containers and volumes that go when they are let go.

use std::{
    pin::Pin,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bollard::{
    Docker,
    container::{AttachContainerResults, LogOutput},
    errors::Error as EngineError,
    models::{ContainerCreateBody, ContainerInspectResponse},
    query_parameters::{
        AttachContainerOptionsBuilder, InspectContainerOptions, KillContainerOptionsBuilder,
        RemoveContainerOptionsBuilder, RemoveVolumeOptions, StartContainerOptions,
    },
};
use futures_util::Stream;
use matrix_architect_core::error::{Error, Result};
use tokio::io::AsyncWrite;

use super::{
    engine::Engine,
    fault::{fault, is_absent, is_conflict, is_mishap},
};

/// A container. It is killed and removed when this is dropped, in the background.
#[derive(Debug)]
pub(super) struct Container {
    engine: Engine,
    pub(super) id: String,
}

/// What goes into a container.
pub(super) type Input = Pin<Box<dyn AsyncWrite + Send>>;
/// What comes out of it.
pub(super) type Outputs =
    Pin<Box<dyn Stream<Item = std::result::Result<LogOutput, EngineError>> + Send>>;

/// Both ends of a container. Behind a lock, which nobody takes, so that it can be kept where
/// several threads look.
pub(super) struct Streams(Mutex<(Input, Outputs)>);

impl Streams {
    /// The ends themselves.
    pub(super) fn into_ends(self) -> (Input, Outputs) {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Streams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Streams")
    }
}

impl Container {
    /// Creates a container, attaches to it and starts it.
    pub(super) async fn start(
        engine: &Engine,
        body: ContainerCreateBody,
    ) -> Result<(Self, Streams)> {
        let image = body.image.clone().unwrap_or_default();
        let created = engine.docker.create_container(None, body).await;
        let created = created.map_err(|cause| {
            if is_absent(&cause) {
                super::image::absent(&image).source(cause)
            } else {
                fault("a container could not be created", cause)
            }
        })?;
        let container = Self { engine: engine.clone(), id: created.id };
        let options = AttachContainerOptionsBuilder::default()
            .stdin(true)
            .stdout(true)
            .stderr(true)
            .stream(true)
            .build();
        let attach = engine.docker.attach_container(&container.id, Some(options));
        let AttachContainerResults { output, input } =
            engine.ask("a container could not be attached to", attach).await?;
        let start = engine.docker.start_container(&container.id, None::<StartContainerOptions>);
        start.await.map_err(not_started)?;
        Ok((container, Streams(Mutex::new((input, output)))))
    }

    /// Kills all processes in it and waits until they are dead.
    pub(super) async fn kill(&self) -> Result<()> {
        let options = KillContainerOptionsBuilder::default().signal("SIGKILL").build();
        match self.engine.docker.kill_container(&self.id, Some(options)).await {
            // It ended by itself a moment before.
            Err(cause) if is_conflict(&cause) || is_absent(&cause) => Ok(()),
            other => other.map_err(|cause| fault("a container could not be killed", cause)),
        }
    }

    /// Removes it and waits until it is gone.
    pub(super) async fn end(mut self) -> Result<()> {
        let id = std::mem::take(&mut self.id);
        let removed = remove(&self.engine.docker, &id).await;
        removed.map_err(|cause| fault("a container could not be removed", cause))
    }

    pub(super) async fn inspect(&self) -> Result<ContainerInspectResponse> {
        let inspect =
            self.engine.docker.inspect_container(&self.id, None::<InspectContainerOptions>);
        self.engine.ask("a container could not be inspected", inspect).await
    }
}

fn not_started(cause: EngineError) -> Error {
    let text = cause.to_string();
    if text.contains("/bin/sh") {
        return Error::invalid("the image has no shell that can be run")
            .code("image_without_shell")
            .advice("choose an image with /bin/sh and sleep, for this kind of machine")
            .source(cause);
    }
    fault("a container could not be started", cause)
}

impl Drop for Container {
    fn drop(&mut self) {
        let (docker, id) = (self.engine.docker.clone(), std::mem::take(&mut self.id));
        if id.is_empty() {
            return;
        }
        self.engine.later(async move {
            if let Err(cause) = remove(&docker, &id).await {
                tracing::warn!(%cause, container = id, "a container could not be removed");
            }
        });
    }
}

/// How often a removal is tried while something is in its way, and how long in between.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(50);

/// Kills and removes a container and its anonymous volumes; it is enough that it is gone.
pub(super) async fn remove(docker: &Docker, id: &str) -> std::result::Result<(), EngineError> {
    let options = || RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    for _ in 0..TRIES {
        match docker.remove_container(id, Some(options())).await {
            Err(cause) if is_absent(&cause) => return Ok(()),
            // After a mishap it is still there, and nobody else tries again.
            Err(cause) if is_conflict(&cause) || is_mishap(&cause) => {
                tokio::time::sleep(PAUSE).await;
            }
            other => return other,
        }
    }
    docker.remove_container(id, Some(options())).await
}

/// Removes a volume as soon as nothing uses it any more.
pub(super) async fn remove_volume(
    docker: &Docker,
    name: &str,
) -> std::result::Result<(), EngineError> {
    for _ in 0..TRIES {
        match docker.remove_volume(name, None::<RemoveVolumeOptions>).await {
            Err(cause) if is_absent(&cause) => return Ok(()),
            // After a mishap it is still there, and nobody else tries again.
            Err(cause) if is_conflict(&cause) || is_mishap(&cause) => {
                tokio::time::sleep(PAUSE).await;
            }
            other => return other,
        }
    }
    docker.remove_volume(name, None::<RemoveVolumeOptions>).await
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    /// An engine that is asked to remove something and answers with these, one after the other.
    fn engine(
        folder: &std::path::Path,
        answers: &'static [&str],
    ) -> (Docker, std::thread::JoinHandle<()>) {
        let socket = folder.join("engine");
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let version = bollard::API_DEFAULT_VERSION;
        let docker = Docker::connect_with_unix(socket.to_str().unwrap(), 10, version).unwrap();
        let serving = std::thread::spawn(move || {
            for answer in answers {
                let (mut client, _) = listener.accept().unwrap();
                let mut asked = [0; 4096];
                let length = client.read(&mut asked).unwrap();
                assert!(asked[..length].starts_with(b"DELETE "));
                let rest = "Content-Length: 2\r\nConnection: close\r\n\r\n{}";
                write!(client, "HTTP/1.1 {answer}\r\nContent-Type: application/json\r\n{rest}")
                    .unwrap();
            }
        });
        (docker, serving)
    }

    #[tokio::test]
    async fn what_the_engine_fails_to_remove_is_removed_again() {
        let folder = tempfile::tempdir().unwrap();
        let answers = &["500 Internal Server Error", "409 Conflict", "404 Not Found"];
        let (docker, serving) = engine(folder.path(), answers);
        remove(&docker, "container").await.unwrap();
        serving.join().unwrap();
    }

    #[tokio::test]
    async fn what_the_engine_refuses_to_remove_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let (docker, serving) = engine(folder.path(), &["400 Bad Request"]);
        assert!(remove_volume(&docker, "volume").await.is_err());
        serving.join().unwrap();
    }
}
