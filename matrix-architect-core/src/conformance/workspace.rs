//! Getting at the code and changing it: every promise of [`Workspace`].
#![expect(
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "a case fails in either way where the backend breaks its word"
)]

use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;

use super::{
    check::refused,
    tree::{Planted, SAMPLE, packed},
};
use crate::{
    error::{ErrorKind, Result},
    fake::NoSecrets,
    id::{Digest, TenantId},
    path::RelPath,
    plan::{Change, FileOp, FileOpKind, Plan, Precondition, RepoSpec, Step},
    traits::{ByteStream, Cancel, Checkout, CheckoutRequest, Tree, Workspace},
};

/// Expands to one test per promise of [`Workspace`](crate::traits::Workspace). The expression makes
/// a harness that is [`Hosts`](crate::conformance::workspace::Hosts).
#[macro_export]
macro_rules! workspace_suite {
    ($harness:expr) => {
        $crate::__conformance_tests!(
            workspace,
            $harness,
            [
                a_checkout_is_the_committed_tree,
                a_checkout_runs_nothing_of_the_repository,
                a_cancelled_checkout_says_so,
                resolve_fills_in_every_precondition,
                resolve_refuses_what_cannot_apply,
                a_diff_resolves_to_whole_contents,
                a_goal_alone_resolves_to_nothing,
                apply_leaves_the_base_as_it_was,
                apply_is_all_or_nothing,
                apply_refuses_an_unresolved_plan,
                apply_stays_inside_the_tree,
                an_unpacked_tree_equals_the_packed_one,
                unpack_refuses_what_leaves_the_tree,
                trees_go_with_their_last_handle,
            ]
        );
    };
}

/// A harness that hosts repositories for its workspace.
#[async_trait]
pub trait Hosts: Debug + Send + Sync {
    /// The workspace.
    fn workspace(&self) -> Arc<dyn Workspace>;

