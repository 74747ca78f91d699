//! Makes a theme's attempts on a ground, and their controls, and judges both.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _, process::Command};

use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};

use crate::{
    alone::{self, skip, succeeded},
    attempt::{Attempt, Control, How, Kind},
    beside, bounded, collector, daemon,
    ground::{Ground, roomy},
    peeled,
    probe::{self, Outcome, Results, Told},
    proxied::{self, Host},
    stripped,
    table::Theme,
    world::World,
};

/// How each attempt ended, and its control.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Report {
    inside: Results,
    control: Results,
}

/// The whole of one test.
pub(crate) fn hold(test: &str, kind: Kind, theme: Theme) {
    if peeled::serve() {
        return;
    }
    let is_root = rustix::process::geteuid().is_root();
    let report = match kind {
        Kind::Native if !is_root => return skip("the tests do not run as root"),
        Kind::Unprivileged if is_root => as_nobody(test, theme),
        _ => made(test, kind, theme),
    };
    let Some(report) = report else { return };
    if alone::is_alone() {
        println!("\n{MARK}{}", serde_json::to_string(&report).unwrap());
        return;
    }
    judge(kind, theme, &report);
}

/// So many of those that mostly wait are made at once.
const AT_ONCE: usize = 3;

/// What a child's report follows.
const MARK: &str = "REPORT ";

/// Has another user make the attempts, and makes what controls need root for.
fn as_nobody(test: &str, theme: Theme) -> Option<Report> {
    // The build directory may be closed to others.
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = directory.path().join("hostile");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let again = alone::again(test);
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&program)
        .args(again.get_args())
        .envs(again.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .current_dir("/")
        .output();
    let output = match output {
        Err(cause) => {
            skip(&format!("setpriv of util-linux cannot be run: {cause}"));
            return None;
        }
        Ok(output) => output,
    };
    let told = succeeded(&output);
    let told = told.lines().find_map(|line| line.strip_prefix(MARK)).unwrap();
    let mut report: Report = serde_json::from_str(told).unwrap();
    let rooted = probes(theme, Kind::Unprivileged, |control| control == Control::Root);
    report.control.extend(beside::ordinary(&World::new().aims(false), &rooted));
    Some(report)
}

fn made(test: &str, kind: Kind, theme: Theme) -> Option<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        // Before the sandbox, so that whatever it leaks there is to leak.
        let world = World::new();
        let ground = Ground::here(kind).await?;
        let mut report = Report::default();
        let all = probes(theme, kind, |_| true);
        if !all.is_empty() {
            let session = ground.open(roomy()).await;
            report.inside = probe::inside(&*session, &world.aims(true), &all).await;
            session.close().await.unwrap();
        }
        controls(test, &ground, theme, &world, &mut report.control).await;
        let attempts = theme.attempts().iter().filter(|attempt| attempt.is_for(kind));
        let all = futures_util::stream::iter(attempts).map(|attempt| {
            let staged = staged(&ground, attempt, &world);
            async move { (attempt.name.to_owned(), staged.await) }
        });
        let mut all = all.buffer_unordered(AT_ONCE);
        while let Some((name, told)) = all.next().await {
            if let Some((inside, control)) = told {
                report.inside.insert(name.clone(), inside);
                report.control.insert(name, control);
            }
        }
        drop(all);
        Some(report)
    })
}

/// The probes of a theme whose control is such a one.
fn probes(
    theme: Theme,
    kind: Kind,
    wanted: impl Fn(Control) -> bool,
) -> Vec<(&'static str, &'static str)> {
    let attempts = theme.attempts().iter().filter(|attempt| attempt.is_for(kind));
    let probes = attempts.filter_map(|attempt| match attempt.how {
        How::Probe(text, control) if wanted(control) => Some((attempt.name, text)),
        _ => None,
    });
    probes.collect()
}

/// Makes probes where they must succeed.
async fn controls(test: &str, ground: &Ground, theme: Theme, world: &World, told: &mut Results) {
    let mut groups = BTreeMap::<Control, Vec<_>>::new();
    for attempt in theme.attempts().iter().filter(|attempt| attempt.is_for(ground.kind)) {
        if let How::Probe(text, control) = attempt.how {
            groups.entry(control).or_default().push((attempt.name, text));
        }
    }
    let is_root = rustix::process::geteuid().is_root();
    for (control, probes) in groups {
        told.extend(match control {
            Control::Beside => beside::ordinary(&world.aims(false), &probes),
            Control::Root if is_root => beside::ordinary(&world.aims(false), &probes),
            Control::Namespaces => beside::in_namespaces(&world.aims(false), &probes),
            Control::Without(layers) if ground.kind == Kind::Docker => {
                stripped::without(ground, layers, &world.aims(true), &probes).await
            }
            // Bubblewrap cannot be told to leave one out; the filter is the native sandbox's own.
            Control::Without(layers) => peeled::without(test, layers, &world.aims(true), &probes),
            Control::Root | Control::Impossible(_) => Results::new(),
        });
    }
}

