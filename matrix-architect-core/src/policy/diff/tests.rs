//! What a diff says about each file.

use super::{Line, Lines, section::sections};

fn shape(diff: &str) -> Vec<(String, usize, usize)> {
    let count = |lines: &Lines<'_>| {
        let added = lines.all.iter().filter(|line| matches!(line, Line::Added(_))).count();
        let removed = lines.all.iter().filter(|line| matches!(line, Line::Removed(_))).count();
        (added, removed)
    };
    let all = sections(diff).by_path;
    all.iter()
        .map(|(path, lines)| {
            let (added, removed) = count(lines);
            (path.to_string(), added, removed)
        })
        .collect()
}

#[test]
fn lines_that_look_like_headers_are_lines() {
    let diff = "diff --git a/q.sql b/q.sql\n--- a/q.sql\n+++ b/q.sql\n@@ -1,2 +1,2 @@\n\
                --- a comment\n+++ b\n-x\n+y\ndiff --git a/z b/z\nnew file mode 120000\n";
    assert_eq!(shape(diff), [("q.sql".into(), 2, 2), ("z".into(), 0, 0)]);
    assert_eq!(sections(diff).by_path["z"].mode, Some("120000"));
}

#[test]
fn deleted_renamed_and_quoted_paths_are_found() {
    let diff = "diff --git a/old b/old\ndeleted file mode 100644\n--- a/old\n+++ /dev/null\n\
                @@ -1 +0,0 @@\n-x\n\
                diff --git a/a b/b\nsimilarity index 100%\nrename from a\nrename to b\n\
                diff --git \"a/\\303\\244 b\" \"b/\\303\\244 b\"\n--- \"a/\\303\\244 b\"\n\
                +++ \"b/\\303\\244 b\"\n@@ -0,0 +1 @@\n+x\n\\ No newline at end of file\n";
    assert_eq!(shape(diff), [("b".into(), 0, 0), ("old".into(), 0, 1), ("ä b".into(), 1, 0)]);
}

#[test]
fn a_diff_without_git_headers_is_read_too() {
    let diff = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-1\n+2\n--- a/y\n+++ b/y\n@@ -1 +1,2 @@\n 1\n+2\n";
    assert_eq!(shape(diff), [("x".into(), 1, 1), ("y".into(), 1, 0)]);
}

#[test]
fn a_mode_that_stays_is_read_and_a_file_that_comes_twice_is_named() {
    let diff = "diff --git a/m b/m\nindex 0a1b..2c3d 160000\n--- a/m\n+++ b/m\n@@ -1 +1 @@\n-a\n+b\n\
                diff --git a/m b/m\n--- a/m\n+++ b/m\n@@ -1 +1 @@\n-a\n+b\n";
    let first = &diff[..diff.len() / 2];
    assert_eq!(sections(first).by_path["m"].mode, Some("160000"));
    assert!(sections(first).twice.is_empty());
    assert_eq!(sections(diff).twice, ["m"]);
}
