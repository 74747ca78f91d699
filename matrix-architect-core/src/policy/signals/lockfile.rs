//! What a lockfile pins: the same version must keep its checksum, and packages must keep coming
//! from where they came from.

use std::collections::{BTreeMap, BTreeSet};

use super::{Scene, Sightings, SignalKind};

const LOCKFILES: [&str; 12] = [
    "Cargo.lock",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "bun.lock",
    "poetry.lock",
    "uv.lock",
    "pdm.lock",
    "Pipfile.lock",
    "go.sum",
    "Gemfile.lock",
];

/// What some lines of a lockfile pin.
#[derive(Debug, Default)]
struct Pins<'a> {
    /// Checksums by package and version, or by file.
    checksums: BTreeMap<String, BTreeSet<&'a str>>,
    /// Hosts packages come from.
    hosts: BTreeSet<&'a str>,
    /// Packages with a program that runs when they are installed.
    scripts: BTreeSet<String>,
}

pub(super) fn look(scene: &Scene<'_>, seen: &mut Sightings) {
    for file in scene.reading.files.iter().filter(|file| LOCKFILES.contains(&file.name())) {
        let (before, after) = (Pins::of(file.before()), Pins::of(file.after()));
        for (package, checksums) in &after.checksums {
            let kept = before.checksums.get(package);
            if kept.is_some_and(|kept| kept.is_disjoint(checksums)) {
                seen.note(SignalKind::IntegrityChanged, format!("{package} in {}", file.path()));
            }
        }
        if !before.hosts.is_empty() {
            for host in after.hosts.difference(&before.hosts) {
                seen.note(SignalKind::RegistryChanged, format!("{host} in {}", file.path()));
            }
        }
        for package in after.scripts.difference(&before.scripts) {
            seen.note(SignalKind::InstallScript, format!("{package} in {}", file.path()));
        }
    }
}

impl<'a> Pins<'a> {
    /// Reads line by line, for a hunk is no document. Package, version and checksum stand next to
    /// each other in all these formats.
    fn of(lines: impl Iterator<Item = &'a str>) -> Self {
        let mut pins = Self::default();
        let (mut package, mut version) = ("", "");
        for line in lines {
            let text = line.trim();
            if let Some(name) = package_name(line, text) {
                (package, version) = (name, "");
            } else if let Some(value) = value_of(text, "version") {
                version = value;
            } else if let Some(key) = file_key(text) {
                pins.pin(key.to_owned(), checksum(text));
            } else {
                pins.pin(format!("{package} {version}").trim().to_owned(), checksum(text));
            }
            if text.starts_with("\"hasInstallScript\": true") {
                pins.scripts.insert(package.to_owned());
            }
            pins.hosts.extend(host(text));
        }
        pins
    }

    fn pin(&mut self, key: String, checksum: Option<&'a str>) {
        let Some(checksum) = checksum.filter(|_| !key.is_empty()) else { return };
        self.checksums.entry(key).or_default().insert(checksum);
    }
}

/// The line that begins a package: `name = "x"`, `"node_modules/x": {`, `x@^1:`, `/x@1.0.0:`.
fn package_name<'a>(line: &str, text: &'a str) -> Option<&'a str> {
    if let Some(name) = value_of(text, "name") {
        return Some(name);
    }
    if let Some(key) = text.strip_suffix("\": {").and_then(|text| text.strip_prefix('"')) {
        return key.contains("node_modules/").then_some(key);
    }
    let is_heading = text.ends_with(':') && text.contains('@') && !line.starts_with("    ");
    is_heading.then(|| text.trim_end_matches(':'))
}

/// The value of `key = "value"`, `"key": "value",` or `key "value"`.
fn value_of<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let text = text.strip_prefix('"').unwrap_or(text).strip_prefix(key)?;
    let text =
        text.strip_prefix("\":").or_else(|| text.trim_start().strip_prefix('=')).unwrap_or(text);
    text.trim().trim_end_matches(',').strip_prefix('"')?.strip_suffix('"')
}

/// What a checksum is of, where the line itself says so: a file, a URL, or a Go module.
fn file_key(text: &str) -> Option<&str> {
    if let Some((module, _)) = text.rsplit_once(" h1:") {
        return Some(module);
    }
    let (_, rest) = text.split_once("file = \"").or_else(|| text.split_once("url = \""))?;
    rest.split('"').next()
}

fn checksum(text: &str) -> Option<&str> {
    let plain = value_of(text, "checksum").or_else(|| value_of(text, "integrity"));
    plain.or_else(|| {
        let (_, rest) = ["hash = \"", "integrity: ", "integrity ", " h1:"]
            .iter()
            .find_map(|start| text.split_once(start))?;
        rest.split(['"', '}', ',', ' ']).next().filter(|sum| sum.len() > 20)
    })
}

fn host(text: &str) -> Option<&str> {
    let is_address = ["resolved", "source", "registry", "url", "{ url", "tarball", "resolution"]
        .iter()
        .any(|key| text.trim_start_matches('"').starts_with(key));
    let (_, rest) = text.split_once("://").filter(|_| is_address)?;
    let authority = rest.split(['/', '"', '#', '?', ' ']).next()?;
    Some(authority.rsplit_once('@').map_or(authority, |(_, host)| host))
        .filter(|host| !host.is_empty())
}
