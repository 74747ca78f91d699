use std::{collections::BTreeMap, path::Path};

use matrix_architect_core::{
    fake::{FixedSecrets, job_ref},
    id::TenantId,
    release::{DeploymentConfig, DeploymentTarget},
    time::Timestamp,
    traits::Cancel,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    config::SystemdConfig,
    environment::Variables,
    layout::Place,
    render,
    slot::{Slot, SlotState, State},
    unit,
    unpack::{Caps, unpack},
};

fn deployment(config: Value) -> DeploymentConfig {
    DeploymentConfig {
        target: DeploymentTarget::Vm,
        environment: "production".to_owned(),
        namespace: None,
        config: serde_json::from_value(config).unwrap(),
    }
}

fn parse(config: Value) -> matrix_architect_core::Result<SystemdConfig> {
    SystemdConfig::parse(&deployment(config))
}

fn sample(mode: &str) -> SystemdConfig {
    parse(json!({
        "service": "web",
        "root": "/srv/app",
        "unit": { "exec": ["bin/web", "--greeting", "100% \"$USER\""], "memory_max": "64M" },
        "variables": { "MODE": mode, "TOKEN": { "secret": "env://WEB_TOKEN" } },
        "health": { "http": { "url": "http://127.0.0.1:8000/" } },
    }))
    .unwrap()
}

