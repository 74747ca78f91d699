//! The native sandbox on a kernel that lacks a layer: a filter on the process that starts it answers
//! as such a kernel would, and the sandbox, allowed to, goes on with all other layers.

use std::{collections::BTreeSet, io::Write as _, process::Stdio};

use matrix_architect_core::{
    conformance::files::Files,
    id::SessionId,
    traits::{Enforcement, Sandbox as _, SessionSpec},
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};
use serde::{Deserialize, Serialize};

use crate::{
    alone,
    attempt::Layer,
    ground::{native, roomy},
    probe::{self, Probes, Results},
};

/// What a process is started for.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    layers: Vec<String>,
    aims: String,
    probes: Vec<(String, String)>,
}

/// Makes attempts in the sandbox without layers, in a process that runs this very test.
pub(crate) fn without(test: &str, layers: &[Layer], aims: &str, probes: &Probes) -> Results {
    let order = Order {
        layers: layers.iter().map(|layer| name(*layer).to_owned()).collect(),
        aims: aims.to_owned(),
        probes: probes
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect(),
    };
    let mut again = alone::again(test);
    again.arg("--quiet").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = again.env(MARK, "1").spawn().unwrap();
    let order = serde_json::to_vec(&order).unwrap();
    child.stdin.take().unwrap().write_all(&order).unwrap();
    let output = child.wait_with_output().unwrap();
    probe::parsed(&alone::succeeded(&output))
}

const MARK: &str = "ARCHITECT_TEST_PEELED";

/// Does what such a process was started for. `false` in every other one.
pub(crate) fn serve() -> bool {
    if !alone::is_set(MARK) {
        return false;
    }
    let order: Order = serde_json::from_reader(std::io::stdin()).unwrap();
    lack(&order.layers);
    let told = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(make(&order));
    println!();
    for (name, told) in told {
        println!("{}", serde_json::json!([name, told.outcome, told.why]));
    }
    true
}

async fn make(order: &Order) -> Results {
    let sandbox = native();
    let lacking: BTreeSet<_> = sandbox
        .capabilities()
        .enforcement
        .into_iter()
        .filter(|report| report.enforcement == Enforcement::Absent)
        .map(|report| report.name)
        .collect();
    let wanted: BTreeSet<_> = order.layers.iter().cloned().collect();
    let beyond: Vec<_> =
        lacking.symmetric_difference(&wanted).filter(|name| *name != "cpu_millis").collect();
    assert!(beyond.is_empty(), "these layers, and no other, are taken away: {beyond:?}");
    let mut spec = SessionSpec::new(SessionId::from_number(1));
    spec.limits = roomy();
    spec.allow_degraded = true;
    let session = sandbox.open(&Files::default(), &spec).await.unwrap();
    let probes: Vec<(&'static str, &'static str)> = order
        .probes
        .iter()
        .map(|(name, text)| (&*name.clone().leak(), &*text.clone().leak()))
        .collect();
    let told = probe::inside(&*session, &order.aims, &probes).await;
    session.close().await.unwrap();
    told
}

/// As reports call it.
fn name(layer: Layer) -> &'static str {
    match layer {
        Layer::Seccomp => "seccomp",
        Layer::Landlock => "landlock",
        Layer::Network => "network",
        Layer::Ipc => "ipc",
        Layer::HostName => "host_name",
        Layer::CgroupView => "cgroup_view",
    }
}

/// Lets this thread, and all that it starts, fail where a layer is made.
fn lack(layers: &[String]) {
    let flag = |flag: libc::c_int| {
        let flag = u64::from(flag.cast_unsigned());
        let word = SeccompCmpArgLen::Dword;
        let set = SeccompCondition::new(0, word, SeccompCmpOp::MaskedEq(flag), flag).unwrap();
        SeccompRule::new(vec![set]).unwrap()
    };
    let mut rules = std::collections::BTreeMap::<i64, Vec<SeccompRule>>::new();
    for layer in layers {
        let (call, rule) = match layer.as_str() {
            "seccomp" => (libc::SYS_seccomp, None),
            "landlock" => (libc::SYS_landlock_create_ruleset, None),
            "network" => (libc::SYS_unshare, Some(flag(libc::CLONE_NEWNET))),
            "ipc" => (libc::SYS_unshare, Some(flag(libc::CLONE_NEWIPC))),
            "host_name" => (libc::SYS_unshare, Some(flag(libc::CLONE_NEWUTS))),
            "cgroup_view" => (libc::SYS_unshare, Some(flag(libc::CLONE_NEWCGROUP))),
            other => panic!("no such layer: {other}"),
        };
        rules.entry(call).or_default().extend(rule);
    }
    let refused = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let arch = TargetArch::try_from(std::env::consts::ARCH).unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, arch).unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    seccompiler::apply_filter(&program).unwrap();
}
