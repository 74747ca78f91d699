//! The Kubernetes sandbox from outside: the suite against the cluster of `examples/cluster`, with
//! and without its newer protocol, and against any cluster that `ARCHITECT_KUBECONFIG` names; and
//! what may go wrong on the way.
#![cfg(all(feature = "kubernetes", target_os = "linux"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

mod kubernetes {
    pub(super) mod ground;
    mod refusals;
    mod trouble;
}

mod suite {
    matrix_architect_core::sandbox_suite!(crate::kubernetes::ground::Ground::new().await);
}

/// A cluster before 1.30, whose websockets cannot close one direction alone.
mod suite_with_the_older_protocol {
    matrix_architect_core::sandbox_suite!(crate::kubernetes::ground::Ground::older().await);
}

/// `ARCHITECT_KUBECONFIG` names the cluster, `ARCHITECT_SANDBOX_IMAGE` an image it can pull.
mod suite_on_a_given_cluster {
    matrix_architect_core::sandbox_suite!(match crate::kubernetes::ground::Ground::given().await {
        Some(ground) => ground,
        None => return Ok(()),
    });
}
