//! Projects with a `package.json` in their root.

use matrix_architect_core::{evidence::EvidenceKind, path::RelPath};
use serde_json::Value;

use super::{
    super::{
        check::{Check, Planned, Tool},
        parse::Parser,
    },
    Base,
};

const NPM: Tool = Tool {
    name: "npm",
    probe: &["npm", "--version"],
    remedy: "install Node.js with npm where the sandbox can see it",
};
const NODE: Tool = Tool {
    name: "node",
    probe: &["node", "--version"],
    remedy: "install Node.js where the sandbox can see it",
};
const ESLINT: Tool = Tool {
    name: "eslint",
    probe: &["sh", "-c", "PATH=\"$PWD/node_modules/.bin:$PATH\" eslint --version"],
    remedy: "add it to the project's lock file and let its dependencies be prepared",
};
const TSC: Tool = Tool {
    name: "tsc",
    probe: &["sh", "-c", "PATH=\"$PWD/node_modules/.bin:$PATH\" tsc --version"],
    remedy: "add typescript to the project's lock file and let its dependencies be prepared",
};

/// Where Node's test runner writes its report: a file no project has, in a folder that is there.
const REPORT: &str = ".architect-node.tap";

const JUNIT: &str = ".architect-node.xml";

/// What npm puts where a project says nothing.
const NO_TEST: &str = "no test specified";

/// Formatting and types first, tests last.
pub(in super::super) fn checks(base: &Base) -> Vec<Planned> {
    let manifest: Value = serde_json::from_str(&base.text("package.json")).unwrap_or_default();
    let script = |name: &str| manifest["scripts"][name].as_str().map(str::to_owned);
    let mut checks = Vec::new();
    if configures_eslint(base, &manifest) {
        let check =
            own("node.eslint", EvidenceKind::LintResults, "eslint --format json .", Parser::Eslint);
        checks.push(check.needing(ESLINT));
    }
    if base.has("tsconfig.json") {
        let line = "tsc --noEmit --pretty false";
        checks.push(own("node.types", EvidenceKind::BuildLogs, line, Parser::Tsc).needing(TSC));
    }
    if script("build").is_some() {
        let argv = ["npm", "run", "--silent", "build"];
        let check = Check::new("node.build", EvidenceKind::BuildLogs, argv, Parser::ExitCode);
        checks.push(check.needing(NPM));
    }
    let script = script("test").filter(|script| !script.contains(NO_TEST));
    checks.extend(tests(base, script.as_deref()));
    checks.into_iter().map(|check| check.within(&ENVIRONMENT).into()).collect()
}

/// A program of the project's own dependencies.
fn own(name: &str, kind: EvidenceKind, line: &str, parser: Parser) -> Check {
    let line = format!("PATH=\"$PWD/node_modules/.bin:$PATH\" exec {line}");
    Check::new(name, kind, ["sh".to_owned(), "-c".to_owned(), line], parser)
}

fn tests(base: &Base, script: Option<&str>) -> Option<Check> {
    let (name, kind) = ("node.test", EvidenceKind::TestResults);
    let Some(script) = script else {
        if !base.any(is_test) {
            return None;
        }
        return Some(
            reported(Check::new(name, kind, ["node", "--test"], Parser::Tap), REPORT).needing(NODE),
        );
    };
    let check = if script.contains("vitest") {
        let line = format!("vitest run --reporter=junit --outputFile={JUNIT}");
        reported(own(name, kind, &line, Parser::Junit), JUNIT)
    } else if script.contains("mocha") {
        let line =
            format!("npm test --silent -- --reporter xunit --reporter-option output={JUNIT}");
        reported(own(name, kind, &line, Parser::Junit), JUNIT)
    } else if script.contains("--test") {
        reported(Check::new(name, kind, ["npm", "test", "--silent"], Parser::Tap), REPORT)
    } else {
        Check::new(name, kind, ["npm", "test", "--silent"], Parser::ExitCode)
    };
    Some(check.needing(NPM))
}

/// Node's own runner is told by its options, which go through whatever script starts it.
fn reported(mut check: Check, report: &str) -> Check {
    check.report = RelPath::new(report).ok();
    if check.parser == Parser::Tap {
        let options = format!("--test-reporter=tap --test-reporter-destination={report}");
        check.env.insert("NODE_OPTIONS".to_owned(), options);
    }
    check
}

/// What `node --test` takes for a test without being told.
fn is_test(path: &str) -> bool {
    let script = [".js", ".mjs", ".cjs"].iter().find_map(|end| path.strip_suffix(end));
    let Some(stem) = script.filter(|_| !path.contains("node_modules/")) else { return false };
    let name = stem.rsplit('/').next().unwrap_or(stem);
    path.starts_with("test/")
        || path.contains("/test/")
        || name == "test"
        || name.starts_with("test-")
        || [".test", "-test", "_test"].iter().any(|end| name.ends_with(end))
}

fn configures_eslint(base: &Base, manifest: &Value) -> bool {
    manifest.get("eslintConfig").is_some()
        || base.any(|path| path.starts_with("eslint.config.") || path.starts_with(".eslintrc"))
}

/// No network, no colours, and no questions to a registry.
const ENVIRONMENT: [(&str, &str); 6] = [
    ("CI", "true"),
    ("NO_COLOR", "1"),
    ("npm_config_offline", "true"),
    ("npm_config_audit", "false"),
    ("npm_config_fund", "false"),
    ("npm_config_update_notifier", "false"),
];