    /// A new repository with these entries as its one commit, and with every trap that the harness
    /// knows against whoever checks it out.
    async fn host(&mut self, entries: &[Planted<'_>]) -> RepoSpec;

    /// Whether a trap of any repository was sprung.
    fn sprung(&self) -> bool;

    /// How many trees the workspace keeps at the moment.
    fn kept(&self) -> usize;
}

/// A repository, its checkout, and what they came from.
struct Case<H> {
    harness: H,
    workspace: Arc<dyn Workspace>,
    repo: RepoSpec,
    tenant: TenantId,
    cancel: Cancel,
}

impl<H: Hosts> Case<H> {
    async fn new(mut harness: H) -> Self {
        let repo = harness.host(&SAMPLE).await;
        let workspace = harness.workspace();
        let (tenant, cancel) = (TenantId::default(), Cancel::new());
        Self { harness, workspace, repo, tenant, cancel }
    }

    fn request(&self) -> CheckoutRequest<'_> {
        CheckoutRequest::new(&self.tenant, &self.repo, &NoSecrets, &self.cancel)
    }

    async fn checkout(&self) -> Result<Checkout> {
        self.workspace.checkout(&self.request()).await
    }

    async fn resolve(&self, base: &Checkout, ops: Vec<FileOp>) -> Result<Plan> {
        let change = Change::Plan(Box::new(plan(ops)));
        self.workspace.resolve(&self.request(), base, &change).await
    }
}

fn plan(ops: Vec<FileOp>) -> Plan {
    let step = Step { id: "one".to_owned(), ops, ..Step::default() };
    Plan { steps: vec![step], ..Plan::default() }
}

fn op(kind: FileOpKind, path: &str, content: Option<&str>) -> FileOp {
    let content = content.map(str::to_owned);
    FileOp { op: kind, path: path.to_owned(), content, ..FileOp::default() }
}

fn rename(from: &str, to: &str) -> FileOp {
    FileOp { from: Some(from.to_owned()), ..op(FileOpKind::Rename, to, None) }
}

/// One of each kind.
fn all_kinds() -> Vec<FileOp> {
    vec![
        op(FileOpKind::Update, "src/lib.rs", Some("new\n")),
        op(FileOpKind::Create, "docs/new.md", Some("# New\n")),
        op(FileOpKind::Delete, "empty", None),
        rename("run.sh", "bin/run.sh"),
        op(FileOpKind::Update, "docs/new.md", Some("# Newer\n")),
    ]
}

async fn read(tree: &dyn Tree, path: &str) -> Result<Option<String>> {
    let content = tree.read(&RelPath::new(path)?).await?;
    Ok(content.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// Promise 1.
pub async fn a_checkout_is_the_committed_tree(harness: impl Hosts) -> Result<()> {
    let case = Case::new(harness).await;
    let checkout = case.checkout().await?;
    let mut paths: Vec<&str> = SAMPLE.iter().map(|one| one.path).collect();
    paths.sort_unstable();
    let found: Vec<String> =
        checkout.tree.list().await?.into_iter().map(|e| e.path.into()).collect();
    assert_eq!(found, paths);
    assert!(checkout.commit.is_some());
    assert_eq!(case.workspace.head(&case.request()).await?, checkout.commit);
    Ok(())
}

/// Promise 1.
pub async fn a_checkout_runs_nothing_of_the_repository(harness: impl Hosts) -> Result<()> {
    let case = Case::new(harness).await;
    case.checkout().await?;
    case.workspace.head(&case.request()).await?;
    assert!(!case.harness.sprung());
    Ok(())
}

/// The section on cancellation.
pub async fn a_cancelled_checkout_says_so(harness: impl Hosts) -> Result<()> {
    let case = Case::new(harness).await;
    case.cancel.cancel();
    refused(case.checkout().await, ErrorKind::Cancelled);
    assert_eq!(case.harness.kept(), 0);
    Ok(())
}

/// Promise 2.
pub async fn resolve_fills_in_every_precondition(harness: impl Hosts) -> Result<()> {
    let case = Case::new(harness).await;
    let base = case.checkout().await?;
    let plan = case.resolve(&base, all_kinds()).await?;
    let found: Vec<_> = plan.operations().map(|op| op.expect).collect();
    let sha256 = |content: &[u8]| Some(Precondition::Sha256(Digest::of(content)));
    let expected = [
        sha256(SAMPLE[0].content),
        Some(Precondition::Absent),
        sha256(b""),
        sha256(SAMPLE[2].content),
        sha256(b"# New\n"),
    ];
    assert_eq!(found, expected);
    Ok(())
}

/// Promise 2.
pub async fn resolve_refuses_what_cannot_apply(harness: impl Hosts) -> Result<()> {
    let case = Case::new(harness).await;
    let base = case.checkout().await?;
    let other = Some(Precondition::Sha256(Digest::of(b"other")));
    let cases = [
        op(FileOpKind::Create, "empty", Some("x")),
        op(FileOpKind::Update, "absent", Some("x")),
        op(FileOpKind::Delete, "absent", None),
        op(FileOpKind::Create, "src", Some("x")),
        op(FileOpKind::Create, "empty/x", Some("x")),
        rename("run.sh", "empty"),
        rename("absent", "x"),
        FileOp { expect: other, ..op(FileOpKind::Update, "empty", Some("x")) },
        FileOp { expect: other, ..op(FileOpKind::Create, "new", Some("x")) },
    ];
    for op in cases {
        let error = refused(case.resolve(&base, vec![op.clone()]).await, ErrorKind::Conflict);
        let named = error.to_string();
        assert!(named.contains(&op.path) || op.from.is_some_and(|from| named.contains(&from)));
    }
    Ok(())
}

/// Promise 2.
pub async fn a_diff_resolves_to_whole_contents(harness: impl Hosts) -> Result<()> {
    let case = Case::new(harness).await;
    let base = case.checkout().await?;
    let diff = "diff --git a/src/lib.rs b/src/lib.rs\n--- a/src/lib.rs\n+++ b/src/lib.rs\n\
                @@ -1,3 +1,3 @@\n pub fn answer() -> u8 {\n-    42\n+    43\n }\n";
    let plan = case.workspace.resolve(&case.request(), &base, &Change::Diff(diff.into())).await?;
    let applied = case.workspace.apply(&*base.tree, &plan).await?;
    let content = read(&*applied.tree, "src/lib.rs").await?;
    assert_eq!(content.as_deref(), Some("pub fn answer() -> u8 {\n    43\n}\n"));
    // One line further down it is another place, though it would fit above.
    let moved = Change::Diff(diff.replace("-1,3 +1,3", "-2,3 +2,3"));
    let error = case.workspace.resolve(&case.request(), &base, &moved).await;
    assert!(refused(error, ErrorKind::Conflict).to_string().contains("src/lib.rs"));
    Ok(())
}

/// Promise 8.
pub async fn a_goal_alone_resolves_to_nothing(harness: impl Hosts) -> Result<()> {
    let case = Case::new(harness).await;
    let base = case.checkout().await?;
    let answer = case.workspace.resolve(&case.request(), &base, &Change::Goal).await;
    refused(answer, ErrorKind::Unsupported);
    Ok(())
}

/// Promise 3.
pub async fn apply_leaves_the_base_as_it_was(harness: impl Hosts) -> Result<()> {
    let case = Case::new(harness).await;
    let base = case.checkout().await?;
    let before = packed(&*base.tree).await?;
    let plan = case.resolve(&base, all_kinds()).await?;
    let applied = case.workspace.apply(&*base.tree, &plan).await?;
    assert_eq!(packed(&*base.tree).await?, before);
    assert_eq!(read(&*applied.tree, "docs/new.md").await?.as_deref(), Some("# Newer\n"));
    assert_eq!(read(&*applied.tree, "empty").await?, None);
    assert_eq!(read(&*applied.tree, "run.sh").await?, None);
    assert_eq!(read(&*applied.tree, "bin/run.sh").await?.as_deref(), Some("#!/bin/sh\n"));
    let changed: Vec<&str> = applied.patch.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(changed, ["bin/run.sh", "docs/new.md", "empty", "src/lib.rs"]);
    assert!(applied.patch.files[0].executable);
    assert!(applied.patch.diff.contains("+# Newer"));
    Ok(())
}

/// Promise 3.
pub async fn apply_is_all_or_nothing(harness: impl Hosts) -> Result<()> {
    let case = Case::new(harness).await;
    let base = case.checkout().await?;
    let before = packed(&*base.tree).await?;
    let mut plan = case.resolve(&base, all_kinds()).await?;
    if let Some(last) = plan.steps[0].ops.last_mut() {
        last.expect = Some(Precondition::Absent);
    }
    refused(case.workspace.apply(&*base.tree, &plan).await, ErrorKind::Conflict);
    assert_eq!(packed(&*base.tree).await?, before);
    assert_eq!(case.harness.kept(), 1);
    Ok(())
}

/// Promise 7.
pub async fn apply_refuses_an_unresolved_plan(harness: impl Hosts) -> Result<()> {
    let case = Case::new(harness).await;
    let base = case.checkout().await?;
    for op in all_kinds() {
        refused(case.workspace.apply(&*base.tree, &plan(vec![op])).await, ErrorKind::Invalid);
    }
    assert_eq!(case.harness.kept(), 1);
    Ok(())
}

/// Promise 4.
pub async fn apply_stays_inside_the_tree(harness: impl Hosts) -> Result<()> {
    let case = Case::new(harness).await;
    let base = case.checkout().await?;
    let before = packed(&*base.tree).await?;
    let paths = [
        "../x",
        "/tmp/x",
        "a/../../x",
        "folder/x",
        "link",
        "link/x",
        ".git/hooks/post-checkout",
        ".GIT/config",
        "src/.git/config",
        "git~1/config",
        ".git./config",
        ".g\u{200c}it/config",
    ];
    for path in paths {
        for kind in [FileOpKind::Create, FileOpKind::Update, FileOpKind::Delete] {
            let content = (kind != FileOpKind::Delete).then_some("x");
            for expect in [Precondition::Absent, Precondition::Sha256(Digest::of(b""))] {
                let op = FileOp { expect: Some(expect), ..op(kind, path, content) };
                let answer = case.workspace.apply(&*base.tree, &plan(vec![op.clone()])).await;
                assert!(answer.is_err(), "{op:?}");
                assert!(case.resolve(&base, vec![op.clone()]).await.is_err(), "{op:?}");
            }
        }
        for op in [rename("run.sh", path), rename(path, "x")] {
            assert!(case.resolve(&base, vec![op.clone()]).await.is_err(), "{op:?}");
        }
    }
    assert_eq!(packed(&*base.tree).await?, before);
    assert_eq!(case.harness.kept(), 1);
    Ok(())
}

/// Promise 5.
pub async fn an_unpacked_tree_equals_the_packed_one(harness: impl Hosts) -> Result<()> {
    let case = Case::new(harness).await;
    let base = case.checkout().await?;
    let archive = packed(&*base.tree).await?;
    let tree = case.workspace.unpack(ByteStream::once(archive.clone())).await?;
    assert_eq!(packed(&*tree).await?, archive);
    assert_eq!(tree.list().await?, base.tree.list().await?);
    Ok(())
}

/// A tar archive of one entry.
fn archive(kind: u8, path: &str, target: &str) -> Vec<u8> {
    let mut header = [0; 512];
    header[..path.len()].copy_from_slice(path.as_bytes());
    header[100..107].copy_from_slice(b"0000644");
    header[124..135].copy_from_slice(b"00000000000");
    header[148..156].fill(b' ');
    header[156] = kind;
    header[157..157 + target.len()].copy_from_slice(target.as_bytes());
    header[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    [&header[..], &[0; 1024]].concat()
}

/// Promise 5.
pub async fn unpack_refuses_what_leaves_the_tree(harness: impl Hosts) -> Result<()> {
    let workspace = harness.workspace();
    let fine = workspace.unpack(ByteStream::once(archive(b'0', "fine", ""))).await?;
    assert_eq!(fine.list().await?.len(), 1);
    drop(fine);
    let cases = [
        archive(b'0', "../x", ""),
        archive(b'0', "/tmp/x", ""),
        archive(b'0', ".git/config", ""),
        archive(b'1', "hard", "/etc/passwd"),
        archive(b'2', "link", "/etc/passwd"),
        archive(b'2', "link", "../x"),
        archive(b'3', "device", ""),
    ];
    for bytes in cases {
        assert!(workspace.unpack(ByteStream::once(bytes)).await.is_err());
    }
    assert_eq!(harness.kept(), 0);
    Ok(())
}

/// Promise 6.
pub async fn trees_go_with_their_last_handle(harness: impl Hosts) -> Result<()> {
    let case = Case::new(harness).await;
    let base = case.checkout().await?;
    let plan = case.resolve(&base, all_kinds()).await?;
    let applied = case.workspace.apply(&*base.tree, &plan).await?;
    let copy = Arc::clone(&applied.tree);
    assert_eq!(case.harness.kept(), 2);
    drop((base, applied));
    assert_eq!(case.harness.kept(), 1);
    drop(copy);
    assert_eq!(case.harness.kept(), 0);
    Ok(())
}
