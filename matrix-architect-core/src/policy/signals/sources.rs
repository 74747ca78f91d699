//! Where dependencies come from: another repository, another index, or a replacement under the same
//! name. A name that stays says nothing about what stands behind it.

use std::collections::BTreeSet;

use super::{
    PathKind, Scene, Sightings, SignalKind,
    dependencies::is_requirements,
    setting::{self, Setting},
};
use crate::{
    patch::ChangeKind,
    policy::diff::{ChangedFile, Line},
};

pub(super) fn look(scene: &Scene<'_>, seen: &mut Sightings) {
    for (file, kinds) in scene.files() {
        for source in new_sources(file, kinds) {
            let shown: String = source.chars().take(100).collect();
            seen.note(SignalKind::RegistryChanged, format!("{shown} in {}", file.path()));
        }
        if kinds.contains(&PathKind::Signal(SignalKind::TouchesContainer)) {
            images(file, seen);
        }
    }
}

/// The sources that lines name now and did not before.
fn new_sources(file: &ChangedFile<'_>, kinds: &[PathKind]) -> BTreeSet<String> {
    let by_setting: Option<fn(Setting<'_>) -> Vec<String>> = match file.name() {
        "Cargo.toml" | "pyproject.toml" | "Pipfile" | "uv.toml" => Some(of_toml),
        "package.json" | "composer.json" => Some(of_json),
        _ => None,
    };
    let by_line: Option<fn(&str) -> Option<&str>> = match file.name() {
        "go.mod" => Some(of_go),
        "Gemfile" => Some(of_gem),
        _ if is_requirements(file) => Some(of_requirement),
        _ if is_command(file, kinds) => Some(of_command),
        _ => None,
    };
    let (mut before, mut after) = (BTreeSet::new(), BTreeSet::new());
    if let Some(sources) = by_setting {
        for (line, setting) in setting::changed(file) {
            let side = if matches!(line, Line::Added(_)) { &mut after } else { &mut before };
            side.extend(setting.into_iter().flat_map(sources));
        }
    }
    if let Some(source) = by_line {
        before.extend(file.before().filter_map(source).map(str::to_owned));
        after.extend(file.added().filter_map(source).map(str::to_owned));
    }
    after.difference(&before).cloned().collect()
}

/// `serde = { git = "…" }`, `package = "other"` under a dependency, anything under `[patch]`.
fn of_toml(setting: Setting<'_>) -> Vec<String> {
    const KEYS: [&str; 12] = [
        "git",
        "registry",
        "registry-index",
        "package",
        "url",
        "index",
        "source",
        "index-url",
        "extra-index-url",
        "default-index",
        "find-links",
        "replace-with",
    ];
    let section = setting.section.unwrap_or_default();
    let starts = |text: &str| text == "replace" || text.starts_with("patch.");
    if starts(section) || starts(setting.key) {
        return vec![format!("{} = {}", setting.key, setting.value)];
    }
    if section.contains("urls") || section.starts_with("tool.coverage") || section == "package" {
        return Vec::new();
    }
    let is_source = |key: &str, value: &str| {
        let key = key.trim().trim_matches(['"', '\'']);
        KEYS.contains(&key.rsplit('.').next().unwrap_or(key))
            && value.trim().trim_start_matches('[').starts_with(['"', '\''])
    };
    if is_source(setting.key, setting.value) && setting.key != "source" {
        return vec![format!("{} = {}", setting.key, setting.value)];
    }
    let entries = setting.value.strip_prefix('{').into_iter().flat_map(|rest| rest.split(','));
    entries
        .filter_map(|entry| entry.split_once('='))
        .filter(|(key, value)| is_source(key, value))
        .map(|(key, value)| {
            format!(
                "{}: {} = {}",
                setting.key,
                key.trim(),
                value.trim().trim_end_matches(['}', ' '])
            )
        })
        .collect()
}

/// `"a": "git+https://…"`, `"a": "npm:other@1"`, `"overrides": {`.
fn of_json(setting: Setting<'_>) -> Vec<String> {
    const REPLACING: [&str; 3] = ["overrides", "resolutions", "repositories"];
    const STARTS: [&str; 12] = [
        "git",
        "http:",
        "https:",
        "ssh:",
        "npm:",
        "patch:",
        "bitbucket:",
        "gist:",
        "git@",
        "file:/",
        "file:..",
        "link:/",
    ];
    const OTHERS: [&str; 9] = [
        "homepage",
        "url",
        "repository",
        "bugs",
        "funding",
        "type",
        "$schema",
        "license",
        "author",
    ];
    let value = setting.value.trim_matches(['"', '}', ' ']);
    let is_repository = value.contains('#') && value.matches('/').count() == 1;
    let is_foreign = STARTS.iter().any(|start| value.starts_with(start)) || is_repository;
    // A script may begin with `git`, too, and then goes on after a blank.
    let is_address = value.contains([':', '/']) && !value.contains(' ');
    if REPLACING.contains(&setting.key) {
        return vec![setting.key.to_owned()];
    }
    if is_foreign && is_address && !OTHERS.contains(&setting.key) {
        return vec![format!("{}: {value}", setting.key)];
    }
    Vec::new()
}

