use std::time::Duration;

use k8s_openapi::api::{core::v1::Pod, networking::v1::NetworkPolicy};
use matrix_architect_core::{
    id::{JobId, SessionId, TenantId},
    tenant::JobRef,
    traits::Fence,
};

use super::*;

fn config() -> KubernetesConfig {
    KubernetesConfig::new(format!("registry.example/builder@sha256:{}", "0".repeat(64)))
}

fn rendered(config: &KubernetesConfig, spec: &SessionSpec) -> Value {
    pod(&Wanted { config, spec, name: "architect-1-1", owner: "0123456789abcdef", user: 1_234_567 })
}

fn owned() -> SessionSpec {
    let mut spec = SessionSpec::new(SessionId::from_number(1));
    let job = JobRef::new(TenantId::new("acme").unwrap(), JobId::from_number(7));
    spec.owner = Some((job, Fence(3)));
    spec.limits = Limits::default().memory(256 << 20).disk(64 << 20).wall(Duration::from_mins(1));
    spec
}

#[test]
fn a_session_is_a_hardened_pod() {
    insta::assert_json_snapshot!(rendered(&config(), &owned()));
}

#[test]
fn what_the_operator_chose_is_in_the_pod() {
    let mut config = config();
    config.runtime_class = Some("gvisor".to_owned());
    config.pull_secrets = vec!["registry".to_owned()];
    config.node_selector.insert("pool".to_owned(), "sandboxes".to_owned());
    config.user_namespace = false;
    config.cpu_millis = 1500;
    insta::assert_json_snapshot!(rendered(&config, &SessionSpec::new(SessionId::from_number(2))));
}

#[test]
fn nothing_reaches_a_session_and_it_reaches_nothing() {
    insta::assert_json_snapshot!(network_policy("architect"));
}

#[test]
fn the_role_names_every_right() {
    insta::assert_snapshot!(role("architect"));
}

/// The types are generated from the API's own description: what they drop, the API does not know.
#[test]
fn every_field_is_one_of_the_api() {
    let wanted = rendered(&config(), &owned());
    let known: Pod = serde_json::from_value(wanted.clone()).unwrap();
    assert_eq!(serde_json::to_value(known).unwrap(), wanted);
    let wanted = network_policy("architect");
    let known: NetworkPolicy = serde_json::from_value(wanted.clone()).unwrap();
    assert_eq!(serde_json::to_value(known).unwrap(), wanted);
}

#[test]
fn names_that_are_no_label_values_become_some() {
    assert_eq!(label("acme"), "acme");
    let long = label(&"j".repeat(128));
    assert!(long.len() <= 63 && long.starts_with("xjjj"), "{long}");
    assert_ne!(long, label(&"j".repeat(127)));
    assert!(label("ends-").starts_with("xends-."), "{}", label("ends-"));
}
