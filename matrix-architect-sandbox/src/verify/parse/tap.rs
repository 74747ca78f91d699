//! The Test Anything Protocol ([version 14](https://testanything.org/tap-version-14-specification.html)),
//! as `node --test` writes it: points, plans, indented subtests, and a YAML block with the place.

use matrix_architect_core::evidence::TestCounts;

use super::{
    Report,
    text::{finding_at, place, plain},
};

/// A result and what its block says about it.
#[derive(Debug, Default)]
struct Point {
    depth: usize,
    ok: bool,
    skipped: bool,
    name: String,
    location: Option<String>,
    error: Option<String>,
    is_suite: bool,
}

#[derive(Debug, Default)]
struct Reading {
    points: Vec<Point>,
    /// Where the open block ends, as the indentation of its last line.
    block: Option<usize>,
    /// Points that the plan of the outermost level promises.
    planned: Option<usize>,
    /// Whether it is Node's, which ends in sums.
    is_nodes: bool,
    /// What the end says: tests, pass, fail, cancelled, skipped, todo.
    told: [Option<u64>; 6],
    flaw: Option<String>,
}

const TOLD: [&str; 6] = ["tests", "pass", "fail", "cancelled", "skipped", "todo"];

pub(super) fn parse(bytes: &[u8]) -> Report {
    let mut reading = Reading::default();
    for line in plain(bytes).lines() {
        reading.line(line);
    }
    reading.report()
}

impl Reading {
    fn line(&mut self, line: &str) {
        let depth = line.len() - line.trim_start_matches(' ').len();
        let text = &line[depth..];
        if let Some(end) = self.block {
            if depth == end && text == "..." {
                self.block = None;
            } else {
                self.within_block(text, depth == end);
            }
            return;
        }
        if text == "---" && !self.points.is_empty() {
            self.block = Some(depth);
        } else if text.starts_with("Bail out!") {
            self.flaw.get_or_insert_with(|| text.to_owned());
        } else if let Some(rest) = text.strip_prefix("not ok") {
            self.point(depth, false, rest);
        } else if let Some(rest) = text.strip_prefix("ok") {
            self.point(depth, true, rest);
        } else if let (0, Some(count)) = (depth, text.strip_prefix("1..")) {
            self.planned = count.split(' ').next().and_then(|count| count.parse().ok());
        } else if let (0, Some(rest)) = (depth, text.strip_prefix("# ")) {
            self.sum(rest);
        }
    }

    fn point(&mut self, depth: usize, ok: bool, rest: &str) {
        if !rest.is_empty() && !rest.starts_with(' ') {
            return;
        }
        let rest = rest.trim_start();
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let rest = rest[digits..].trim_start();
        let rest = rest.strip_prefix("- ").unwrap_or(rest);
        let (name, directive) = directive(rest);
        let skipped = directive.is_some();
        let name = name.trim().replace("\\#", "#").replace("\\\\", "\\");
        self.points.push(Point { depth, ok, skipped, name, ..Point::default() });
    }

    fn within_block(&mut self, text: &str, own: bool) {
        let Some(point) = self.points.last_mut().filter(|_| own) else { return };
        let Some((key, value)) = text.split_once(": ") else { return };
        let value = value.trim().trim_matches(['\'', '"']).to_owned();
        match key {
            "location" => point.location = Some(value),
            "error" if !value.starts_with(['|', '>']) => point.error = Some(value),
            "type" => point.is_suite = value == "suite",
            _ => {}
        }
    }

    fn sum(&mut self, text: &str) {
        self.is_nodes |= text.starts_with("Subtest: ");
        let Some((word, number)) = text.split_once(' ') else { return };
        if let Some(place) = TOLD.iter().position(|known| *known == word) {
            self.told[place] = number.trim().parse().ok();
        }
    }

    fn report(self) -> Report {
        let mut report = Report { flaw: self.flaw, ..Report::default() };
        let outermost = self.points.iter().filter(|point| point.depth == 0).count();
        match self.planned {
            None => report.flaw("the report ends before its plan"),
            Some(planned) if planned != outermost => {
                report.flaw("the report has not the points that its plan promises");
            }
            Some(_) => {}
        }
        if self.block.is_some() {
            report.flaw("the report is cut");
        }
        let mut counts = TestCounts::default();
        for point in self.points.iter().filter(|point| !point.is_suite) {
            match (point.skipped, point.ok) {
                (true, _) => counts.skipped += 1,
                (false, true) => counts.passed += 1,
                (false, false) => {
                    counts.failed += 1;
                    report.findings.push(point.finding());
                }
            }
        }
        if let [Some(tests), Some(pass), Some(fail), Some(cancelled), Some(skipped), Some(todo)] =
            self.told
        {
            let told = (tests, pass, fail + cancelled, skipped + todo);
            if told != (counts.total(), counts.passed, counts.failed, counts.skipped) {
                report.flaw("the report's sums contradict its points");
            }
        }
        if self.is_nodes && self.told.contains(&None) {
            report.flaw("the report ends before its sums");
        }
        let failed_suite = self.points.iter().any(|point| !point.ok && !point.skipped);
        report.success = Some(!failed_suite);
        report.tests = Some(counts);
        report
    }
}

/// The description and what follows an unescaped `#`, if that is a directive.
fn directive(text: &str) -> (&str, Option<&str>) {
    let mut from = 0;
    while let Some(at) = text[from..].find('#').map(|at| at + from) {
        let word = text[at + 1..].trim_start().get(..4).unwrap_or_default();
        let escaped = text[..at].ends_with('\\');
        if !escaped && (word.eq_ignore_ascii_case("skip") || word.eq_ignore_ascii_case("todo")) {
            return (&text[..at], Some(&text[at + 1..]));
        }
        from = at + 1;
    }
    (text, None)
}

impl Point {
    fn finding(&self) -> matrix_architect_core::evidence::Finding {
        let message = self.error.as_deref().unwrap_or("failed");
        let (file, line) = match self.location.as_deref().and_then(place) {
            Some((file, line)) => (Some(file.trim_start_matches("file://")), Some(line)),
            None => (None, None),
        };
        finding_at(&self.name, message, file, line)
    }
}