/// `replace example.org/a => ../a`
fn of_go(line: &str) -> Option<&str> {
    let line = line.trim();
    (line.contains("=>") && !line.starts_with("//")).then_some(line)
}

/// `source "…"`, `gem "a", git: "…"`
fn of_gem(line: &str) -> Option<&str> {
    const WORDS: [&str; 7] =
        ["source ", "source(", "git:", ":git ", "github:", "git_source", "gist:"];
    let line = line.trim();
    (!line.starts_with('#') && WORDS.iter().any(|word| line.contains(word))).then_some(line)
}

/// `--extra-index-url …`, `git+https://…`, `a @ https://…`
fn of_requirement(line: &str) -> Option<&str> {
    const STARTS: [&str; 7] =
        ["-i", "--index", "--extra-index", "-f", "--find-links", "--trusted-host", "--proxy"];
    let line = line.trim();
    let line = line.split(" #").next().unwrap_or(line);
    let is_option = STARTS.iter().any(|start| line.starts_with(start));
    (!line.starts_with('#') && (is_option || line.contains("://"))).then_some(line)
}

/// Commands and variables by which installing looks elsewhere.
fn of_command(line: &str) -> Option<&str> {
    const WORDS: [&str; 20] = [
        "--index-url",
        "--extra-index-url",
        "--trusted-host",
        "--find-links",
        "PIP_INDEX_URL",
        "PIP_EXTRA_INDEX_URL",
        "PIP_TRUSTED_HOST",
        "UV_INDEX",
        "UV_DEFAULT_INDEX",
        "--registry=",
        "--registry ",
        "config set registry",
        "npm_config_registry",
        "NPM_CONFIG_REGISTRY",
        "NODE_TLS_REJECT_UNAUTHORIZED",
        "GOPROXY",
        "GOSUMDB",
        "GOINSECURE",
        "GONOSUM",
        "-insecure",
    ];
    let line = line.trim();
    let is_comment = ["#", "//"].iter().any(|start| line.starts_with(start));
    (!is_comment && WORDS.iter().any(|word| line.contains(word))).then_some(line)
}

/// Whether the file holds commands that install or build.
fn is_command(file: &ChangedFile<'_>, kinds: &[PathKind]) -> bool {
    use SignalKind::{BuildScript, ExecutableHook, TouchesCi, TouchesContainer};
    let by_path = [BuildScript, ExecutableHook, TouchesCi, TouchesContainer].map(PathKind::Signal);
    kinds.iter().any(|kind| by_path.contains(kind))
        || [".sh", ".bash", ".ps1", ".env"].iter().any(|ending| file.name().ends_with(ending))
        || file.name() == "go.env"
}

/// What containers are built from: another image is another dependency, from another host it comes
/// from elsewhere. A newer one of the same name is what an update looks like.
fn images(file: &ChangedFile<'_>, seen: &mut Sightings) {
    if file.change.kind == ChangeKind::Added {
        return;
    }
    let before: Vec<_> = file.removed().filter_map(image).collect();
    for image in file.added().filter_map(image) {
        let place = format!("the image {} in {}", image.name, file.path());
        if !file.before().filter_map(self::image).any(|old| old.host == image.host) {
            seen.note(SignalKind::RegistryChanged, place);
        } else if !before.iter().any(|old| old.name == image.name) {
            seen.note(SignalKind::NewDependency, place);
        } else if !image.is_pinned && before.iter().all(|old| old.is_pinned) {
            seen.note(SignalKind::NewDependency, format!("{place}, no longer by its digest"));
        }
    }
}

/// An image that a container is built from.
struct Image<'a> {
    /// Empty for the engine's default.
    host: &'a str,
    /// Without tag and digest.
    name: &'a str,
    is_pinned: bool,
}

/// `FROM --platform=x host/name:tag@sha256:… AS stage`, `image: name:tag`
fn image(line: &str) -> Option<Image<'_>> {
    let mut words = line.split_whitespace();
    let first = words.next()?;
    if !first.eq_ignore_ascii_case("from") && first != "image:" {
        return None;
    }
    let reference = words.find(|word| !word.starts_with("--"))?.trim_matches(['"', '\'']);
    let (rest, digest) = reference.split_once('@').unwrap_or((reference, ""));
    let (host, path) = match rest.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (host, path),
        _ => ("", rest),
    };
    let tag = path.find(':').map_or(0, |colon| path.len() - colon);
    let name = &rest[..rest.len() - tag];
    Some(Image { host, name, is_pinned: !digest.is_empty() })
}
