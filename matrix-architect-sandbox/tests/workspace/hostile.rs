//! Hostile plans and diffs: each is refused, and nothing anywhere is other than before.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, symlink},
    path::Path,
};

use matrix_architect_core::{
    id::Digest,
    plan::{Change, FileOp, FileOpKind, Precondition, RepoSpec},
    traits::{Checkout, Workspace as _},
};
use matrix_architect_sandbox::workspace::DirTree;

use crate::{
    change::{change, op, plan, rename},
    repo::Desk,
};

const CREATE: FileOpKind = FileOpKind::Create;
const UPDATE: FileOpKind = FileOpKind::Update;
const DELETE: FileOpKind = FileOpKind::Delete;

/// A base with every kind of trap in it, and the world around it.
struct World {
    directory: tempfile::TempDir,
    base: Checkout,
    spec: RepoSpec,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("base");
        let write = |path: &str, content: &[u8]| {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        write("outside/secret.txt", b"secret\n");
        write("base/a.txt", b"one\ntwo\nthree\n");
        write("base/src/lib.rs", b"fn a() {}\n");
        write("base/Caf\u{e9}.txt", b"nfc\n");
        write("base/blob.bin", &[0, 1, 2, 255]);
        write("base/.git/config", b"[core]\n");
        write("base/.git/hooks/pre-commit", b"#!/bin/sh\n");
        symlink("../outside", root.join("out")).unwrap();
        symlink("../outside/secret.txt", root.join("out.txt")).unwrap();
        symlink("src", root.join("folder")).unwrap();
        symlink("a.txt", root.join("a-link")).unwrap();
        symlink(".git", root.join("git-link")).unwrap();
        fs::hard_link(directory.path().join("outside/secret.txt"), root.join("hard.txt")).unwrap();
        let base = Checkout {
            commit: None,
            branch: None,
            uncommitted: false,
            tree: std::sync::Arc::new(DirTree::open(&root).unwrap()),
        };
        let path = root.display().to_string();
        let spec = RepoSpec::Local { path, reference: None, subfolder: None };
        Self { directory, base, spec }
    }

    /// Everything there is, with contents, modes, link counts and times.
    fn state(&self) -> Digest {
        let mut hasher = Digest::hasher();
        let mut todo = vec![self.directory.path().to_owned()];
        while let Some(path) = todo.pop() {
            let status = fs::symlink_metadata(&path).unwrap();
            hasher.update(path.as_os_str().as_encoded_bytes());
            hasher.update(format!("{:o} {} {}", status.mode(), status.nlink(), status.ino()));
            hasher.update(format!("{} {}", status.mtime(), status.mtime_nsec()));
            if status.is_symlink() {
                hasher.update(fs::read_link(&path).unwrap().as_os_str().as_encoded_bytes());
            } else if status.is_dir() {
                let mut names: Vec<_> =
                    fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
                names.sort();
                todo.extend(names);
            } else {
                hasher.update(fs::read(&path).unwrap());
            }
        }
        hasher.finish()
    }
}

fn create(path: &str) -> Vec<FileOp> {
    vec![op(CREATE, path, Some("x"))]
}

fn update(path: &str) -> Vec<FileOp> {
    vec![op(UPDATE, path, Some("x"))]
}

fn delete(path: &str) -> Vec<FileOp> {
    vec![op(DELETE, path, None)]
}

