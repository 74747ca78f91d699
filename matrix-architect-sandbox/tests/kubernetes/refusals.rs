//! What a cluster refuses, and in which words that reaches the operator.

use matrix_architect_cluster::{Admission, Options, Rights};
use matrix_architect_core::{
    conformance::files::Files,
    error::{Error, ErrorKind},
    traits::{Cancel, Command, Enforcement, ExitVerdict, Sandbox as _},
};
use matrix_architect_sandbox::kubernetes::{KubernetesConfig, KubernetesSandbox, doctor};
use serde_json::{Value, json};

use super::ground::{Ground, image, spec};

async fn refused(options: Options, change: impl FnOnce(&mut KubernetesConfig)) -> Error {
    let (_cluster, mut config, _folder) = Ground::cluster(options).await;
    change(&mut config);
    KubernetesSandbox::connect(config).await.unwrap_err()
}

#[tokio::test]
async fn without_a_kubeconfig_the_operator_is_asked_for_one() {
    let mut config = KubernetesConfig::new(image());
    let error = KubernetesSandbox::connect(config.clone()).await.unwrap_err();
    assert_eq!((error.kind(), error.code_str()), (ErrorKind::Invalid, "no_cluster"));
    config.kubeconfig = Some("/nowhere/kubeconfig".into());
    let error = KubernetesSandbox::connect(config).await.unwrap_err();
    assert!(error.to_string().contains("/nowhere/kubeconfig"), "{error}");
    assert!(error.advice_str().is_some());
}

#[tokio::test]
async fn a_missing_right_is_named_with_the_role_that_gives_it() {
    for (verb, resource) in [
        ("create", "pods"),
        ("get", "pods/exec"),
        ("create", "pods/exec"),
        ("watch", "pods"),
        ("delete", "pods"),
        ("get", "networkpolicies"),
        ("create", "networkpolicies"),
    ] {
        let mut options = Options::new([image()]);
        let denied = vec![(verb.to_owned(), resource.to_owned())];
        options.users = vec![("worker".to_owned(), Rights::AllBut(denied))];
        let error = refused(options, |_| {}).await;
        assert_eq!(
            (error.kind(), error.code_str()),
            (ErrorKind::Denied, "forbidden"),
            "{verb} {resource}"
        );
        let text = error.to_string();
        assert!(text.contains(&format!("cannot {verb} resource \"{resource}\"")), "{text}");
        assert!(text.contains("kind: Role") && text.contains("pods/exec"), "{text}");
    }
}

#[tokio::test]
async fn a_wrong_token_is_told_apart_from_a_missing_right() {
    let error = refused(Options::new([image()]), |config| {
        let path = config.kubeconfig.as_ref().unwrap();
        let mut kubeconfig: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        kubeconfig["users"][0]["user"]["token"] = json!("wrong");
        std::fs::write(path, kubeconfig.to_string()).unwrap();
    })
    .await;
    assert_eq!((error.kind(), error.code_str()), (ErrorKind::Denied, "unauthenticated"));
}

