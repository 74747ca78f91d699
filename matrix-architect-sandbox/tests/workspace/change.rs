//! Plans, diffs and branches, resolved and applied.

use std::fs;

use matrix_architect_core::{
    ErrorKind,
    patch::ChangeKind,
    path::RelPath,
    plan::{Change, FileOp, FileOpKind, Plan, RepoSpec, Step},
    traits::{Checkout, EntryKind, Workspace as _},
};

use crate::repo::{Desk, Repo, contents, text};

pub(crate) fn op(kind: FileOpKind, path: &str, content: Option<&str>) -> FileOp {
    let content = content.map(str::to_owned);
    FileOp { op: kind, path: path.to_owned(), content, ..FileOp::default() }
}

pub(crate) fn rename(from: &str, to: &str) -> FileOp {
    FileOp { from: Some(from.to_owned()), ..op(FileOpKind::Rename, to, None) }
}

pub(crate) fn plan(ops: Vec<FileOp>) -> Plan {
    let step = Step { id: "one".to_owned(), ops, ..Step::default() };
    Plan { steps: vec![step], ..Plan::default() }
}

pub(crate) fn change(ops: Vec<FileOp>) -> Change {
    Change::Plan(Box::new(plan(ops)))
}

async fn sample(desk: &Desk) -> Option<(Repo, RepoSpec, Checkout)> {
    let repo = Repo::sample()?;
    let spec = repo.local();
    let base = desk.checkout(&spec).await.unwrap();
    Some((repo, spec, base))
}

#[tokio::test]
async fn a_patch_says_what_happened_to_each_file() {
    let desk = Desk::new();
    let Some((_repo, spec, base)) = sample(&desk).await else { return };
    let binary = op(FileOpKind::Create, "blob", None).with_bytes(vec![0, 255, 1]);
    let ops = vec![
        op(FileOpKind::Update, "README.md", Some("# Sample\n\nAnother line.\nAnd one.\n")),
        rename("src/lib.rs", "src/main.rs"),
        FileOp {
            executable: Some(false),
            ..op(FileOpKind::Update, "run.sh", Some("#!/bin/sh\necho hi\n"))
        },
        binary,
        op(FileOpKind::Create, "with \"quotes\" and blanks.txt", Some("no line end")),
    ];
    let resolved = desk.resolve(&spec, &base, &change(ops)).await.unwrap();
    let applied = desk.workspace.apply(&*base.tree, &resolved).await.unwrap();
    let facts: Vec<_> = applied
        .patch
        .files
        .iter()
        .map(|f| {
            (f.path.as_str(), f.kind, f.added_lines, f.removed_lines, f.binary, f.mode_changed)
        })
        .collect();
    let expected = [
        ("README.md", ChangeKind::Modified, 2, 1, false, false),
        ("blob", ChangeKind::Added, 0, 0, true, false),
        ("run.sh", ChangeKind::Modified, 0, 0, false, true),
        ("src/main.rs", ChangeKind::Renamed, 0, 0, false, false),
        ("with \"quotes\" and blanks.txt", ChangeKind::Added, 1, 0, false, false),
    ];
    assert_eq!(facts, expected);
    let moved = &applied.patch.files[3];
    assert_eq!(moved.from.as_ref().unwrap().as_str(), "src/lib.rs");
    assert_eq!(moved.before, moved.after);
    let diff = &applied.patch.diff;
    for part in [
        "--- a/README.md\n+++ b/README.md\n@@ -1,3 +1,4 @@\n",
        "Binary files /dev/null and b/blob differ\n",
        "old mode 100755\nnew mode 100644\n",
        "rename from src/lib.rs\nrename to src/main.rs\n",
        "\\ No newline at end of file\n",
        "+++ \"b/with \\\"quotes\\\" and blanks.txt\"\n",
    ] {
        assert!(diff.contains(part), "{part} is not in {diff}");
    }
    let after = contents(&*applied.tree).await;
    assert_eq!(after["run.sh"].0, EntryKind::File);
    assert!(!after.contains_key("src/lib.rs"));
}

