//! What `go test -json` prints: one event a line
//! ([format](https://pkg.go.dev/cmd/test2json#hdr-Output_Format)).

use std::collections::{BTreeMap, BTreeSet};

use matrix_architect_core::evidence::TestCounts;
use serde::Deserialize;

use super::{
    Report,
    go_text::{self, is_source},
    text::{finding_at, place},
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    action: String,
    #[serde(default)]
    package: String,
    #[serde(default)]
    test: Option<String>,
    #[serde(default)]
    output: String,
}

/// What is kept of one test's or package's output.
const MAX_LINES: usize = 50;

#[derive(Default)]
struct Reading {
    counts: TestCounts,
    /// Packages that began, and whether each ended.
    packages: BTreeMap<String, bool>,
    open: BTreeSet<(String, String)>,
    output: BTreeMap<(String, Option<String>), Vec<String>>,
    failed_packages: Vec<String>,
    /// Packages that did not become a program, and why.
    unbuilt: Vec<(String, String)>,
    /// Packages in which a test failed.
    explained: BTreeSet<String>,
    report: Report,
}

pub(super) fn parse(stdout: &[u8], stderr: &str) -> Report {
    let mut reading = Reading::default();
    for line in stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        // Older versions say in plain text that a package was not built.
        if line.first() != Some(&b'{') {
            reading.plain(&String::from_utf8_lossy(line));
            continue;
        }
        match serde_json::from_slice::<Event>(line) {
            Ok(event) => reading.event(event),
            Err(_) => reading.report.flaw("an event is no JSON object of go test's"),
        }
    }
    reading.report(stderr)
}

impl Reading {
    fn plain(&mut self, line: &str) {
        let Some((package, why)) =
            line.strip_prefix("FAIL\t").and_then(|rest| rest.split_once(' '))
        else {
            return;
        };
        if let Some(why) = why.strip_prefix('[').and_then(|why| why.strip_suffix(']')) {
            self.unbuilt.push((package.to_owned(), why.to_owned()));
        }
    }

    fn event(&mut self, event: Event) {
        let Event { action, package, test, output } = event;
        if package.is_empty() {
            return;
        }
        self.packages.entry(package.clone()).or_insert(false);
        match (action.as_str(), test) {
            ("output", test) => {
                let lines = self.output.entry((package, test)).or_default();
                if lines.len() < MAX_LINES {
                    lines.push(output.trim_end().to_owned());
                }
            }
            ("run", Some(test)) => drop(self.open.insert((package, test))),
            (ended @ ("pass" | "fail" | "skip"), Some(test)) => self.test(ended, package, test),
            (ended @ ("pass" | "fail" | "skip"), None) => {
                self.packages.insert(package.clone(), true);
                if ended == "fail" {
                    self.failed_packages.push(package);
                }
            }
            _ => {}
        }
    }

    fn test(&mut self, ended: &str, package: String, test: String) {
        self.open.remove(&(package.clone(), test.clone()));
        match ended {
            "pass" => self.counts.passed += 1,
            "skip" => self.counts.skipped += 1,
            _ => {
                self.counts.failed += 1;
                self.explained.insert(package.clone());
                self.fail(package, Some(test));
            }
        }
    }

    /// A finding with the first line of output that names a place.
    fn fail(&mut self, package: String, test: Option<String>) {
        let name =
            test.as_ref().map_or_else(|| package.clone(), |test| format!("{package}.{test}"));
        let lines = self.output.get(&(package, test)).map(Vec::as_slice).unwrap_or_default();
        let placed = lines.iter().find_map(|line| {
            let (at, message) = line.trim().split_once(": ")?;
            let (file, number) = place(at).filter(|(file, _)| is_source(file))?;
            Some((file, number, message))
        });
        let quiet = |line: &&String| !line.is_empty() && !line.starts_with(['=', '-']);
        let finding = if let Some((file, line, message)) = placed {
            finding_at(&name, message, Some(file), Some(line))
        } else {
            let first = lines.iter().find(quiet).map_or("failed", String::as_str);
            finding_at(&name, first.trim(), None, None)
        };
        self.report.findings.push(finding);
    }

    fn report(mut self, stderr: &str) -> Report {
        for package in std::mem::take(&mut self.failed_packages) {
            if !self.explained.contains(&package) {
                self.fail(package, None);
            }
        }
        // A test whose process died has no end of its own; its package has one.
        for (package, test) in std::mem::take(&mut self.open) {
            if self.packages.get(&package) == Some(&true) {
                self.counts.failed += 1;
                self.fail(package, Some(test));
            }
        }
        let mut report = self.report;
        report.findings.extend(go_text::parse(stderr).findings);
        for (package, why) in &self.unbuilt {
            report.findings.push(finding_at(package, why, None, None));
        }
        if self.packages.is_empty() && self.unbuilt.is_empty() {
            report.flaw(match stderr.lines().find(|line| !line.trim().is_empty()) {
                Some(line) => format!("there is no event of any package: {}", line.trim()),
                None => "there is no event of any package".to_owned(),
            });
        }
        if self.packages.values().any(|ended| !ended) {
            report.flaw("the events end before a package did");
        }
        report.success = Some(report.findings.is_empty());
        report.tests = Some(self.counts);
        report
    }
}
