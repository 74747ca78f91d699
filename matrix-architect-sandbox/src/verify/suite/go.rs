//! Projects with a `go.mod` in their root.

use matrix_architect_core::evidence::EvidenceKind;

use super::super::{
    check::{Check, Planned, Tool},
    parse::Parser,
};

const GO: Tool = Tool {
    name: "go",
    probe: &["go", "version"],
    remedy: "install Go where the sandbox can see it",
};

/// gofmt tells what it would change and succeeds all the same.
const FORMAT: &str = "changes=$(gofmt -d .) && printf '%s\\n' \"$changes\" && [ -z \"$changes\" ]";

/// Formatting first, tests last.
pub(in super::super) fn checks() -> Vec<Planned> {
    let format = ["sh", "-c", FORMAT];
    let checks = [
        Check::new("go.fmt", EvidenceKind::LintResults, format, Parser::FormatDiff),
        Check::new("go.vet", EvidenceKind::LintResults, ["go", "vet", "./..."], Parser::Go),
        Check::new("go.build", EvidenceKind::BuildLogs, ["go", "build", "./..."], Parser::Go),
        Check::new(
            "go.test",
            EvidenceKind::TestResults,
            ["go", "test", "-json", "./..."],
            Parser::GoTest,
        ),
    ];
    let colourless = [("NO_COLOR", "1")];
    checks.into_iter().map(|check| check.within(&colourless).needing(GO).into()).collect()
}