#[tokio::test]
async fn steps_see_what_the_steps_before_them_did() {
    let desk = Desk::new();
    let Some((_repo, spec, base)) = sample(&desk).await else { return };
    let step = |id: &str, ops| Step { id: id.to_owned(), ops, ..Step::default() };
    let steps = vec![
        step("1", vec![op(FileOpKind::Create, "a/b.txt", Some("1"))]),
        step("2", vec![rename("a/b.txt", "c.txt"), op(FileOpKind::Delete, "README.md", None)]),
        step("3", vec![op(FileOpKind::Create, "a", Some("a file where the folder was"))]),
        step(
            "4",
            vec![
                op(FileOpKind::Delete, "c.txt", None),
                op(FileOpKind::Create, "README.md", Some("new")),
            ],
        ),
        step(
            "5",
            vec![rename("run.sh", "x"), rename("x", "bin/run.sh"), rename("bin/run.sh", "RUN.sh")],
        ),
    ];
    let change = Change::Plan(Box::new(Plan { steps, ..Plan::default() }));
    let resolved = desk.resolve(&spec, &base, &change).await.unwrap();
    let applied = desk.workspace.apply(&*base.tree, &resolved).await.unwrap();
    let kinds: Vec<_> = applied.patch.files.iter().map(|f| (f.path.as_str(), f.kind)).collect();
    let expected = [
        ("README.md", ChangeKind::Modified),
        ("RUN.sh", ChangeKind::Renamed),
        ("a", ChangeKind::Added),
    ];
    assert_eq!(kinds, expected);
    assert_eq!(contents(&*applied.tree).await["RUN.sh"].0, EntryKind::Executable);
    // The error of a later step names it.
    let steps = vec![
        step("good", vec![op(FileOpKind::Create, "a", Some("1"))]),
        step("bad", vec![op(FileOpKind::Create, "a", Some("2"))]),
    ];
    let change = Change::Plan(Box::new(Plan { steps, ..Plan::default() }));
    let error = desk.resolve(&spec, &base, &change).await.unwrap_err();
    assert_eq!((error.kind(), error.context_value("step")), (ErrorKind::Conflict, Some("bad")));
}

#[tokio::test]
async fn a_diff_of_git_applies_as_git_meant_it() {
    let desk = Desk::new();
    let Some((repo, spec, base)) = sample(&desk).await else { return };
    repo.write("README.md", "# Sample\r\n\r\nCRLF now.\r\n");
    repo.write("new/blob.bin", [0, 159, 146, 150].repeat(100));
    repo.write("new/empty", "");
    repo.write("new/tool", "#!/bin/sh\n");
    repo.executable("new/tool");
    repo.git(&["mv", "src/lib.rs", "src/other name.rs"]);
    repo.git(&["rm", "--quiet", "run.sh"]);
    repo.git(&["add", "--all"]);
    let diff = repo.staged();
    let resolved = desk.resolve(&spec, &base, &Change::Diff(diff)).await.unwrap();
    let applied = desk.workspace.apply(&*base.tree, &resolved).await.unwrap();
    repo.git(&["commit", "--quiet", "-m", "second"]);
    let expected = desk.checkout(&spec).await.unwrap();
    assert_eq!(contents(&*applied.tree).await, contents(&*expected.tree).await);
    let kinds = resolved.operations().map(|op| op.op).filter(|op| *op == FileOpKind::Rename);
    assert!(kinds.count() >= 1);
}

#[tokio::test]
async fn a_diff_may_swap_files_and_put_a_folder_in_a_files_place() {
    let desk = Desk::new();
    let Some((repo, spec, base)) = sample(&desk).await else { return };
    let diff = "diff --git a/README.md b/run.sh\nsimilarity index 100%\nrename from README.md\n\
                rename to run.sh\ndiff --git a/run.sh b/README.md\nsimilarity index 100%\n\
                rename from run.sh\nrename to README.md\n";
    let resolved = desk.resolve(&spec, &base, &Change::Diff(diff.into())).await.unwrap();
    let applied = desk.workspace.apply(&*base.tree, &resolved).await.unwrap();
    assert_eq!(text(&*applied.tree, "README.md").await, text(&*base.tree, "run.sh").await);
    assert_eq!(text(&*applied.tree, "run.sh").await, text(&*base.tree, "README.md").await);
    fs::remove_file(repo.path().join("README.md")).unwrap();
    repo.write("README.md/in.txt", "in\n");
    repo.git(&["add", "--all"]);
    let diff = repo.staged();
    let resolved = desk.resolve(&spec, &base, &Change::Diff(diff)).await.unwrap();
    let applied = desk.workspace.apply(&*base.tree, &resolved).await.unwrap();
    assert_eq!(text(&*applied.tree, "README.md/in.txt").await.as_deref(), Some("in\n"));
}

