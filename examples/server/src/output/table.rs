//! Tables, plain enough to be read by eye and cut by column.

use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};
use matrix_architect_core::{
    evidence::{CheckResult, Evidence},
    job::Job,
};
use serde_json::Value;

use super::Screen;

/// A table with this heading.
pub fn table(heading: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(heading.iter().map(|word| word.to_uppercase()));
    // Without a terminal the width is unknown; a pipe takes any.
    if let Some(column) = table.column_mut(0) {
        column.set_padding((0, 2));
    }
    table
}

/// What was checked: check, result, counts or the summary, time.
pub fn evidence_table(screen: Screen, evidence: &[Evidence]) -> Table {
    let mut table = table(&["check", "result", "counts", "time"]);
    for one in evidence {
        table.add_row([
            one.name.clone(),
            result(screen, one),
            counts(one),
            duration(one).map_or_else(String::new, |took| format!("{:.1} s", took.as_secs_f64())),
        ]);
    }
    table
}

/// Jobs, a line each.
pub fn jobs_table(jobs: &[Job]) -> Table {
    let mut table = table(&["job", "status", "stage", "asked by", "created", "goal"]);
    for job in jobs {
        let goal: String = job.goal.chars().take(60).filter(|c| !c.is_control()).collect();
        table.add_row([
            job.id.to_string(),
            job.status.as_str().to_owned(),
            job.current_stage.map_or("-", |stage| stage.as_str()).to_owned(),
            job.requested_by.to_string(),
            job.created_at.to_string(),
            goal,
        ]);
    }
    table
}

fn result(screen: Screen, evidence: &Evidence) -> String {
    let (word, color) = match evidence.result {
        CheckResult::Passed => ("passed", "32"),
        CheckResult::Warned => ("warned", "33"),
        CheckResult::Failed => ("FAILED", "31"),
        CheckResult::Inconclusive => ("INCONCLUSIVE", "33"),
    };
    let optional = if evidence.required { "" } else { " (optional)" };
    screen.paint(&format!("{word}{optional}"), color)
}

fn counts(evidence: &Evidence) -> String {
    evidence.tests.map_or_else(
        || evidence.summary.clone(),
        |tests| {
            let skipped = match tests.skipped {
                0 => String::new(),
                count => format!(", {count} skipped"),
            };
            format!("{} passed, {} failed{skipped}", tests.passed, tests.failed)
        },
    )
}

/// How long the check's command ran, as the verifier noted it.
fn duration(evidence: &Evidence) -> Option<Duration> {
    let usage = evidence.details.get("usage")?;
    let millis = usage.get("wall_ms").and_then(Value::as_u64)?;
    Some(Duration::from_millis(millis))
}
