//! `.matrix/architect.toml`: what a project says about how its changes are judged. It is read from
//! the base tree only, so a change cannot weaken its own judge.
#![doc = include_str!("../../docs/architect-toml.md")]

use std::{collections::BTreeMap, time::Duration};

use globset::Glob;
use matrix_architect_core::{
    error::{Error, Result},
    evidence::EvidenceKind,
    path::RelPath,
    traits::Tree,
};
use serde::Deserialize;

mod service;

use super::{check::Check, parse::Parser, suite::Suite};

pub use service::ServiceRules;
pub(super) use service::{ALL, in_order};

/// Where the rules stand.
pub const RULES_PATH: &str = ".matrix/architect.toml";

/// The most bytes of rules that are read.
const MAX_BYTES: usize = 1 << 20;

/// The rules of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ProjectRules {
    /// Which checks run.
    pub verify: VerifyRules,
    /// What is deployed.
    pub release: ReleaseRules,
    /// What the scan of added lines lets pass.
    pub scan: ScanRules,
}

/// Which checks run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct VerifyRules {
    /// The suites that run. Default: every suite that is detected.
    pub suites: Option<Vec<Suite>>,
    /// Changes to single checks of the suites, by name.
    pub builtin: BTreeMap<String, BuiltinRules>,
    /// Environment of every check. Default: nothing.
    pub env: BTreeMap<String, String>,
    /// Checks beside the suites'.
    pub check: Vec<CheckRules>,
    /// Processes that run beside the checks that need them.
    pub service: Vec<ServiceRules>,
}

/// Changes to one check of a suite.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct BuiltinRules {
    /// Whether it runs. Default: yes.
    pub enabled: bool,
    /// Whether the job stops when it does not pass. Default: yes.
    pub required: bool,
    /// Seconds it may take. Default: the operator's limit.
    pub timeout_seconds: Option<u64>,
    /// The services it needs; `all` for all. Default: none.
    pub services: Vec<String>,
}

impl Default for BuiltinRules {
    fn default() -> Self {
        Self { enabled: true, required: true, timeout_seconds: None, services: Vec::new() }
    }
}

/// A check of the project's own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CheckRules {
    /// The evidence's name: lower-case letters, digits, `.`, `-` and `_`.
    pub name: String,
    /// The program and its arguments. Either this or `run`.
    #[serde(default)]
    pub command: Vec<String>,
    /// A line for `sh -c`. Either this or `command`.
    #[serde(default)]
    pub run: Option<String>,
    /// How its report is read. Default: `exit-code`.
    #[serde(default)]
    pub parser: Parser,
    /// The file the report is written to. Default: the report is standard output.
    #[serde(default)]
    pub report: Option<RelPath>,
    /// What kind of evidence it is. Default: by the parser.
    #[serde(default)]
    pub kind: Option<EvidenceKind>,
    /// Whether the job stops when it does not pass. Default: yes.
    #[serde(default = "yes")]
    pub required: bool,
    /// Seconds it may take. Default: the operator's limit.
    #[serde(default)]
    pub timeout_seconds: Option<u64>,
    /// Environment beside that of `[verify.env]`. Default: nothing.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The services it needs; `all` for all. Default: none.
    #[serde(default)]
    pub services: Vec<String>,
}

const fn yes() -> bool {
    true
}

/// What is deployed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ReleaseRules {
    /// Paths and globs that are taken out of the sandbox after the checks, such as
    /// `target/release/app`. Default: none, and the release is the changed tree itself.
    pub include: Vec<String>,
    /// Bytes a collected release may have, all together. Default: 1 GiB.
    pub max_bytes: Option<u64>,
}

/// What the scan of added lines lets pass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ScanRules {
    /// Fingerprints of findings that are known to be harmless, as a scan printed them.
    pub allow: Vec<String>,
    /// Globs of paths that are not scanned, such as `tests/fixtures/**`.
    pub exclude: Vec<String>,
}

impl ProjectRules {
    /// The rules of a base tree; the defaults if it has none.
    ///
    /// # Errors
    /// `Invalid` with code `bad_rules`, naming the line; or whatever the tree meets.
    pub async fn load(base: &dyn Tree) -> Result<Self> {
        let Some(bytes) = base.read(&RelPath::new(RULES_PATH)?).await? else {
            return Ok(Self::default());
        };
        let text = std::str::from_utf8(&bytes).map_err(|source| {
            bad("the project's rules are not UTF-8").context("file", RULES_PATH).source(source)
        })?;
        Self::parse(text)
    }