#[tokio::test]
async fn a_plain_unified_diff_applies_too() {
    let desk = Desk::new();
    let Some((_repo, spec, base)) = sample(&desk).await else { return };
    let diff = "--- a/README.md\n+++ b/README.md\n@@ -3 +3 @@\n-A line.\n+Another.\n\
                --- /dev/null\n+++ b/new.txt\n@@ -0,0 +1 @@\n+new\n";
    let resolved = desk.resolve(&spec, &base, &Change::Diff(diff.into())).await.unwrap();
    let applied = desk.workspace.apply(&*base.tree, &resolved).await.unwrap();
    assert_eq!(text(&*applied.tree, "README.md").await.as_deref(), Some("# Sample\n\nAnother.\n"));
    assert_eq!(text(&*applied.tree, "new.txt").await.as_deref(), Some("new\n"));
}

#[tokio::test]
async fn a_diff_that_does_not_apply_names_file_and_line() {
    let desk = Desk::new();
    let Some((_repo, spec, base)) = sample(&desk).await else { return };
    let diff =
        "--- a/README.md\n+++ b/README.md\n@@ -1,3 +1,3 @@\n # Sample\n \n-B line.\n+C line.\n";
    let error = desk.resolve(&spec, &base, &Change::Diff(diff.into())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(error.context_value("path"), Some("README.md"));
    assert_eq!(error.context_value("line"), Some("3"));
}

#[tokio::test]
async fn a_branch_is_what_it_adds_since_it_parted() {
    let desk = Desk::new();
    let Some(repo) = Repo::sample() else { return };
    repo.git(&["checkout", "--quiet", "-b", "feature"]);
    repo.write("src/lib.rs", "pub fn answer() -> u8 {\n    43\n}\n");
    repo.git(&["mv", "README.md", "docs.md"]);
    repo.write("bin.dat", [0, 1, 2]);
    repo.commit("one");
    repo.write("more.txt", "more\n");
    repo.commit("two");
    repo.git(&["checkout", "--quiet", "main"]);
    repo.write("main.txt", "only on main\n");
    repo.commit("main moved");
    for spec in [repo.local(), repo.url(None)] {
        let base = desk.checkout(&spec).await.unwrap();
        let change = Change::Branch("feature".into());
        let resolved = desk.resolve(&spec, &base, &change).await.unwrap();
        let applied = desk.workspace.apply(&*base.tree, &resolved).await.unwrap();
        repo.git(&["branch", "-f", "check", "main"]);
        repo.git(&["checkout", "--quiet", "check"]);
        repo.git(&["merge", "--quiet", "--no-edit", "feature"]);
        let merged = desk.checkout(&repo.at(Some("check"))).await.unwrap();
        repo.git(&["checkout", "--quiet", "main"]);
        assert_eq!(contents(&*applied.tree).await, contents(&*merged.tree).await, "{spec:?}");
        assert!(resolved.metadata.contains_key("merge_base"));
        assert!(applied.patch.files.iter().any(|file| file.kind == ChangeKind::Renamed));
    }
}

#[tokio::test]
async fn a_branch_that_cannot_be_taken_over_is_refused() {
    let desk = Desk::new();
    let Some(repo) = Repo::sample() else { return };
    repo.git(&["checkout", "--quiet", "-b", "feature"]);
    repo.write("README.md", "theirs\n");
    repo.commit("theirs");
    repo.git(&["checkout", "--quiet", "-b", "linked", "main"]);
    std::os::unix::fs::symlink("run.sh", repo.path().join("another")).unwrap();
    repo.commit("a link");
    repo.git(&["checkout", "--quiet", "--orphan", "alone"]);
    repo.commit("unrelated");
    repo.git(&["checkout", "--quiet", "main"]);
    repo.write("README.md", "ours\n");
    repo.commit("ours");
    let cases = [
        ("feature", ErrorKind::Conflict, "precondition_failed"),
        ("linked", ErrorKind::Denied, "unsafe_path"),
        ("alone", ErrorKind::Invalid, "unrelated_histories"),
        ("main", ErrorKind::Invalid, "empty_plan"),
        ("nope", ErrorKind::NotFound, "ref_not_found"),
        ("--output=x", ErrorKind::Invalid, "invalid"),
    ];
    for spec in [repo.local(), repo.url(None)] {
        let base = desk.checkout(&spec).await.unwrap();
        for (branch, kind, code) in cases {
            let change = Change::Branch(branch.into());
            let error = desk.resolve(&spec, &base, &change).await.unwrap_err();
            assert_eq!((error.kind(), error.code_str()), (kind, code), "{branch}: {error}");
        }
    }
}

#[tokio::test]
async fn a_branch_within_a_subfolder_stays_in_it() {
    let desk = Desk::new();
    let Some(repo) = Repo::sample() else { return };
    repo.write("app/a.txt", "a\n");
    repo.commit("app");
    repo.git(&["checkout", "--quiet", "-b", "inside"]);
    repo.write("app/a.txt", "b\n");
    repo.commit("inside");
    repo.git(&["checkout", "--quiet", "-b", "outside"]);
    repo.write("README.md", "out\n");
    repo.commit("outside");
    repo.git(&["checkout", "--quiet", "main"]);
    let spec = RepoSpec::Local {
        path: repo.path().display().to_string(),
        reference: None,
        subfolder: Some(RelPath::new("app").unwrap()),
    };
    let base = desk.checkout(&spec).await.unwrap();
    let inside = desk.resolve(&spec, &base, &Change::Branch("inside".into())).await.unwrap();
    let applied = desk.workspace.apply(&*base.tree, &inside).await.unwrap();
    assert_eq!(text(&*applied.tree, "a.txt").await.as_deref(), Some("b\n"));
    let error = desk.resolve(&spec, &base, &Change::Branch("outside".into())).await.unwrap_err();
    assert_eq!(error.code_str(), "outside_subfolder");
}

#[tokio::test]
async fn caps_hold_for_changes() {
    let desk = Desk::with(|config| {
        config.limits.max_operations = 3;
        config.limits.max_change_bytes = 200;
        config.limits.max_entries = 6;
    });
    let Some((_repo, spec, base)) = sample(&desk).await else { return };
    let file = |name: usize| op(FileOpKind::Create, &format!("f{name}"), Some("x"));
    let many = change((0..4).map(file).collect());
    let large = change(vec![op(FileOpKind::Create, "large", Some(&"x".repeat(300)))]);
    for change in [many, large] {
        let error = desk.resolve(&spec, &base, &change).await.unwrap_err();
        assert_eq!(error.code_str(), "too_large");
    }
    // Four entries and three more are one too many, which only the whole tree can tell.
    let resolved = desk.resolve(&spec, &base, &change((0..3).map(file).collect())).await.unwrap();
    let error = desk.workspace.apply(&*base.tree, &resolved).await.unwrap_err();
    assert_eq!(error.code_str(), "too_large");
    assert_eq!(desk.trees().len(), 1);
}

#[tokio::test]
async fn a_very_long_file_of_other_lines_is_compared_to_an_end() {
    // Without a bound on the comparing, the suite's own for a test ends this one.
    let desk = Desk::new();
    let Some(repo) = Repo::sample() else { return };
    let lines = |salt: usize| {
        let lines: Vec<String> =
            (0..60_000).map(|n| (n * 7919 % 60_013 + salt).to_string()).collect();
        lines.join("\n")
    };
    repo.write("long.txt", lines(0));
    repo.commit("long");
    let base = desk.checkout(&repo.local()).await.unwrap();
    let change = change(vec![op(FileOpKind::Update, "long.txt", Some(&lines(1)))]);
    let resolved = desk.resolve(&repo.local(), &base, &change).await.unwrap();
    let applied = desk.workspace.apply(&*base.tree, &resolved).await.unwrap();
    // What is printed applies.
    let printed = Change::Diff(applied.patch.diff.clone());
    let again = desk.resolve(&repo.local(), &base, &printed).await.unwrap();
    let again = desk.workspace.apply(&*base.tree, &again).await.unwrap();
    assert_eq!(contents(&*again.tree).await, contents(&*applied.tree).await);
    assert!(applied.tree.list().await.unwrap().len() > 4);
}
