//! Standard output and standard error, and what each of them can show.

use std::io::{self, IsTerminal as _, Write as _};

use matrix_architect_core::error::{Error, ErrorKind, Result};
use serde::Serialize;

/// Where results and messages go. Results go to standard output, everything about the way there to
/// standard error.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "four independent facts about two streams")]
pub struct Screen {
    json: bool,
    quiet: bool,
    color: bool,
    live: bool,
}

impl Screen {
    /// A screen on this process' standard streams.
    pub fn new(json: bool, quiet: bool, no_color: bool) -> Self {
        let terminal = io::stderr().is_terminal();
        let color = !no_color && terminal && io::stdout().is_terminal();
        Self { json, quiet, color, live: terminal && !json && !quiet }
    }

    /// Whether results are JSON.
    pub const fn is_json(self) -> bool {
        self.json
    }

    /// Whether somebody watches who can be shown something that moves.
    pub const fn is_live(self) -> bool {
        self.live
    }

    /// Whether nobody wants to know how it goes.
    pub const fn is_silent(self) -> bool {
        self.json || self.quiet
    }

    /// Prints a result for people.
    pub fn say(self, text: &str) {
        if !self.json {
            write_line(&mut io::stdout().lock(), text);
        }
    }

    /// Prints a word about the way there.
    pub fn note(self, text: &str) {
        if !self.is_silent() {
            write_line(&mut io::stderr().lock(), text);
        }
    }

    /// Prints what somebody has to know, however quiet it shall be.
    pub fn warn(self, text: &str) {
        write_line(&mut io::stderr().lock(), text);
    }

    /// Prints a result for programs: one JSON document.
    ///
    /// # Errors
    /// `Unexpected` if the value has no JSON form.
    pub fn json(self, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|cause| Error::unexpected("the result has no JSON form").source(cause))?;
        write_line(&mut io::stdout().lock(), &text);
        Ok(())
    }

    /// Prints bytes as they are.
    ///
    /// # Errors
    /// `Unavailable` if nobody takes them.
    pub fn raw(self, bytes: &[u8]) -> Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush()).map_err(|cause| {
            Error::new(ErrorKind::Unavailable, "standard output takes nothing more").source(cause)
        })
    }

    /// Prints an error: one sentence, what to do, and the causes where they say more.
    pub fn error(self, error: &Error) {
        let label = self.paint("error", "31;1");
        let mut sentence = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(source) = cause {
            let words = source.to_string();
            if !sentence.contains(&words) {
                sentence = format!("{sentence} [{}]", words.replace('\n', "; "));
            }
            cause = source.source();
        }
        self.warn(&format!("{label}: {sentence}"));
    }

    /// The text in a colour (an SGR parameter), if colours can be shown.
    pub fn paint(self, text: &str, color: &str) -> String {
        if self.color { format!("\x1b[{color}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// A reader that went away is not our failure.
fn write_line(out: &mut impl io::Write, text: &str) {
    let _ = writeln!(out, "{text}");
}
