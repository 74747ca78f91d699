//! What a formatter would change, as the diff it prints.

use super::{
    Report, rustc_text,
    text::{finding_at, place},
};

/// `cargo fmt --check`: `Diff in file:line:` and the lines around, errors on standard error. It says
/// nothing when all is well, so an empty output is a clean one; the exit code stands beside it.
pub(super) fn rustfmt(stdout: &str, stderr: &str) -> Report {
    let mut hunks = Hunks::new("rustfmt");
    for line in stdout.lines() {
        match line.strip_prefix("Diff in ").and_then(old_or_new_place) {
            Some((file, line)) => hunks.open(file, line),
            None => hunks.line(line),
        }
    }
    hunks.report(stderr)
}

/// `path:12:` of today's rustfmt or `path at line 12:` of older ones.
fn old_or_new_place(text: &str) -> Option<(&str, u32)> {
    let old = text.trim_end_matches(':').rsplit_once(" at line ");
    old.map_or_else(|| place(text), |(file, line)| Some((file, line.parse().ok()?)))
}

/// A unified diff, as `ruff format --diff` or `black --diff` print it.
pub(super) fn unified(stdout: &str, stderr: &str) -> Report {
    let mut hunks = Hunks::new("format");
    let mut file = String::new();
    for line in stdout.lines() {
        if let Some(name) = line.strip_prefix("--- ") {
            let name = name.split('\t').next().unwrap_or(name);
            // gofmt calls what stands there so.
            name.strip_suffix(".orig").unwrap_or(name).clone_into(&mut file);
        } else if let Some(ranges) = line.strip_prefix("@@ -") {
            let start = ranges.split([',', ' ']).next().and_then(|start| start.parse().ok());
            hunks.open(&file, start.unwrap_or(1));
        } else if !line.starts_with("+++ ") {
            hunks.line(line);
        }
    }
    hunks.report(stderr)
}

struct Hunks {
    tool: &'static str,
    report: Report,
    /// The place of the open hunk, the line it has reached, and what it removes or else adds.
    open: Option<Hunk>,
}

struct Hunk {
    file: String,
    line: u32,
    first: Option<u32>,
    removed: Vec<String>,
    added: Vec<String>,
}

impl Hunks {
    fn new(tool: &'static str) -> Self {
        Self { tool, report: Report::default(), open: None }
    }

    fn open(&mut self, file: &str, line: u32) {
        self.close();
        let file = file.to_owned();
        self.open = Some(Hunk { file, line, first: None, removed: vec![], added: vec![] });
    }

    fn line(&mut self, line: &str) {
        let Some(hunk) = &mut self.open else { return };
        let changed = line.starts_with(['-', '+']);
        if changed {
            hunk.first.get_or_insert(hunk.line);
        }
        if let Some(added) = line.strip_prefix('+') {
            hunk.added.push(added.trim().to_owned());
        } else {
            hunk.removed.extend(line.strip_prefix('-').map(|text| text.trim().to_owned()));
            hunk.line = hunk.line.saturating_add(1);
        }
    }

    /// What a hunk removes is its message: it stays the same when lines above it move.
    fn close(&mut self) {
        let Some(hunk) = self.open.take() else { return };
        let text = if hunk.removed.is_empty() { hunk.added } else { hunk.removed };
        let message = format!("not formatted: {}", text.join(" ⏎ "));
        let line = Some(hunk.first.unwrap_or(hunk.line));
        self.report.findings.push(finding_at(self.tool, &message, Some(&hunk.file), line));
    }

    fn report(mut self, stderr: &str) -> Report {
        self.close();
        let errors = rustc_text::errors(stderr);
        if errors.is_empty()
            && let Some(why) = rustc_text::complaint(stderr)
        {
            self.report.flaw(format!("the formatter could not read everything: {why}"));
        }
        self.report.findings.extend(errors);
        self.report.success = Some(self.report.findings.is_empty());
        self.report
    }
}