/// Plans that must be refused, each with what is wrong in it.
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn hostile_plans() -> Vec<(&'static str, Vec<FileOp>)> {
    let good = || op(CREATE, "good.txt", Some("good"));
    let mut cases = vec![
        ("link replaced", update("a-link")),
        ("link deleted", delete("a-link")),
        ("link renamed", vec![rename("a-link", "b-link")]),
        ("link overwritten", create("a-link")),
        ("renamed onto a link", vec![rename("a.txt", "a-link")]),
        ("created through a link out", create("out/x")),
        ("updated through a link out", update("out/secret.txt")),
        ("deleted through a link out", delete("out/secret.txt")),
        ("renamed through a link out", vec![rename("a.txt", "out/x")]),
        ("renamed from beyond a link", vec![rename("out/secret.txt", "stolen.txt")]),
        ("written through a link to a file", update("out.txt")),
        ("through a link inside", update("folder/lib.rs")),
        ("through a link to git", update("git-link/config")),
        ("hard link updated", update("hard.txt")),
        ("hard link deleted", delete("hard.txt")),
        ("hard link renamed", vec![rename("hard.txt", "soft.txt")]),
        ("git's configuration", update(".git/config")),
        ("git's hook", delete(".git/hooks/pre-commit")),
        ("git's folder renamed", vec![rename(".git/config", "config")]),
        ("a folder updated", update("src")),
        ("a folder deleted", delete("src")),
        ("a folder overwritten", create("src")),
        ("a file used as a folder", create("a.txt/b")),
        ("an existing file created", create("a.txt")),
        ("an absent file updated", update("absent")),
        ("an absent file deleted", delete("absent")),
        ("renamed onto a file", vec![rename("a.txt", "src/lib.rs")]),
        ("renamed to itself", vec![rename("a.txt", "a.txt")]),
        ("another case", create("A.TXT")),
        ("another case of a folder", create("SRC/new.rs")),
        ("another normal form", create("Cafe\u{301}.txt")),
        ("two cases in one plan", vec![op(CREATE, "n", Some("1")), op(CREATE, "N", Some("2"))]),
        ("twice in one plan", vec![good(), good()]),
        (
            "good, then bad",
            vec![good(), op(UPDATE, "a.txt", Some("x")), op(DELETE, "absent", None)],
        ),
        ("deleted, then updated", vec![op(DELETE, "a.txt", None), op(UPDATE, "a.txt", Some("x"))]),
        (
            "broken base 64",
            vec![FileOp {
                encoding: matrix_architect_core::plan::Encoding::Base64,
                ..op(CREATE, "x", Some("%%%"))
            }],
        ),
        ("create without content", vec![op(CREATE, "x", None)]),
        ("rename without a source", vec![op(FileOpKind::Rename, "x", None)]),
        ("nothing", Vec::new()),
    ];
    for path in [
        "../x",
        "../outside/secret.txt",
        "/etc/passwd",
        "a/../../x",
        "./x",
        "a/./x",
        "a//x",
        "x/",
        "",
        ".",
        "..",
        "a\\..\\x",
        "C:\\x",
        "a\0b",
        "a\nb",
        "\u{7f}",
        ".git",
        ".git/x",
        ".GIT/x",
        "src/.git/x",
        ".git /x",
        ".git./x",
        ".git...",
        "git~1/x",
        ".g\u{200c}it/x",
        "\u{feff}.git/x",
        ".git::$INDEX_ALLOCATION/x",
        ".gIt",
        "CON",
        "aux.txt",
        "src/NUL",
        "com1.log",
        "lpt9",
        "nul .txt",
    ] {
        cases.push((path, create(path)));
        cases.push((path, vec![rename("a.txt", path)]));
    }
    cases.push(("a name too long", create(&"n".repeat(256))));
    cases.push(("a path too long", create(&"d/".repeat(2048))));
    cases
}

#[tokio::test]
async fn hostile_plans_change_nothing_anywhere() {
    let (world, desk) = (World::new(), Desk::new());
    let before = world.state();
    let cases = hostile_plans();
    assert!(cases.len() >= 60);
    for (name, ops) in cases {
        let answer = desk.resolve(&world.spec, &world.base, &change(ops.clone())).await;
        assert!(answer.is_err(), "resolved: {name}: {ops:?}");
        for op_expects in expectations(&ops, world.directory.path()) {
            let answer = desk.workspace.apply(&*world.base.tree, &plan(op_expects)).await;
            assert!(answer.is_err(), "applied: {name}: {ops:?}");
        }
        assert_eq!(world.state(), before, "{name}");
        assert!(desk.trees().is_empty(), "{name}");
    }
}

/// The operations with preconditions that a liar would give: absent, or just what is there.
fn expectations(ops: &[FileOp], world: &Path) -> Vec<Vec<FileOp>> {
    let there = |path: &str| {
        let path = world.join("base").join(path.trim_start_matches('/').replace('\0', ""));
        Precondition::Sha256(Digest::of(fs::read(path).unwrap_or_default()))
    };
    let with = |expect: &dyn Fn(&FileOp) -> Precondition| {
        ops.iter().map(|op| FileOp { expect: Some(expect(op)), ..op.clone() }).collect()
    };
    vec![
        with(&|_| Precondition::Absent),
        with(&|op| there(op.from.as_deref().unwrap_or(&op.path))),
        with(&|op| {
            if op.op == CREATE {
                Precondition::Absent
            } else {
                there(op.from.as_deref().unwrap_or(&op.path))
            }
        }),
    ]
}

fn git_diff(header: &str, body: &str) -> String {
    format!("{header}\n{body}")
}