    /// Reads rules.
    ///
    /// ```
    /// use matrix_architect_sandbox::verify::rules::ProjectRules;
    ///
    /// let rules = ProjectRules::parse("[release]\ninclude = ['target/release/app']\n")?;
    /// assert_eq!(rules.release.include, ["target/release/app"]);
    ///
    /// let error = ProjectRules::parse("[verify]\nsuits = ['rust']\n").unwrap_err();
    /// assert_eq!(error.context_value("line"), Some("2"));
    /// # Ok::<(), matrix_architect_core::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid` with code `bad_rules`, naming the line.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > MAX_BYTES {
            return Err(bad("the project's rules are larger than 1 MiB"));
        }
        let rules: Self = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = text.get(..at).map_or(1, |before| before.matches('\n').count() + 1);
            let message = error.message().split('\n').next().unwrap_or_default().to_owned();
            bad(message).context("file", RULES_PATH).context("line", line).source(error)
        })?;
        rules.validate()?;
        Ok(rules)
    }

    fn validate(&self) -> Result<()> {
        let services = &self.verify.service;
        service::validate(services)?;
        for (name, builtin) in &self.verify.builtin {
            service::known(services, &builtin.services)
                .map_err(|error| error.context("check", name.escape_debug()))?;
        }
        let mut names = std::collections::BTreeSet::new();
        for check in &self.verify.check {
            check.validate().map_err(|error| {
                error.context("file", RULES_PATH).context("check", check.name.escape_debug())
            })?;
            service::known(services, &check.services)
                .map_err(|error| error.context("check", &check.name))?;
            if !names.insert(&check.name) {
                return Err(bad("two checks have the same name")
                    .context("file", RULES_PATH)
                    .context("check", &check.name));
            }
        }
        for glob in self.release.include.iter().chain(&self.scan.exclude) {
            Glob::new(glob).map_err(|source| {
                bad("not a glob").context("file", RULES_PATH).context("glob", glob).source(source)
            })?;
        }
        Ok(())
    }

    /// What changes about the suites' check of that name.
    pub(super) fn builtin(&self, name: &str) -> BuiltinRules {
        self.verify.builtin.get(name).cloned().unwrap_or_default()
    }
}

impl CheckRules {
    fn validate(&self) -> Result<()> {
        if !is_name(&self.name) {
            return Err(bad("a check's name is lower-case letters, digits, '.', '-' and '_'"));
        }
        if RESERVED.iter().any(|prefix| self.name.starts_with(prefix)) {
            return Err(bad("a check's name begins with a prefix that has a meaning already")
                .advice("choose another prefix than rust., python., step., command., constraint., security., release. and service."));
        }
        if self.command.is_empty() == self.run.is_none() {
            return Err(bad("a check has either 'command' or 'run'"));
        }
        if self.timeout_seconds == Some(0) {
            return Err(bad("'timeout_seconds' is at least 1"));
        }
        Ok(())
    }

    pub(super) fn check(&self) -> Check {
        let kind = self.kind.unwrap_or(match self.parser {
            Parser::Libtest | Parser::Junit | Parser::Unittest => EvidenceKind::TestResults,
            Parser::CargoBuild => EvidenceKind::BuildLogs,
            Parser::Lcov | Parser::Cobertura => EvidenceKind::CoverageReport,
            Parser::ExitCode => EvidenceKind::CommandCheck,
            _ => EvidenceKind::LintResults,
        });
        let argv = self.run.as_ref().map_or_else(
            || self.command.clone(),
            |line| vec!["sh".to_owned(), "-c".to_owned(), line.clone()],
        );
        let mut check = Check::new(&self.name, kind, argv, self.parser);
        check.env.clone_from(&self.env);
        check.report.clone_from(&self.report);
        check.required = self.required;
        check.timeout = self.timeout_seconds.map(Duration::from_secs);
        check.services.clone_from(&self.services);
        check
    }
}

fn is_name(name: &str) -> bool {
    let legal =
        |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || "._-".contains(char);
    !name.is_empty() && name.len() <= 100 && name.chars().all(legal)
}

/// Beginnings of names whose evidence comes from elsewhere.
const RESERVED: [&str; 8] =
    ["rust.", "python.", "step.", "command.", "constraint.", "security.", "release.", "service."];

fn bad(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::invalid(message)
        .code("bad_rules")
        .advice("correct .matrix/architect.toml on the base branch; its fields are documented in architect-toml.md")
}

#[cfg(test)]
mod tests;