#[tokio::test]
async fn a_missing_namespace_is_named() {
    let error =
        refused(Options::new([image()]), |config| config.namespace = "elsewhere".to_owned()).await;
    assert_eq!((error.kind(), error.code_str()), (ErrorKind::NotFound, "no_namespace"), "{error}");
    assert!(error.to_string().contains("kubectl create namespace elsewhere"), "{error}");
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled_is_told_before_the_patience_for_a_start_ends() {
    // Nobody would wait for its end here.
    let patient = |config: &mut KubernetesConfig| config.start = std::time::Duration::from_hours(1);
    let error = refused(Options::new(["another"]), patient).await;
    assert_eq!(error.code_str(), "image_not_pulled", "{error}");
    assert!(error.to_string().contains("Failed to pull image"), "the events are missing: {error}");
}

#[tokio::test]
async fn a_quota_is_told_and_may_pass() {
    let mut options = Options::new([image()]);
    options.quota = Some(0);
    let error = refused(options, |_| {}).await;
    assert_eq!((error.code_str(), error.is_retryable()), ("quota_exceeded", true), "{error}");
}

#[tokio::test]
async fn an_unschedulable_pod_is_told_with_its_events_and_is_gone() {
    let ground = Ground::new().await;
    let mut config = ground.config.clone();
    config.schedule = std::time::Duration::from_millis(300);
    let sandbox = KubernetesSandbox::connect(config).await.unwrap();
    let mut large = spec();
    large.limits.memory = 1 << 50;
    let error = sandbox.open(&Files::new(&[]).unwrap(), &large).await.map(drop).unwrap_err();
    assert_eq!(error.code_str(), "unschedulable");
    assert!(error.to_string().contains("Insufficient memory"), "{error}");
    let pods = ground.pods().await;
    for _ in 0..100 {
        if pods.list(&kube::api::ListParams::default()).await.unwrap().items.is_empty() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the Pod is still there");
}

#[tokio::test]
async fn what_admission_took_away_is_refused_or_reported() {
    let changes: [(&str, Admission); 3] = [
        ("user_namespace", |pod| drop(pod["spec"].as_object_mut().unwrap().remove("hostUsers"))),
        ("disk", |pod| {
            let resources = &mut pod["spec"]["containers"][0]["resources"];
            resources["limits"]["ephemeral-storage"] = json!("1Ti");
        }),
        ("credentials", |pod| pod["spec"]["automountServiceAccountToken"] = json!(true)),
    ];
    for (layer, change) in changes {
        let mut options = Options::new([image()]);
        options.admission = Some(change);
        let ground = Ground::with(options).await;
        let tree = Files::new(&[]).unwrap();
        let error = ground.sandbox.open(&tree, &spec()).await.map(drop).unwrap_err();
        assert_eq!(
            (error.kind(), error.code_str()),
            (ErrorKind::Unsupported, "not_enforced"),
            "{layer}"
        );
        let mut degraded = spec();
        degraded.allow_degraded = true;
        let session = ground.sandbox.open(&tree, &degraded).await.unwrap();
        let exit =
            session.run(&Command::shell("true"), &mut Vec::new(), &Cancel::new()).await.unwrap();
        assert_eq!(exit.verdict, ExitVerdict::Exited(0));
        let report = exit.enforcement.iter().find(|report| report.name == layer).unwrap();
        assert_eq!(report.enforcement, Enforcement::Absent, "{report:?}");
        session.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_changed_network_policy_is_no_policy() {
    let ground = Ground::new().await;
    let kubeconfig =
        kube::config::Kubeconfig::read_from(ground.config.kubeconfig.as_ref().unwrap()).unwrap();
    let settings = kube::Config::from_custom_kubeconfig(
        kubeconfig,
        &kube::config::KubeConfigOptions::default(),
    )
    .await
    .unwrap();
    let policies: kube::Api<k8s_openapi::api::networking::v1::NetworkPolicy> =
        kube::Api::namespaced(kube::Client::try_from(settings).unwrap(), "architect");
    let open = json!({ "spec": { "egress": [{}] } });
    policies
        .patch(
            "matrix-architect-sandbox",
            &kube::api::PatchParams::default(),
            &kube::api::Patch::Merge(open),
        )
        .await
        .unwrap();
    let error = KubernetesSandbox::connect(ground.config.clone()).await.unwrap_err();
    assert_eq!((error.kind(), error.code_str()), (ErrorKind::Denied, "policy_changed"));
}

/// What is wrong with a configuration.
type Change<'a> = &'a dyn Fn(&mut KubernetesConfig);

#[tokio::test]
async fn the_doctor_names_the_layer_that_keeps_pods_from_running() {
    let checks = doctor(&KubernetesConfig::new(image())).await;
    assert_eq!(checks[0].layer, "kubeconfig", "{checks:?}");
    let without = |verb: &str, resource: &str| {
        let mut options = Options::new([image()]);
        let denied = vec![(verb.to_owned(), resource.to_owned())];
        options.users = vec![("worker".to_owned(), Rights::AllBut(denied))];
        options
    };
    let keep = |_: &mut KubernetesConfig| {};
    let elsewhere = |config: &mut KubernetesConfig| "elsewhere".clone_into(&mut config.namespace);
    let unsigned = |config: &mut KubernetesConfig| {
        let path = config.kubeconfig.as_ref().unwrap();
        let mut kubeconfig: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        kubeconfig["users"][0]["user"]["token"] = json!("wrong");
        std::fs::write(path, kubeconfig.to_string()).unwrap();
    };
    let cases: [(&str, Options, Change<'_>); 4] = [
        ("rights", without("create", "pods/exec"), &keep),
        ("namespace", Options::new([image()]), &elsewhere),
        ("image", Options::new(["another"]), &keep),
        ("credentials", Options::new([image()]), &unsigned),
    ];
    for (layer, options, change) in cases {
        let (_cluster, mut config, _folder) = Ground::cluster(options).await;
        change(&mut config);
        let checks = doctor(&config).await;
        let named: Vec<_> = checks.iter().map(|check| check.layer.as_str()).collect();
        assert_eq!(named, [layer, "sessions"], "{checks:?}");
        assert!(checks.iter().all(|check| !check.ok && !check.remedy.is_empty()), "{checks:?}");
    }
    let (_cluster, config, _folder) = Ground::cluster(Options::new([image()])).await;
    let checks = doctor(&config).await;
    for layer in ["network", "processes", "memory"] {
        assert!(checks.iter().any(|check| check.layer == layer), "{layer}: {checks:?}");
    }
}
