//! A job's progress as it happens: a line for each thing done and, on a terminal, one that moves.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use matrix_architect_core::event::EventEnvelope;

use super::{Line, Mark, Narrator, Screen};

/// Shows a job's progress.
#[derive(Debug)]
pub struct Progress {
    screen: Screen,
    narrator: Narrator,
    spinner: Option<ProgressBar>,
}

impl Progress {
    /// Progress on this screen.
    pub fn new(screen: Screen) -> Self {
        let spinner = screen.is_live().then(|| {
            let spinner = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("  {spinner} {msg} {elapsed}") {
                spinner.set_style(style.tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ "));
            }
            spinner.enable_steady_tick(Duration::from_millis(100));
            spinner
        });
        Self { screen, narrator: Narrator::default(), spinner }
    }

    /// The number of the last event shown.
    pub const fn seen(&self) -> u64 {
        self.narrator.seen()
    }

    /// Shows what an event means.
    pub fn show(&mut self, envelope: &EventEnvelope) {
        let line = self.narrator.tell(envelope);
        if let (Some(spinner), Some(stage)) = (&self.spinner, self.narrator.stage()) {
            spinner.set_message(stage.as_str());
        }
        if let Some(line) = line {
            self.print(&render(self.screen, &line));
        }
    }

    /// Shows a line about the command itself.
    pub fn print(&self, text: &str) {
        match &self.spinner {
            Some(spinner) => spinner.suspend(|| self.screen.note(text)),
            None => self.screen.note(text),
        }
    }

    /// Ends what moves.
    pub fn finish(self) {
        if let Some(spinner) = self.spinner {
            spinner.finish_and_clear();
        }
    }
}

fn render(screen: Screen, line: &Line) -> String {
    let mark = match line.mark {
        Mark::Good => screen.paint("✓", "32"),
        Mark::Bad => screen.paint("✗", "31"),
        Mark::Pause => screen.paint("•", "33"),
        Mark::Note => screen.paint("·", "2"),
    };
    let stage = line.stage.map_or("", |stage| stage.as_str());
    let took = line.took.map(|took| format!("  ({:.1} s)", took.as_secs_f64()));
    // Eight columns hold the longest stage and a space, before any colour.
    let stage = screen.paint(&format!("{stage:<8}"), "1");
    format!("{stage}{mark} {}{}", line.text, took.unwrap_or_default())
}
