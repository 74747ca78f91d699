//! One check: what runs, and how what it leaves is read.

use std::{collections::BTreeMap, time::Duration};

use matrix_architect_core::{evidence::EvidenceKind, path::RelPath};

use super::{parse::Parser, rules::ALL};

/// One check of a suite, of the project's own rules, of a plan or of a requester.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Check {
    /// Its evidence's name.
    pub(super) name: String,
    pub(super) kind: EvidenceKind,
    pub(super) argv: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) parser: Parser,
    /// The file its report is in, inside the tree.
    pub(super) report: Option<RelPath>,
    pub(super) required: bool,
    pub(super) timeout: Option<Duration>,
    /// What must be there to run it at all.
    pub(super) tool: Option<Tool>,
    /// Whether a failure is looked up on the base. Never for what a plan or a requester adds: their
    /// commands say what is to be true after the change.
    pub(super) compare: bool,
    /// The services it needs, as the rules name them.
    pub(super) services: Vec<String>,
}

/// A tool, known to be there when it tells its version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tool {
    /// How it is called, for people.
    pub(super) name: &'static str,
    pub(super) probe: &'static [&'static str],
    /// What to do when it is missing.
    pub(super) remedy: &'static str,
}

impl Check {
    /// A required check of one command that is compared with the base.
    pub(super) fn new<S: Into<String>>(
        name: impl Into<String>,
        kind: EvidenceKind,
        argv: impl IntoIterator<Item = S>,
        parser: Parser,
    ) -> Self {
        Self {
            name: name.into(),
            kind,
            argv: argv.into_iter().map(Into::into).collect(),
            env: BTreeMap::new(),
            parser,
            report: None,
            required: true,
            timeout: None,
            tool: None,
            compare: parser.names_findings(),
            services: Vec::new(),
        }
    }

    /// A line for `sh -c` that somebody added: its exit code decides, the base is not asked. It may
    /// need any of the services.
    pub(super) fn added(name: impl Into<String>, line: &str) -> Self {
        let argv = ["sh", "-c", line];
        let check = Self::new(name, EvidenceKind::CommandCheck, argv, Parser::ExitCode);
        Self { compare: false, services: vec![ALL.to_owned()], ..check }
    }

    /// With these variables set, beside those it has.
    pub(super) fn within(mut self, environment: &[(&str, &str)]) -> Self {
        let owned = environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        self.env.extend(owned);
        self
    }

    pub(super) fn needing(self, tool: Tool) -> Self {
        Self { tool: Some(tool), ..self }
    }

    /// Whether the base is asked how much its tests reach: where the rules ask for coverage.
    pub(super) const fn compare_coverage(&self) -> bool {
        matches!(self.parser, Parser::Lcov | Parser::Cobertura)
    }

    /// The command as a person would type it.
    pub(super) fn line(&self) -> String {
        match self.argv.as_slice() {
            [sh, c, line] if sh == "sh" && c == "-c" => line.clone(),
            argv => argv.join(" "),
        }
    }
}

/// What a suite comes to in this sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Planned {
    /// A check that runs.
    Run(Check),
    /// A check that cannot be run here, and is not passed because of that.
    Undecided {
        /// The check's name.
        name: &'static str,
        kind: EvidenceKind,
        required: bool,
        /// What is missing and what to do.
        why: String,
    },
}

impl Planned {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Run(check) => &check.name,
            Self::Undecided { name, .. } => name,
        }
    }
}

impl From<Check> for Planned {
    fn from(check: Check) -> Self {
        Self::Run(check)
    }
}
