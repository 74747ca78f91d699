//! The rows of the targets, as they stand in the documentation.

use std::time::Duration;

/// What was measured of each row, reached or not.
#[derive(Debug, Default)]
pub(crate) struct Targets(Vec<Row>);

#[derive(Debug)]
struct Row {
    name: String,
    target: &'static str,
    measured: Option<String>,
    is_reached: bool,
}

impl Targets {
    /// A row whose figure may be so much; `None` if a peer was missing.
    pub(crate) fn at_most(
        &mut self,
        name: &str,
        target: &'static str,
        most: f64,
        measured: Option<(f64, String)>,
    ) {
        let is_reached = measured.as_ref().is_some_and(|(figure, _)| *figure <= most);
        self.add(name, target, is_reached, measured);
    }

    /// A row whose figure must be so much.
    pub(crate) fn at_least(
        &mut self,
        name: &str,
        target: &'static str,
        least: f64,
        measured: Option<(f64, String)>,
    ) {
        let is_reached = measured.as_ref().is_some_and(|(figure, _)| *figure >= least);
        self.add(name, target, is_reached, measured);
    }

    fn add(
        &mut self,
        name: &str,
        target: &'static str,
        is_reached: bool,
        measured: Option<(f64, String)>,
    ) {
        let measured = measured.map(|(_, words)| words);
        self.0.push(Row { name: name.to_owned(), target, measured, is_reached });
    }

    pub(crate) fn print(&self) {
        println!("\n| row | measured | target | |");
        println!("|---|---|---|---|");
        for row in &self.0 {
            let (measured, word) = match &row.measured {
                Some(measured) if row.is_reached => (measured.as_str(), "reached"),
                Some(measured) => (measured.as_str(), "**missed**"),
                None => ("", "peer missing"),
            };
            println!("| {} | {measured} | {} | {word} |", row.name, row.target);
        }
    }
}

/// That percentile of some times, in milliseconds.
pub(crate) fn percentile(times: &[Duration], percent: usize) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() * percent / 100].as_secs_f64() * 1000.0
}
