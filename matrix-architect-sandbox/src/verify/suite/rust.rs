//! Projects with a `Cargo.toml` in their root. Everything runs offline; with a lock file it is the
//! lock file's versions or nothing.

use matrix_architect_core::evidence::EvidenceKind;

use super::{
    super::{
        check::{Check, Planned, Tool},
        parse::Parser,
    },
    Base,
};

const CARGO: Tool = Tool {
    name: "cargo",
    probe: &["cargo", "--version"],
    remedy: "install a Rust toolchain where the sandbox can see it",
};
const RUSTFMT: Tool = Tool {
    name: "rustfmt",
    probe: &["cargo", "fmt", "--version"],
    remedy: "add rustfmt to the toolchain: rustup component add rustfmt",
};
const CLIPPY: Tool = Tool {
    name: "clippy",
    probe: &["cargo", "clippy", "--version"],
    remedy: "add clippy to the toolchain: rustup component add clippy",
};

/// Formatting first, since it is the fastest to know; tests last.
pub(in super::super) fn checks(base: &Base) -> Vec<Planned> {
    let offline = ["--workspace", "--offline"].into_iter();
    let scope: Vec<&str> = offline.chain(base.has("Cargo.lock").then_some("--locked")).collect();
    let cargo = |name, kind, head: &[&str], tail: &[&str], parser| {
        let argv = ["cargo"].iter().chain(head).chain(&scope).chain(tail);
        Check::new(name, kind, argv.copied(), parser)
    };
    let format = ["cargo", "fmt", "--all", "--check", "--", "--color", "never"];
    let json = "--message-format=json";
    let checks = [
        Check::new("rust.fmt", EvidenceKind::LintResults, format, Parser::Rustfmt).needing(RUSTFMT),
        cargo(
            "rust.clippy",
            EvidenceKind::LintResults,
            &["clippy", "--all-targets"],
            &[json],
            Parser::CargoJson,
        )
        .needing(CLIPPY),
        cargo("rust.build", EvidenceKind::BuildLogs, &["build"], &[json], Parser::CargoBuild)
            .needing(CARGO),
        cargo(
            "rust.test",
            EvidenceKind::TestResults,
            &["test", "--no-fail-fast"],
            &[],
            Parser::Libtest,
        )
        .needing(CARGO),
    ];
    checks.into_iter().map(|check| check.within(&ENVIRONMENT).into()).collect()
}

/// No network, no colours, no traces, and results inside the private copy of the tree, where later
/// checks and the release find them.
const ENVIRONMENT: [(&str, &str); 5] = [
    ("CARGO_NET_OFFLINE", "true"),
    ("CARGO_TERM_COLOR", "never"),
    ("CARGO_INCREMENTAL", "0"),
    ("CARGO_TARGET_DIR", "target"),
    ("RUST_BACKTRACE", "0"),
];
