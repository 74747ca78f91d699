//! Ends sessions whose owners have died.
//!
//! An owner says that it is there by a number that grows. Whether it still grows is seen by looking
//! twice, as leader election does: the clocks of two machines are never compared.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::core::v1::Pod;
use matrix_architect_core::error::Result;

use super::{
    cluster::Cluster,
    render::{BEAT, OWNER},
};

/// How many beats an owner may miss.
const BEATS: u32 = 3;

/// Deletes the Pods whose owner is silent. One that has ended is no exception: its living owner may
/// not have read yet how it ended.
pub(super) async fn reap(cluster: &Cluster, own: &str, beat: Duration) -> Result<u64> {
    let others = cluster.sessions().await?.into_iter().filter(|pod| owner(pod) != Some(own));
    let before: BTreeMap<_, _> = others.map(|pod| (uid(&pod), beats(&pod))).collect();
    let mut reaped = 0;
    if before.is_empty() {
        return Ok(reaped);
    }
    tokio::time::sleep(beat * BEATS).await;
    for pod in cluster.sessions().await? {
        if before.get(&uid(&pod)).is_some_and(|count| *count == beats(&pod)) {
            reaped += end(cluster, &pod).await?;
        }
    }
    Ok(reaped)
}

async fn end(cluster: &Cluster, pod: &Pod) -> Result<u64> {
    let Some(name) = &pod.metadata.name else { return Ok(0) };
    cluster.delete(name).await?;
    Ok(1)
}

fn uid(pod: &Pod) -> Option<String> {
    pod.metadata.uid.clone()
}

fn owner(pod: &Pod) -> Option<&str> {
    pod.metadata.labels.as_ref()?.get(OWNER).map(String::as_str)
}

fn beats(pod: &Pod) -> Option<String> {
    pod.metadata.annotations.as_ref()?.get(BEAT).cloned()
}