fn modify(path: &str, hunk: &str) -> String {
    git_diff(&format!("diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}"), hunk)
}

fn add(path: &str) -> String {
    let header =
        format!("diff --git a/{path} b/{path}\nnew file mode 100644\n--- /dev/null\n+++ b/{path}");
    git_diff(&header, "@@ -0,0 +1 @@\n+x\n")
}

/// Diffs that must be refused.
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn hostile_diffs() -> Vec<(String, String)> {
    let good = modify("a.txt", "@@ -1,3 +1,3 @@\n-one\n+ONE\n two\n three\n");
    let case = |name: &str, diff: String| (name.to_owned(), diff);
    let mut cases = vec![
        case("empty", String::new()),
        case("no diff", "hello\n".into()),
        case("a good file, then a failing hunk",
            format!("{good}{}", modify("src/lib.rs", "@@ -1 +1 @@\n-fn b() {}\n+fn c() {}\n"))),
        case("a good file, then one outside", format!("{good}{}", add("../x"))),
        case("the same file twice", format!("{good}{good}")),
        case("cut within a hunk", good[..good.len() - 8].to_owned()),
        case("cut after the header", "diff --git a/a.txt b/a.txt\n--- a/a.txt\n+++ b/a.txt\n".into()),
        case("a header alone", "diff --git a/a.txt b/a.txt\n".into()),
        case("a hunk of no file", format!("{good}garbage\n@@ -1 +1 @@\n-one\n+two\n")),
        case("a hunk one line off", good.replace("-1,3 +1,3", "-2,3 +2,3")),
        case("a hunk beyond the end", good.replace("-1,3 +1,3", "-900,3 +900,3")),
        case("a hunk at an absurd line", good.replace("-1,3", "-18446744073709551615,3")),
        case("wrong counts", good.replace("-1,3 +1,3", "-1,9 +1,9")),
        case("other context", good.replace(" two\n", " 2\n")),
        case("trailing blanks in the context", good.replace(" two\n", " two \n")),
        case("line ends of Windows", good.replace('\n', "\r\n")),
        case("created where one is", add("a.txt")),
        case("deleted with other content",
            "diff --git a/a.txt b/a.txt\ndeleted file mode 100644\n--- a/a.txt\n+++ /dev/null\n\
             @@ -1 +0,0 @@\n-one\n".into()),
        case("a link created",
            "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n\
             +/etc/passwd\n\\ No newline at end of file\n".into()),
        case("a link created, then written through",
            format!("diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n\
             @@ -0,0 +1 @@\n+../outside\n\\ No newline at end of file\n{}", add("l/x"))),
        case("a file made a link",
            "diff --git a/a.txt b/a.txt\nold mode 100644\nnew mode 120000\n".into()),
        case("a link made a file",
            "diff --git a/a-link b/a-link\nold mode 120000\nnew mode 100644\n".into()),
        case("a submodule",
            "diff --git a/s b/s\nnew file mode 160000\n--- /dev/null\n+++ b/s\n@@ -0,0 +1 @@\n\
             +Subproject commit 0123456789012345678901234567890123456789\n".into()),
        case("an unknown mode", add("x").replace("100644", "104755")),
        case("a device's mode", add("x").replace("100644", "020000")),
        case("a link changed", modify("a-link", "@@ -1 +1 @@\n-a.txt\n+/etc/passwd\n")),
        case("through a link", modify("folder/lib.rs", "@@ -1 +1 @@\n-fn a() {}\n+fn b() {}\n")),
        case("through a link out", modify("out/secret.txt", "@@ -1 +1 @@\n-secret\n+public\n")),
        case("a hard link", modify("hard.txt", "@@ -1 +1 @@\n-secret\n+public\n")),
        case("two names and no rename",
            "--- a/a.txt\n+++ b/src/lib.rs\n@@ -1,3 +1,3 @@\n-one\n+ONE\n two\n three\n".into()),
        case("no prefix", "--- a.txt\n+++ a.txt\n@@ -1,3 +1,3 @@\n-one\n+ONE\n two\n three\n".into()),
        case("renamed outside",
            "diff --git a/a.txt b/x\nsimilarity index 100%\nrename from a.txt\nrename to ../x\n".into()),
        case("renamed from outside",
            "diff --git a/x b/x\nsimilarity index 100%\nrename from ../outside/secret.txt\n\
             rename to x\n".into()),
        case("renamed with other headers",
            "diff --git a/a.txt b/x\nsimilarity index 50%\nrename from a.txt\nrename to x\n\
             --- a/src/lib.rs\n+++ b/x\n@@ -1 +1 @@\n-fn a() {}\n+fn b() {}\n".into()),
        case("copied through a link",
            "diff --git a/out/secret.txt b/x\nsimilarity index 100%\ncopy from out/secret.txt\n\
             copy to x\n".into()),
        case("a link copied",
            "diff --git a/out.txt b/x\nsimilarity index 100%\ncopy from out.txt\ncopy to x\n".into()),
        case("binary without content",
            "diff --git a/blob.bin b/blob.bin\nindex 1..2 100644\n\
             Binary files a/blob.bin and b/blob.bin differ\n".into()),
        case("binary that is none",
            "diff --git a/blob.bin b/blob.bin\nindex 1..2 100644\nGIT binary patch\nliteral 4\n\
             zzzzzzz\n\nliteral 4\nzzzzzzz\n\n".into()),
        case("binary of an absurd size",
            "diff --git a/blob.bin b/blob.bin\nindex 1..2 100644\nGIT binary patch\n\
             literal 99999999999999\nKcmV+b0RR6000031\n\nliteral 0\nKcmV+b0RR6000031\n\n".into()),
        // The reverse says that the file was empty, and it is not.
        case("binary against other content",
            "diff --git a/blob.bin b/blob.bin\nindex 1..2 100644\nGIT binary patch\nliteral 10\n\
             UcmV+l0QLU>0RjUA1qKHQ2>`DEE&u=k\n\nliteral 0\nKcmV+b0RR6000031\n\n".into()),
        case("another case", add("A.TXT")),
        case("another normal form", add("Cafe\u{301}.txt")),
        case("quoted way out",
            "diff --git \"a/\\056\\056/x\" \"b/\\056\\056/x\"\nnew file mode 100644\n--- /dev/null\n\
             +++ \"b/\\056\\056/x\"\n@@ -0,0 +1 @@\n+x\n".into()),
    ];
    for path in [
        "../x",
        "/etc/x",
        "a/../../x",
        "./x",
        "a//x",
        ".git/hooks/post-checkout",
        ".GIT/config",
        "src/.git/config",
        ".git./x",
        "git~1/x",
        ".g\u{200c}it/x",
        "a\\b",
        "NUL",
        "a.txt/x",
        "out/x",
    ] {
        cases.push((format!("added {path}"), add(path)));
    }
    cases
}

