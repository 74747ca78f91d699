//! Which image exactly.

use bollard::models::ImageInspect;
use matrix_architect_core::error::{Error, Result};

use super::{
    config::DockerConfig,
    engine::Engine,
    fault::{fault, is_absent},
};

/// An image that can no longer come to be another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Image {
    /// Its own digest on the engine, by which containers are made.
    pub(super) id: String,
    /// What is written into reports: the digest it was fetched by, or its own.
    pub(super) recorded: String,
}

/// Finds the image that the configuration names; nothing is ever fetched.
pub(super) async fn resolve(engine: &Engine, config: &DockerConfig) -> Result<Image> {
    let found = engine.docker.inspect_image(&config.image).await.map_err(|cause| {
        if is_absent(&cause) {
            absent(&config.image).source(cause)
        } else {
            fault("the image could not be looked up", cause)
        }
    })?;
    of(found).ok_or_else(|| Error::unexpected("the Docker engine told no digest of the image"))
}

fn of(found: ImageInspect) -> Option<Image> {
    let id = found.id.filter(|id| id.starts_with("sha256:"))?;
    let fetched_as = found.repo_digests.and_then(|digests| digests.into_iter().next());
    Some(Image { recorded: fetched_as.unwrap_or_else(|| id.clone()), id })
}

/// The error for an image that is not on the engine.
pub(super) fn absent(image: &str) -> Error {
    Error::not_found("the Docker engine does not have the image")
        .code("no_image")
        .context("image", image)
        .advice(format!("fetch it: docker pull {image}"))
}