/// Makes an attempt that is more than one expression, and its control.
async fn staged(ground: &Ground, attempt: &Attempt, world: &World) -> Option<(Told, Told)> {
    Some(match attempt.how {
        How::Probe(..) => return None,
        How::Bound { line, tight, wide, told } => (
            bounded::tight(ground, line, tight, told).await,
            bounded::wide(ground, line, wide).await,
        ),
        How::Flood { line, bytes } => (
            bounded::flooded(ground, line, bytes, 1 << 20).await,
            bounded::flooded(ground, line, bytes, 3 * bytes).await,
        ),
        How::Outlive(line) => {
            let outside = tokio::task::spawn_blocking(move || daemon::outside(line));
            (daemon::inside(ground, line).await, outside.await.unwrap())
        }
        How::Collect { line, patterns, sign } => {
            let secret = world.secret();
            let inside = collector::ours(ground, line, patterns, sign, &secret).await;
            let careless = move || collector::careless(line, patterns, sign, &secret);
            (inside, tokio::task::spawn_blocking(careless).await.unwrap())
        }
        How::Ask { program, allowed, named } => {
            let hosts = (Host::new(), Host::new());
            let hosts = (&hosts.0, &hosts.1);
            (
                proxied::ask(ground, program, allowed, hosts).await,
                proxied::ask(ground, program, named, hosts).await,
            )
        }
    })
}

/// Demands that all were stopped and could have succeeded, and says what there was.
fn judge(kind: Kind, theme: Theme, report: &Report) {
    let attempts: Vec<_> = theme.attempts().iter().filter(|attempt| attempt.is_for(kind)).collect();
    let (mut wrong, mut contained, mut controlled) = (Vec::new(), 0, 0);
    for attempt in &attempts {
        match report.inside.get(attempt.name) {
            Some(told) if told.outcome == Outcome::Stopped => contained += 1,
            told => wrong.push(format!("{} inside: {told:?}", attempt.name)),
        }
        match (attempt.without_control(), report.control.get(attempt.name)) {
            (Some(why), _) => println!("  no control: {}: {why}", attempt.name),
            (None, Some(told)) if told.outcome == Outcome::Open => controlled += 1,
            (None, Some(told)) if told.is_missing() => {
                println!(
                    "  no control: {}: this machine has not got it: {}",
                    attempt.name, told.why
                );
            }
            (None, Some(told)) if attempt.needs_root() && told.is_refused() && !is_almighty() => {
                println!("  no control: {}: root may not do all here: {}", attempt.name, told.why);
            }
            (None, None) if !rustix::process::geteuid().is_root() => {
                println!("  no control: {}: the tests do not run as root", attempt.name);
            }
            (None, told) => wrong.push(format!("{} as control: {told:?}", attempt.name)),
        }
    }
    let published = attempts.iter().filter(|attempt| attempt.source.is_published()).count();
    println!(
        "{}, {theme:?}: {} attempts, {contained} contained, {controlled} with control, \
         {published} published",
        kind.name(),
        attempts.len(),
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let is_root = rustix::process::geteuid().is_root();
    assert!(!is_root || controlled * 2 >= attempts.len(), "most controls are wanting");
}

/// Whether this process has every capability there is.
fn is_almighty() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap();
    let last = fs::read_to_string("/proc/sys/kernel/cap_last_cap").unwrap();
    let all = (2_u64 << last.trim().parse::<u32>().unwrap()) - 1;
    u64::from_str_radix(line.trim(), 16).unwrap() == all
}

impl Attempt {
    /// Why nobody can show that it could succeed.
    const fn without_control(&self) -> Option<&'static str> {
        match self.how {
            How::Probe(_, Control::Impossible(why)) => Some(why),
            _ => None,
        }
    }

    const fn needs_root(&self) -> bool {
        matches!(self.how, How::Probe(_, Control::Root))
    }

    /// Whether it succeeds in our own sandbox once a single layer or bound is taken away.
    pub(crate) const fn has_layer_of_its_own(&self) -> bool {
        match self.how {
            How::Probe(_, Control::Without(layers)) => layers.len() == 1,
            How::Bound { .. } | How::Flood { .. } | How::Ask { .. } => true,
            How::Probe(..) | How::Outlive(_) | How::Collect { .. } => false,
        }
    }

    /// Whether somebody can.
    pub(crate) const fn has_control(&self) -> bool {
        self.without_control().is_none()
    }
}
