//! What holds for every tree: diffs lead from one to the other, and git agrees.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _, path::Path};

use matrix_architect_core::{
    plan::{Change, FileOp, FileOpKind, RepoSpec},
    traits::{Checkout, Tree, Workspace as _},
};
use matrix_architect_sandbox::workspace::{DirTree, Scratch, TreeLimits, unpack};
use proptest::{collection, prelude::*};

use crate::{
    change::{change, op, rename},
    repo::{Desk, Repo, contents, git},
};

/// Files by path, with their mode.
type Files = BTreeMap<String, (Vec<u8>, bool)>;

fn content() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        Just("a"),
        Just("b"),
        Just("  c"),
        Just(""),
        Just("-- d"),
        Just("@@ -1 +1 @@"),
        Just("diff --git a/x b/x"),
        Just("\u{fc}ber\r"),
        Just("+++ b/x")
    ];
    let text = (collection::vec(line, 0..12), any::<bool>()).prop_map(|(lines, ended)| {
        let mut text = lines.join("\n");
        if ended && !text.is_empty() {
            text.push('\n');
        }
        text.into_bytes()
    });
    let binary = collection::vec(any::<u8>(), 1..60).prop_map(|mut bytes| {
        // Without it git takes odd bytes for a text in some old encoding.
        bytes.push(0);
        bytes
    });
    prop_oneof![4 => text, 1 => binary]
}

fn files() -> impl Strategy<Value = Files> {
    // Folders and files never share a name, so that any two trees are possible neighbours.
    let path = prop_oneof![
        Just("f0"),
        Just("f1"),
        Just("d0/f0"),
        Just("d0/f 1"),
        Just("d0/d1/f0"),
        Just("d-/f0"),
        Just("d2/\"q\""),
        Just("d2/\u{e9}")
    ];
    collection::btree_map(path.prop_map(str::to_owned), (content(), any::<bool>()), 0..7)
}

fn write(root: &Path, files: &Files) {
    for (path, (content, executable)) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        let mode = if *executable { 0o755 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
}

fn clear(root: &Path) {
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with(".git") {
            fs::remove_dir_all(path).unwrap();
        } else if path.is_file() {
            fs::remove_file(path).unwrap();
        }
    }
}

fn checkout(tree: DirTree) -> Checkout {
    Checkout { commit: None, branch: None, uncommitted: false, tree: std::sync::Arc::new(tree) }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(work)
}

