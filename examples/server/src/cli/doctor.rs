//! `architect doctor`: whether this machine has what it takes, and what to do where it has not.

use clap::Args;
use matrix_architect_core::error::Result;

use super::{context::Context, exit::Exit};
use crate::{
    doctor::{Finding, State, examine},
    isolation::Isolation,
    output::table,
};

/// Look whether this machine has what it takes, and say what to do where it has not.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// Port that the server would listen on
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    port: u16,
    #[command(flatten)]
    isolation: Isolation,
}

impl Doctor {
    pub(super) async fn run(&self, context: &Context) -> Result<Exit> {
        let composition = context.composition.clone().isolation(&self.isolation);
        let home = context.home();
        let checks = composition.examine_sandbox(home.as_ref().ok()).await?;
        let findings = examine(home, &context.environment, &composition, checks, self.port);
        let missing = findings.iter().any(|finding| finding.state == State::Missing);
        if context.screen.is_json() {
            context.screen.json(&findings)?;
        } else {
            context.screen.say(&page(context, &findings));
        }
        Ok(if missing { Exit::Error } else { Exit::Done })
    }
}

fn page(context: &Context, findings: &[Finding]) -> String {
    let mut rows = table(&["", "what", "found"]);
    for finding in findings {
        let mark = match finding.state {
            State::Good => context.screen.paint("✓", "32"),
            State::Limited => context.screen.paint("!", "33"),
            State::Missing => context.screen.paint("✗", "31"),
        };
        rows.add_row([mark, finding.name.clone(), finding.detail.clone()]);
    }
    let remedies = findings.iter().filter_map(|finding| {
        finding.remedy.as_ref().map(|remedy| format!("\n{}: {remedy}", finding.name))
    });
    let remedies: String = remedies.collect();
    if remedies.is_empty() { rows.trim_fmt() } else { format!("{}\n{remedies}", rows.trim_fmt()) }
}
