//! What the cluster answers, as errors that say what to do.

use kube::core::Status;
use matrix_architect_core::error::{Error, ErrorKind};

use super::render;

/// The error for a call that failed.
pub(super) fn fault(attempted: &'static str, namespace: &str, cause: kube::Error) -> Error {
    match &cause {
        kube::Error::Api(status) => refusal(attempted, namespace, status),
        kube::Error::Service(_) | kube::Error::HyperError(_) | kube::Error::ReadEvents(_) => {
            Error::new(ErrorKind::Unavailable, attempted)
                .code("cluster_unavailable")
                .advice("check that the cluster's API server runs and can be reached")
        }
        kube::Error::Auth(_) => Error::new(ErrorKind::Denied, attempted)
            .code("unauthenticated")
            .advice("renew the credentials in the kubeconfig"),
        kube::Error::UpgradeConnection(_) => {
            Error::new(ErrorKind::Unavailable, attempted).code("exec_refused").advice(
                "check that the cluster is at least version 1.30 and that no proxy cuts websockets",
            )
        }
        _ => Error::unexpected(attempted),
    }
    .source(cause)
}

fn refusal(attempted: &'static str, namespace: &str, status: &Status) -> Error {
    let (kind, code, advice) = match status.code {
        401 => (ErrorKind::Denied, "unauthenticated", "renew the credentials in the kubeconfig".to_owned()),
        403 if status.message.contains("exceeded quota") => (
            ErrorKind::Unavailable,
            "quota_exceeded",
            "raise the namespace's ResourceQuota, or lower the limits of sessions".to_owned(),
        ),
        403 if status.message.contains("violates PodSecurity") => (
            ErrorKind::Denied,
            "pod_security",
            "the namespace refuses what the message names; let it be at least the restricted profile".to_owned(),
        ),
        403 => (
            ErrorKind::Denied,
            "forbidden",
            format!("let the cluster's administrator bind this Role to us:\n{}", render::role(namespace)),
        ),
        404 if status.message.contains("namespaces") => (
            ErrorKind::NotFound,
            "no_namespace",
            format!("create it: kubectl create namespace {namespace}"),
        ),
        404 => (ErrorKind::NotFound, "not_found", "look whether somebody deleted it".to_owned()),
        409 => (ErrorKind::Conflict, "conflict", "try again".to_owned()),
        410 => (ErrorKind::Conflict, "gone", "list again".to_owned()),
        429 => (ErrorKind::RateLimited, "too_many_requests", "wait and try again".to_owned()),
        500.. => (ErrorKind::Unavailable, "cluster_unavailable", "look at the cluster's API server".to_owned()),
        _ => (ErrorKind::Invalid, "refused", "correct what the message names".to_owned()),
    };
    Error::new(kind, attempted).code(code).context("answer", &status.message).advice(advice)
}