/// The operations that lead from one set of files to another.
fn operations(from: &Files, to: &Files) -> Vec<FileOp> {
    let mut ops = Vec::new();
    for (path, (content, executable)) in to {
        let kind = match from.get(path) {
            None => FileOpKind::Create,
            Some(old) if *old == (content.clone(), *executable) => continue,
            Some(_) => FileOpKind::Update,
        };
        let op = op(kind, path, None).with_bytes(content.clone());
        ops.push(FileOp { executable: Some(*executable), ..op });
    }
    let gone = from.keys().filter(|path| !to.contains_key(*path));
    ops.extend(gone.map(|path| op(FileOpKind::Delete, path, None)));
    ops
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_leads_from_any_tree_to_any_other(from in files(), to in files()) {
        let ops = operations(&from, &to);
        prop_assume!(!ops.is_empty());
        run(async {
            let (desk, one, other) = (Desk::new(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            write(one.path(), &from);
            write(other.path(), &to);
            let base = checkout(DirTree::open(one.path()).unwrap());
            let spec = RepoSpec::Local { path: "/".into(), reference: None, subfolder: None };
            let resolved = desk.resolve(&spec, &base, &change(ops)).await.unwrap();
            let applied = desk.workspace.apply(&*base.tree, &resolved).await.unwrap();
            let expected = contents(&DirTree::open(other.path()).unwrap()).await;
            assert_eq!(contents(&*applied.tree).await, expected);
            // Applied, packed and unpacked are the same tree.
            let packed = applied.tree.pack().await.unwrap();
            let copy = unpack(desk.workspace.scratch(), packed, &TreeLimits::default()).await.unwrap();
            assert_eq!(contents(&copy).await, expected);
        });
    }

    #[test]
    fn what_is_unpacked_is_what_was_packed(files in files()) {
        run(async {
            let (one, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            write(one.path(), &files);
            let tree = DirTree::open(one.path()).unwrap();
            let bytes = tree.pack().await.unwrap().collect(1 << 20).await.unwrap();
            let scratch = Scratch::open(root.path()).unwrap();
            let stream = matrix_architect_core::traits::ByteStream::once(bytes.clone());
            let copy = unpack(&scratch, stream, &TreeLimits::default()).await.unwrap();
            assert_eq!(contents(&copy).await, contents(&tree).await);
            assert_eq!(copy.pack().await.unwrap().collect(1 << 20).await.unwrap(), bytes);
        });
    }

    #[test]
    fn no_text_breaks_the_reader_of_diffs(text in "(diff --git a/[ab] b/[ab]\n|--- a/[ab]\n|\\+\\+\\+ b/[ab]\n|@@ -[0-9]{1,20}(,[0-9]{1,20})? \\+[0-9](,[0-9])? @@\n|[ +-]?[ab]?\n|rename from [ab]\n|rename to [ab]\n|new file mode 1[0-9]{5}\n|GIT binary patch\n|literal [0-9]{1,3}\n|delta [0-9]\n|[A-Za-z0-9]{1,20}\n|\\\\ No newline at end of file\n|Binary files a/a and b/a differ\n|\u{e9}){0,14}") {
        run(async {
            let (desk, one) = (Desk::new(), tempfile::tempdir().unwrap());
            fs::write(one.path().join("a"), "a\nb\n").unwrap();
            let base = checkout(DirTree::open(one.path()).unwrap());
            let spec = RepoSpec::Local { path: "/".into(), reference: None, subfolder: None };
            // Whatever it is, it is an answer and no panic.
            let _ = desk.resolve(&spec, &base, &Change::Diff(text.clone())).await;
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_diff_of_git_leads_where_git_apply_leads(from in files(), to in files()) {
        prop_assume!(from != to);
        run(async {
            let (desk, Some(repo)) = (Desk::new(), Repo::empty()) else { return };
            write(repo.path(), &from);
            repo.commit("from");
            let base = desk.checkout(&repo.local()).await.unwrap();
            let theirs = tempfile::tempdir().unwrap();
            git(theirs.path(), &["clone", "--quiet", repo.path().to_str().unwrap(), "."]);
            clear(repo.path());
            write(repo.path(), &to);
            repo.git(&["add", "--all"]);
            let diff = repo.staged();
            let file = theirs.path().join(".git/change.diff");
            fs::write(&file, &diff).unwrap();
            git(theirs.path(), &["apply", "--whitespace=nowarn", file.to_str().unwrap()]);
            let theirs_after = contents(&DirTree::open(theirs.path()).unwrap()).await;

            let resolved = desk.resolve(&repo.local(), &base, &Change::Diff(diff)).await.unwrap();
            let ours = desk.workspace.apply(&*base.tree, &resolved).await.unwrap();
            assert_eq!(contents(&*ours.tree).await, theirs_after);

            // What we print, git applies to the same tree, if no binary file is only named in it.
            if !ours.patch.files.iter().any(|file| file.binary) {
                git(theirs.path(), &["checkout", "--quiet", "--force", "HEAD"]);
                git(theirs.path(), &["clean", "-dffxq"]);
                fs::write(&file, &ours.patch.diff).unwrap();
                git(theirs.path(), &["apply", "--whitespace=nowarn", file.to_str().unwrap()]);
                assert_eq!(contents(&DirTree::open(theirs.path()).unwrap()).await, theirs_after);
            }

            // The same as a branch.
            repo.git(&["checkout", "--quiet", "-b", "to"]);
            repo.commit("to");
            repo.git(&["checkout", "--quiet", "main"]);
            let base = desk.checkout(&repo.local()).await.unwrap();
            let change = Change::Branch("to".into());
            let resolved = desk.resolve(&repo.local(), &base, &change).await.unwrap();
            let ours = desk.workspace.apply(&*base.tree, &resolved).await.unwrap();
            assert_eq!(contents(&*ours.tree).await, theirs_after);
        });
    }
}

#[tokio::test]
async fn a_rename_chain_is_one_rename() {
    let (desk, Some(repo)) = (Desk::new(), Repo::sample()) else { return };
    let base = desk.checkout(&repo.local()).await.unwrap();
    let ops = vec![rename("run.sh", "a"), rename("a", "b"), rename("README.md", "run.sh")];
    let resolved = desk.resolve(&repo.local(), &base, &change(ops)).await.unwrap();
    let applied = desk.workspace.apply(&*base.tree, &resolved).await.unwrap();
    let facts: Vec<_> =
        applied.patch.files.iter().map(|f| (f.path.as_str(), f.from.is_some())).collect();
    assert_eq!(facts, [("README.md", false), ("b", false), ("run.sh", false)]);
}
