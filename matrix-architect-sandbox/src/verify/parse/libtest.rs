//! `cargo test` on the stable toolchain: the text of libtest and rustdoc on standard output, what
//! Cargo says about the binaries on standard error. (libtest's JSON is unstable.)

use std::collections::BTreeMap;

use matrix_architect_core::evidence::TestCounts;

use super::{
    Report, rustc_text,
    text::{finding, finding_at, place},
};

/// Reads both outputs. Each binary's `test result:` line must agree with its `running N tests` line
/// and with the outcomes listed between them, and Cargo must not have announced more binaries than
/// reported.
pub(super) fn parse(stdout: &str, stderr: &str) -> Report {
    let mut reading = Reading::default();
    for line in stdout.lines() {
        reading.line(line);
    }
    reading.finish(stderr)
}

/// One binary's tests.
#[derive(Debug, Default)]
struct Binary {
    announced: u64,
    listed: TestCounts,
    /// The doc tests' names still have their line.
    failed: Vec<String>,
    /// A test whose outcome comes on a line of its own, as one thread prints it.
    pending: Option<String>,
    /// Whether what failed tests printed has begun, which is not to be taken for ours.
    quoting: bool,
    /// What was quoted of each failed test: message and place.
    quoted: BTreeMap<String, Quote>,
    current: Option<String>,
}

#[derive(Debug, Default)]
struct Quote {
    message: Option<String>,
    place: Option<(String, u32)>,
    /// The next line is the panic's message.
    message_next: bool,
}

#[derive(Debug, Default)]
struct Reading {
    report: Report,
    counts: TestCounts,
    binaries: u64,
    open: Option<Binary>,
}

impl Reading {
    fn line(&mut self, line: &str) {
        let Some(binary) = &mut self.open else {
            self.open = announced(line).map(Binary::announcing);
            return;
        };
        if let Some(declared) = result(line)
            && (!binary.quoting || binary.agrees(&declared))
        {
            self.close(&declared);
        } else if binary.quoting {
            binary.quote(line);
        } else if let Some(next) = announced(line) {
            self.report.flaw("a test binary ended before its result");
            self.give_up();
            self.open = Some(Binary::announcing(next));
        } else {
            binary.list(line);
        }
    }

    fn close(&mut self, declared: &TestCounts) {
        let Some(binary) = &self.open else { return };
        let silent = binary.listed.total() == 0;
        if binary.announced != declared.total() || !(silent || binary.listed == *declared) {
            self.report.flaw("a test binary's result contradicts the tests it listed");
        }
        if silent && declared.failed > 0 {
            self.report.findings.push(finding("tests", "failed without being listed"));
        }
        self.counts.passed += declared.passed;
        self.counts.failed += declared.failed;
        self.counts.skipped += declared.skipped;
        self.binaries += 1;
        self.give_up();
    }

    /// Takes over what is known of the open binary's failures.
    fn give_up(&mut self) {
        let Some(mut binary) = self.open.take() else { return };
        // Tests run side by side and are listed as they end: the same failures are to read the same.
        binary.failed.sort_unstable();
        for listed in &binary.failed {
            let quote = binary.quoted.remove(plain_name(listed)).unwrap_or_default();
            let (name, doc_place) = doc_test(plain_name(listed));
            let place = doc_place.or(quote.place);
            let message = quote.message.unwrap_or_else(|| "failed".to_owned());
            let (file, line) = place.unzip();
            self.report.findings.push(finding_at(name, &message, file.as_deref(), line));
        }
    }

    fn finish(mut self, stderr: &str) -> Report {
        if self.open.is_some() {
            self.report.flaw("the output ends before a test binary's result");
            self.give_up();
        }
        self.crashes(stderr);
        if self.binaries == 0 && self.report.findings.is_empty() {
            self.report.findings = rustc_text::errors(stderr);
            match (self.report.findings.is_empty(), rustc_text::complaint(stderr)) {
                (false, _) => {}
                (true, Some(why)) => self.report.flaw(format!("cargo could not test: {why}")),
                (true, None) => self.report.flaw("no test binary reported"),
            }
        } else if self.binaries < binaries_announced(stderr) {
            self.report.flaw("fewer test binaries reported than cargo started");
        }
        self.report.success = (self.binaries > 0 || !self.report.findings.is_empty())
            .then_some(self.report.findings.is_empty());
        self.report.tests = (self.binaries > 0).then_some(self.counts);
        self.report
    }

    /// Binaries that ended by a signal: their tests have no result.
    fn crashes(&mut self, stderr: &str) {
        let mut target = "a test binary";
        for line in stderr.lines() {
            if let Some(rest) = line.strip_prefix("error: test failed, to rerun pass `") {
                target = rest.trim_end_matches('`');
            } else if line.contains("process didn't exit successfully")
                && let Some(at) = line.find("(signal: ")
            {
                let signal = line[at..].trim_matches(['(', ')']);
                self.report.findings.push(finding(target, &format!("crashed: {signal}")));
                self.report.flaw("a test binary ended before its result");
            }
        }
    }
}