#[test]
fn every_mistake_is_named_by_its_field() {
    let with = |mut extra: Value| {
        let config = extra.as_object_mut().unwrap();
        config.entry("root").or_insert(json!("/srv/app"));
        parse(extra).unwrap_err()
    };
    let cases = [
        ("root", json!({ "root": "relative" })),
        ("root", json!({ "root": "/srv/../etc" })),
        ("root", json!({ "root": "/" })),
        ("root", json!({ "root": 5 })),
        ("service", json!({ "service": "../x" })),
        ("rooot", json!({ "rooot": "/x" })),
        ("keep", json!({ "keep": 0 })),
        ("keep", json!({ "keep": -1 })),
        ("restart", json!({ "restart": [] })),
        ("restart", json!({ "restart": ["x"], "unit": { "exec": ["y"] } })),
        ("stop", json!({ "stop": ["a\u{0}b"] })),
        ("unit", json!({ "unit": {} })),
        ("unit", json!({ "unit": { "exec": ["x"], "text": "y" } })),
        ("unit.name", json!({ "unit": { "exec": ["x"], "name": "../x.service" } })),
        ("unit.directory", json!({ "unit": { "exec": ["x"], "scope": "user" } })),
        ("unit.memory_max", json!({ "unit": { "exec": ["x"], "memory_max": "1\nUser=root" } })),
        ("health", json!({ "health": {} })),
        ("health", json!({ "health": { "command": ["true"], "consecutive": 0 } })),
        ("health.http.url", json!({ "health": { "http": { "url": "nonsense" } } })),
        ("health.http.url", json!({ "health": { "http": { "url": "https://host/" } } })),
        ("variables", json!({ "variables": { "A B": "x" } })),
        ("variables", json!({ "variables": { "TOKEN": { "secret": "hunter2" } } })),
    ];
    for (field, config) in cases {
        let error = with(config.clone());
        assert_eq!(error.context_value("field"), Some(field), "{config}: {error}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

#[test]
fn a_unit_is_hardened_and_quotes_what_it_is_told() {
    let config = sample("fast");
    let unit = config.unit.clone().unwrap();
    let places = ("/srv/app/production/web/current", "/srv/app/production/web/live/environment");
    insta::assert_snapshot!(unit::render(&config, &unit, "production", places));
}

fn slot(number: u64, version: &str, settings: SystemdConfig) -> Slot {
    Slot {
        number,
        version: version.to_owned(),
        previous: None,
        previous_version: None,
        job: job_ref(1),
        at: Timestamp::default(),
        settings,
    }
}

fn planned(state: &State, intact: bool, installed: Option<String>, mode: &str) -> Value {
    let config = sample(mode);
    let place = Place::new(&config.root, "production", "web");
    let target =
        render::Target { place: &place, environment: "production", state, intact, installed };
    serde_json::to_value(render::plan(&target, &config, "2222222222222222")).unwrap()
}

#[test]
fn a_first_release_is_planned_from_nothing() {
    let plan = planned(&State::default(), false, None, "fast");
    insta::assert_json_snapshot!(plan);
}

#[test]
fn a_plan_names_only_what_moves_and_no_secret() {
    let mut before = sample("slow");
    before.variables.remove("TOKEN");
    let place = Place::new(&before.root, "production", "web");
    let installed = render::unit_text(&before, &place, "production");
    let live = slot(1, "1111111111111111", before);
    let state =
        State { slots: vec![(live, SlotState::Applied)], live: Some(1), ..State::default() };
    insta::assert_json_snapshot!(planned(&state, true, installed, "fast"));
}

#[test]
fn what_is_live_needs_nothing_and_what_is_half_live_does() {
    let config = sample("fast");
    let place = Place::new(&config.root, "production", "web");
    let installed = render::unit_text(&config, &place, "production");
    let live = slot(1, "2222222222222222", config);
    for (state, settled) in [(SlotState::Applied, true), (SlotState::Intended, false)] {
        let state = State { slots: vec![(live.clone(), state)], live: Some(1), ..State::default() };
        let plan = planned(&state, true, installed.clone(), "fast");
        assert_eq!(plan["changes"].as_array().unwrap().is_empty(), settled);
    }
}

#[test]
fn the_live_release_and_what_it_stands_on_are_always_kept() {
    let config = sample("fast");
    let mut state = State::default();
    for number in 1..=9 {
        let slot = Slot { previous: Some(1), ..slot(number, "v", config.clone()) };
        state.slots.push((slot, SlotState::Applied));
    }
    state.live = Some(5);
    assert_eq!(state.kept(1), [5, 1, 9]);
    assert_eq!(state.kept(3), [5, 1, 9, 8, 7]);
}

#[test]
fn a_state_on_disk_is_always_nine_bytes() {
    for state in [SlotState::Intended, SlotState::Applied, SlotState::Restoring, SlotState::Undone]
    {
        assert_eq!(SlotState::from_bytes(state.as_bytes()), Some(state));
    }
    assert_eq!(SlotState::from_bytes(b"applied"), None);
}

async fn variables(values: &BTreeMap<String, String>) -> Variables {
    let config = parse(json!({ "root": "/srv/app", "variables": values })).unwrap();
    let secrets = FixedSecrets::new();
    Variables::resolve(&config, &TenantId::default(), "production", &secrets).await.unwrap()
}

proptest! {
    #[test]
    fn an_environment_file_is_read_as_it_was_written(
        values in prop::collection::btree_map("[A-Z_][A-Z0-9_]{0,9}", "[\\PC\n\t\"\\\\`$]{0,40}", 0..5)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let variables = runtime.block_on(variables(&values));
        let file = variables.to_file();
        let read = Variables::from_file(file.expose_str().unwrap()).unwrap();
        let read: BTreeMap<String, String> =
            read.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        prop_assert_eq!(read, values);
    }

    #[test]
    fn no_archive_makes_anything_outside_its_folder(
        entries in prop::collection::vec(
            ("([a-c]|\\.\\.|\\.)(/([a-c]|\\.\\.|l)){0,3}", "(\\.\\.|[a-c])(/(\\.\\.|[a-c])){0,3}", 0..3_u8), 1..8
        )
    ) {
        let outer = tempfile::tempdir().unwrap();
        let into = outer.path().join("one/two/three");
        std::fs::create_dir_all(&into).unwrap();
        let mut archive = Vec::new();
        for (path, link, kind) in &entries {
            archive.extend(raw_entry(path, link, *kind));
        }
        archive.extend([0; 1024]);
        let _ = unpack(&archive[..], &into, Caps::DEFAULT, &Cancel::new());
        prop_assert_eq!(count(outer.path()) - count(&into), 3, "only the way to it");
        assert_links_stay(&into, &into.canonicalize().unwrap());
    }
}

/// An entry whose header nobody has checked.
fn raw_entry(path: &str, link: &str, kind: u8) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    let kinds = [tar::EntryType::Regular, tar::EntryType::Symlink, tar::EntryType::Directory];
    let kind = kinds[usize::from(kind)];
    if kind == tar::EntryType::Symlink {
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
    }
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(0);
    header.set_cksum();
    header.as_bytes().to_vec()
}

fn count(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    let below = |path: std::path::PathBuf| {
        if path.is_dir() && !path.is_symlink() { count(&path) } else { 0 }
    };
    entries.map(|entry| 1 + below(entry.path())).sum()
}

/// Follows every link there is, and what it leads to.
fn assert_links_stay(folder: &Path, root: &Path) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if let (true, Ok(target)) = (path.is_symlink(), path.canonicalize()) {
            assert!(target.starts_with(root), "{} leads to {}", path.display(), target.display());
        }
        if path.is_dir() && !path.is_symlink() {
            assert_links_stay(&path, root);
        }
    }
}

#[test]
fn a_bundle_beyond_the_caps_is_refused() {
    let mut archive = raw_entry("a", "", 0);
    archive.extend(raw_entry("b", "", 0));
    archive.extend([0; 1024]);
    let folder = tempfile::tempdir().unwrap();
    let caps = Caps { entries: 1, ..Caps::DEFAULT };
    let error = unpack(&archive[..], folder.path(), caps, &Cancel::new()).unwrap_err();
    assert_eq!(error.code_str(), "hostile_bundle");
    let mut large = tar::Header::new_gnu();
    large.as_old_mut().name[0] = b'x';
    large.set_size(1 << 40);
    large.set_mode(0o644);
    large.set_cksum();
    let error = unpack(&large.as_bytes()[..], folder.path(), Caps::DEFAULT, &Cancel::new());
    assert!(error.unwrap_err().to_string().contains("too large"));
}
