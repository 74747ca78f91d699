//! One labelled change.

use std::{fmt::Write as _, sync::LazyLock};

use matrix_architect_core::{
    evidence::{CheckResult, Evidence, EvidenceKind, Finding},
    id::{Digest, PrincipalId},
    job::JobConstraints,
    patch::{ChangeKind, FileChange, Patch},
    path::RelPath,
    plan::Plan,
    policy::{PolicyInput, RulePolicy, Rules, Verdict},
    release::{DeploymentConfig, DeploymentTarget},
    traits::Policy as _,
};

/// A change with the signals it must raise.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) label: &'static str,
    pub(crate) plan: Plan,
    pub(crate) patch: Patch,
    pub(crate) evidence: Vec<Evidence>,
    pub(crate) constraints: JobConstraints,
    pub(crate) deployments: Vec<DeploymentConfig>,
    pub(crate) expected: Vec<&'static str>,
}

/// A change of nothing yet, whose checks all passed.
pub(crate) fn case(label: &'static str) -> Case {
    Case {
        label,
        plan: Plan::default(),
        patch: Patch::default(),
        evidence: vec![
            evidence(EvidenceKind::SecurityScan, "security.secrets", CheckResult::Passed),
            evidence(EvidenceKind::SecurityScan, "security.text", CheckResult::Passed),
            evidence(EvidenceKind::TestResults, "rust.test", CheckResult::Passed),
        ],
        constraints: JobConstraints::default(),
        deployments: Vec::new(),
        expected: Vec::new(),
    }
}

pub(crate) fn evidence(kind: EvidenceKind, name: &str, result: CheckResult) -> Evidence {
    Evidence::new(kind, name, result, "2026-01-01T10:00:00Z".parse().unwrap())
}

pub(crate) fn finding(file: &str) -> Finding {
    Finding {
        name: "finding".into(),
        message: String::new(),
        file: Some(file.into()),
        line: Some(3),
        preexisting: false,
    }
}

impl Case {
    /// Changes a file from one text to another.
    pub(crate) fn edit(self, path: &str, before: &str, after: &str) -> Self {
        let (hunk, added, removed) = hunk(before, after);
        let head = format!("diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n");
        let change = FileChange {
            before: Some(Digest::of(before)),
            after: Some(Digest::of(after)),
            added_lines: added,
            removed_lines: removed,
            ..file(path, ChangeKind::Modified)
        };
        self.with(change, &format!("{head}{hunk}"))
    }

    /// Adds a file.
    pub(crate) fn add(self, path: &str, text: &str) -> Self {
        let (hunk, added, _) = hunk("", text);
        let head = format!(
            "diff --git a/{path} b/{path}\nnew file mode 100644\n--- /dev/null\n+++ b/{path}\n"
        );
        let change = FileChange {
            after: Some(Digest::of(text)),
            added_lines: added,
            ..file(path, ChangeKind::Added)
        };
        self.with(change, &format!("{head}{hunk}"))
    }

    /// Deletes a file.
    pub(crate) fn delete(self, path: &str, text: &str) -> Self {
        let (hunk, _, removed) = hunk(text, "");
        let head = format!(
            "diff --git a/{path} b/{path}\ndeleted file mode 100644\n--- a/{path}\n+++ /dev/null\n"
        );
        let change = FileChange {
            before: Some(Digest::of(text)),
            removed_lines: removed,
            ..file(path, ChangeKind::Deleted)
        };
        self.with(change, &format!("{head}{hunk}"))
    }

    /// Moves a file as it is.
    pub(crate) fn rename(self, from: &str, to: &str) -> Self {
        let diff = format!(
            "diff --git a/{from} b/{to}\nsimilarity index 100%\nrename from {from}\nrename to {to}\n"
        );
        let from = Some(RelPath::new(from).unwrap());
        let change = FileChange { from, ..file(to, ChangeKind::Renamed) };
        self.with(change, &diff)
    }

    /// A file change with its part of the diff.
    pub(crate) fn with(mut self, change: FileChange, diff: &str) -> Self {
        self.patch.files.push(change);
        self.patch.diff.push_str(diff);
        self
    }

    /// Adds evidence, or replaces the one of that name.
    pub(crate) fn evidence(mut self, evidence: Evidence) -> Self {
        self.evidence.retain(|old| old.name != evidence.name);
        self.evidence.push(evidence);
        self
    }

    pub(crate) fn deploy(mut self, environment: &str) -> Self {
        self.deployments.push(DeploymentConfig {
            target: DeploymentTarget::Vm,
            environment: environment.into(),
            ..DeploymentConfig::default()
        });
        self
    }

    pub(crate) fn author(mut self, kind: &str) -> Self {
        self.plan.metadata.insert("author_kind".into(), kind.into());
        self
    }

    pub(crate) fn expects(mut self, signals: &[&'static str]) -> Self {
        self.expected = signals.to_vec();
        self.expected.sort_unstable();
        self
    }

    pub(crate) fn judge(&self) -> Verdict {
        static POLICY: LazyLock<RulePolicy> =
            LazyLock::new(|| RulePolicy::new(Rules::default()).unwrap());
        self.judge_by(&POLICY)
    }

    pub(crate) fn judge_by(&self, policy: &RulePolicy) -> Verdict {
        let by = PrincipalId::new("ada").unwrap();
        let Self { plan, patch, evidence, constraints, deployments, .. } = self;
        policy.judge(&PolicyInput::new(plan, patch, evidence, constraints, deployments, &by))
    }
}

pub(crate) fn file(path: &str, kind: ChangeKind) -> FileChange {
    FileChange {
        path: RelPath::new(path).unwrap(),
        kind,
        from: None,
        before: None,
        after: None,
        executable: false,
        mode_changed: false,
        binary: false,
        added_lines: 0,
        removed_lines: 0,
    }
}

/// One hunk with three lines of context, and how many lines it adds and removes.
fn hunk(before: &str, after: &str) -> (String, u32, u32) {
    const CONTEXT: usize = 3;
    let (old, new): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - head;
    let tail =
        old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let (removed, added) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
    let lead = &old[head.saturating_sub(CONTEXT)..head];
    let trail = &old[old.len() - tail..(old.len() - tail + CONTEXT).min(old.len())];
    let start = head - lead.len() + 1;
    let around = lead.len() + trail.len();
    let mut text =
        format!("@@ -{start},{} +{start},{} @@\n", around + removed.len(), around + added.len());
    for (sign, lines) in [(' ', lead), ('-', removed), ('+', added), (' ', trail)] {
        for line in lines {
            let _ = writeln!(text, "{sign}{line}");
        }
    }
    let count = |lines: &[&str]| u32::try_from(lines.len()).unwrap();
    (text, count(added), count(removed))
}