impl Binary {
    fn announcing(announced: u64) -> Self {
        Self { announced, ..Self::default() }
    }

    fn agrees(&self, declared: &TestCounts) -> bool {
        self.listed == *declared || (self.listed.total() == 0 && self.announced == declared.total())
    }

    fn list(&mut self, line: &str) {
        if line == "failures:" {
            self.quoting = true;
        } else if let Some((name, outcome)) =
            line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... "))
        {
            if !self.count(name, outcome) {
                self.pending = Some(name.split(" ... ").next().unwrap_or(name).to_owned());
            }
        } else if let Some(name) = self.pending.take()
            && !self.count(&name, line)
        {
            self.pending = Some(name);
        }
    }

    /// Counts an outcome; `false` if it is none.
    fn count(&mut self, name: &str, outcome: &str) -> bool {
        match outcome.split([' ', ',', '<']).next() {
            Some("ok" | "bench:") => self.listed.passed += 1,
            Some("ignored") => self.listed.skipped += 1,
            Some("FAILED") => {
                self.listed.failed += 1;
                self.failed.push(name.to_owned());
            }
            _ => return false,
        }
        true
    }

    fn quote(&mut self, line: &str) {
        if let Some(name) =
            line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----"))
        {
            self.current = Some(name.to_owned());
        } else if let Some(name) = &self.current {
            self.quoted.entry(name.clone()).or_default().line(line);
        }
    }
}

impl Quote {
    fn line(&mut self, line: &str) {
        if self.message_next {
            self.message_next = false;
            self.message.get_or_insert_with(|| line.to_owned());
        } else if let Some((_, at)) =
            line.strip_prefix("thread '").and_then(|rest| rest.split_once(" panicked at "))
        {
            if self.place.is_none() {
                self.place = place(at).map(|(file, line)| (file.to_owned(), line));
                self.message_next = true;
            }
        } else if let Some(at) = line.strip_prefix("note: test did not panic as expected at ") {
            self.place = place(at).map(|(file, line)| (file.to_owned(), line));
            self.message.get_or_insert_with(|| "did not panic as expected".to_owned());
        } else if line.starts_with("Error: ") || line.starts_with("error") {
            self.message.get_or_insert_with(|| line.to_owned());
        }
    }
}

/// The number of `running N tests`.
fn announced(line: &str) -> Option<u64> {
    let rest = line.strip_prefix("running ")?;
    rest.strip_suffix(" tests").or_else(|| rest.strip_suffix(" test"))?.parse().ok()
}

/// The counts of `test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out`.
/// Measured benches count as passed; filtered ones were never announced.
fn result(line: &str) -> Option<TestCounts> {
    let rest = line.strip_prefix("test result: ")?;
    let (word, rest) = rest.split_once(". ")?;
    let mut counts = TestCounts::default();
    let mut fields = rest.split("; ");
    for expected in ["passed", "failed", "ignored", "measured"] {
        let (number, unit) = fields.next()?.split_once(' ')?;
        let number: u64 = number.parse().ok()?;
        match expected {
            _ if unit != expected => return None,
            "passed" | "measured" => counts.passed = counts.passed.checked_add(number)?,
            "failed" => counts.failed = number,
            _ => counts.skipped = number,
        }
    }
    counts.passed.checked_add(counts.failed)?.checked_add(counts.skipped)?;
    ((word == "ok") == (counts.failed == 0)).then_some(counts)
}

/// The name without what libtest adds about how the test is run.
fn plain_name(listed: &str) -> &str {
    [" - should panic", " - compile fail", " - compile"]
        .iter()
        .find_map(|suffix| listed.strip_suffix(suffix))
        .unwrap_or(listed)
}

/// A doc test's name without its line, which moves with every edit above it, and its place.
fn doc_test(name: &str) -> (&str, Option<(String, u32)>) {
    let parts = name.strip_suffix(')').and_then(|rest| rest.rsplit_once(" (line "));
    let Some((title, line)) = parts else { return (name, None) };
    let Ok(line) = line.parse() else { return (name, None) };
    let file = title.split(" - ").next().unwrap_or(title).trim();
    (title, Some((file.to_owned(), line)))
}

/// How many binaries Cargo said it started. rustdoc may report more than once for one of them.
fn binaries_announced(stderr: &str) -> u64 {
    let announcement =
        |line: &&str| line.starts_with("     Running ") || line.starts_with("   Doc-tests ");
    stderr.lines().filter(announcement).count() as u64
}
