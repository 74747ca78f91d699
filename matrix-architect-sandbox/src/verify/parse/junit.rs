//! JUnit XML, in the shape pytest, jest, Gradle, Maven and nextest write it. No document type, no
//! entities beside XML's own five, bounded depth and size.

use matrix_architect_core::evidence::TestCounts;
use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};

use super::{
    Report,
    text::{finding_at, place},
};

/// Beyond this a report is refused.
const MAX_BYTES: usize = 64 << 20;
const MAX_DEPTH: usize = 32;

pub(super) fn parse(bytes: &[u8]) -> Report {
    if bytes.len() > MAX_BYTES {
        return Report::flawed("the report is larger than 64 MiB");
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Report::flawed("the report is not UTF-8");
    };
    let mut reading = Reading::default();
    match reading.read(text) {
        Ok(()) => reading.report(),
        Err(flaw) => Report { flaw: Some(flaw), ..reading.report() },
    }
}

/// What one suite says about itself, against what is counted in it.
#[derive(Debug, Default)]
struct Suite {
    declared: [Option<u64>; 3],
    counted: [u64; 3],
}

/// Indices of `Suite`'s counts.
const FAILURES: usize = 0;
const ERRORS: usize = 1;
const SKIPPED: usize = 2;

#[derive(Debug, Default)]
struct Case {
    name: String,
    file: Option<String>,
    line: Option<u32>,
    passed: bool,
    /// The open failure's message and text.
    failure: Option<(String, String)>,
}

#[derive(Debug, Default)]
struct Reading {
    report: Report,
    counts: TestCounts,
    suites: Vec<Suite>,
    case: Option<Case>,
    depth: usize,
    root_seen: bool,
    root_closed: bool,
}

impl Reading {
    fn read(&mut self, text: &str) -> Result<(), String> {
        let mut reader = Reader::from_str(text);
        loop {
            match reader.read_event().map_err(|error| format!("the report is cut: {error}"))? {
                Event::Eof => break,
                Event::DocType(_) => return Err("the report has a document type".into()),
                Event::Start(start) => self.start(&start)?,
                Event::Empty(start) => {
                    self.start(&start)?;
                    self.end(start.name().as_ref());
                }
                Event::End(end) => self.end(end.name().as_ref()),
                Event::Text(text) => self.text(&text),
                Event::CData(text) => self.text(&text),
                Event::GeneralRef(entity) => self.entity(&entity)?,
                _ => {}
            }
        }
        match (self.root_closed, self.depth) {
            (true, 0) => Ok(()),
            _ => Err("the report ends before its root element does".into()),
        }
    }

    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("the report is nested too deeply".into());
        }
        let name = start.name();
        let name: &str = name.as_ref();
        if self.depth == 1 {
            if self.root_seen || !matches!(name, "testsuites" | "testsuite") {
                return Err("the root element is not that of a JUnit report".into());
            }
            self.root_seen = true;
        }
        match name {
            "testsuite" => self.suites.push(Suite {
                declared: [
                    number(start, "failures")?,
                    number(start, "errors")?,
                    number(start, "skipped")?,
                ],
                ..Suite::default()
            }),
            "testcase" => self.case = Some(case(start)?),
            "failure" => self.outcome(start, FAILURES)?,
            "error" => self.outcome(start, ERRORS)?,
            "skipped" => self.outcome(start, SKIPPED)?,
            _ => {}
        }
        Ok(())
    }

    fn outcome(&mut self, start: &BytesStart<'_>, kind: usize) -> Result<(), String> {
        let Some(case) = &mut self.case else { return Ok(()) };
        case.passed = false;
        if let Some(suite) = self.suites.last_mut() {
            suite.counted[kind] += 1;
        }
        if kind == SKIPPED {
            self.counts.skipped += 1;
        } else {
            self.counts.failed += 1;
            let message = attribute(start, "message")?.unwrap_or_default();
            case.failure = Some((message, String::new()));
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if let Some((_, body)) = self.case.as_mut().and_then(|case| case.failure.as_mut()) {
            body.push_str(text);
        }
    }

    fn entity(&mut self, name: &str) -> Result<(), String> {
        let text = match name {
            "lt" => "<",
            "gt" => ">",
            "amp" => "&",
            "quot" => "\"",
            "apos" => "'",
            _ if name.starts_with('#') => "\u{fffd}",
            _ => return Err("the report uses an entity that XML does not define".into()),
        };
        self.text(text);
        Ok(())
    }

    fn end(&mut self, name: &str) {
        self.depth = self.depth.saturating_sub(1);
        self.root_closed |= self.depth == 0;
        match name {
            "failure" | "error" => self.finding(),
            "testcase" => {
                let passed = self.case.take().is_some_and(|case| case.passed);
                self.counts.passed += u64::from(passed);
            }
            "testsuite" => self.close_suite(),
            _ => {}
        }
    }

    fn finding(&mut self) {
        let Some(case) = &mut self.case else { return };
        let Some((message, body)) = case.failure.take() else { return };
        let found = body.lines().rev().find_map(trace_place);
        let (file, line) = match found {
            Some((file, line)) => (Some(file), Some(line)),
            None => (case.file.as_deref(), case.line),
        };
        let first =
            if message.is_empty() { body.lines().next().unwrap_or("failed") } else { &message };
        self.report.findings.push(finding_at(&case.name, first, file, line));
    }

    /// Declared counts of a suite are those of its own cases and of the suites inside it.
    fn close_suite(&mut self) {
        let Some(suite) = self.suites.pop() else { return };
        let differs = |(declared, counted): (&Option<u64>, &u64)| {
            declared.is_some_and(|declared| declared != *counted)
        };
        if suite.declared.iter().zip(&suite.counted).any(differs) {
            self.report.flaw("a suite's counts contradict its cases");
        }
        if let Some(outer) = self.suites.last_mut() {
            outer.counted.iter_mut().zip(suite.counted).for_each(|(sum, count)| *sum += count);
        }
    }

    fn report(mut self) -> Report {
        self.report.tests = Some(self.counts);
        self.report.success = Some(self.counts.failed == 0);
        self.report
    }
}

fn case(start: &BytesStart<'_>) -> Result<Case, String> {
    let name = attribute(start, "name")?.unwrap_or_default();
    let class = attribute(start, "classname")?.filter(|class| !class.is_empty());
    let name = class.map_or_else(|| name.clone(), |class| format!("{class}::{name}"));
    let file = attribute(start, "file")?;
    let line = number(start, "line")?.and_then(|line| u32::try_from(line).ok());
    Ok(Case { name, file, line, passed: true, failure: None })
}

/// pytest ends a traceback with `tests/test_x.py:12: AssertionError`.
fn trace_place(line: &str) -> Option<(&str, u32)> {
    let (at, _) = line.split_once(": ")?;
    (!at.contains([' ', '"'])).then(|| place(at))?.filter(|(file, _)| file.contains('.'))
}

fn attribute(start: &BytesStart<'_>, name: &str) -> Result<Option<String>, String> {
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| format!("an attribute is malformed: {error}"))?;
        let key: &str = attribute.key.as_ref();
        if key == name {
            let value = attribute
                .normalized_value(quick_xml::XmlVersion::Implicit1_0)
                .map_err(|error| format!("an attribute is malformed: {error}"))?;
            return Ok(Some(value.into_owned()));
        }
    }
    Ok(None)
}

fn number(start: &BytesStart<'_>, name: &str) -> Result<Option<u64>, String> {
    let Some(text) = attribute(start, name)?.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    text.trim().parse().map(Some).map_err(|_| format!("'{name}' is not a number"))
}