#[tokio::test]
async fn hostile_diffs_change_nothing_anywhere() {
    let (world, desk) = (World::new(), Desk::new());
    let before = world.state();
    for (name, diff) in hostile_diffs() {
        let answer = desk.resolve(&world.spec, &world.base, &Change::Diff(diff.clone())).await;
        assert!(answer.is_err(), "{name}: {answer:?}\n{diff}");
        assert_eq!(world.state(), before, "{name}");
        assert!(desk.trees().is_empty(), "{name}");
    }
}

#[tokio::test]
async fn a_base_that_changed_since_it_was_resolved_is_a_conflict() {
    let (world, desk) = (World::new(), Desk::new());
    for (name, ops) in [
        ("update", update("a.txt")),
        ("delete", delete("a.txt")),
        ("rename", vec![rename("a.txt", "b.txt")]),
        ("create", create("new.txt")),
    ] {
        let resolved = desk.resolve(&world.spec, &world.base, &change(ops)).await.unwrap();
        let path = world.directory.path().join("base");
        fs::write(path.join("a.txt"), format!("other {name}")).unwrap();
        fs::write(path.join("new.txt"), "somebody else's").unwrap();
        let error = desk.workspace.apply(&*world.base.tree, &resolved).await.unwrap_err();
        assert!(error.is_conflict(), "{name}: {error}");
        fs::remove_file(path.join("new.txt")).unwrap();
    }
    // Each good change is applied, so that the refusals above are not those of a broken world.
    let clean = World::new();
    for link in ["out", "out.txt", "git-link"] {
        fs::remove_file(clean.directory.path().join("base").join(link)).unwrap();
    }
    let before = clean.state();
    let ops = vec![op(UPDATE, "a.txt", Some("x")), op(CREATE, "new.txt", Some("y"))];
    let resolved = desk.resolve(&clean.spec, &clean.base, &change(ops)).await.unwrap();
    desk.workspace.apply(&*clean.base.tree, &resolved).await.unwrap();
    assert_eq!(clean.state(), before);
}
