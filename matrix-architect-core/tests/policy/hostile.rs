//! Whatever a diff says, it is judged, and in a time that grows with its length only.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    fmt::Write as _,
};

use matrix_architect_core::patch::ChangeKind;
use proptest::prelude::*;

use super::{
    case::{Case, case, file},
    labelled::all,
};

/// Counts what a thread asks of the allocator.
struct Counting;

thread_local! {
    static ASKED: Cell<usize> = const { Cell::new(0) };
}

#[expect(unsafe_code, reason = "the trait of allocators is unsafe")]
// SAFETY: everything is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ASKED.try_with(|asked| asked.set(asked.get() + layout.size()));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that judging the change asks for.
fn bytes(case: &Case) -> usize {
    let before = ASKED.get();
    let verdict = case.judge();
    assert!(!verdict.reasons.is_empty());
    ASKED.get() - before
}

/// A file in which every line is what some signal looks for.
fn long(path: &str, lines: usize) -> Case {
    const KINDS: [&str; 10] = [
        "#[test]",
        "#[allow(dead_code)]",
        "drop table a;",
        "\"a\": \"^1\", \"b\": {\"c\": [1]}",
        "evil = { git = \"https://example.org\" }",
        "pub fn a() {}",
        "ignore = [\"a\"]",
        "cargo test || true",
        "/* a",
        "[tool.ruff]",
    ];
    let text = (0..lines).fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{} {line}", KINDS[line % KINDS.len()]);
        text
    });
    let change = matrix_architect_core::patch::FileChange {
        added_lines: u32::try_from(lines).unwrap(),
        ..file(path, ChangeKind::Modified)
    };
    let hunk = text.lines().fold(String::new(), |mut hunk, line| {
        let _ = writeln!(hunk, "+{line}");
        hunk
    });
    let diff = format!(
        "diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -0,0 +1,{lines} @@\n{hunk}"
    );
    case("long").with(change, &diff)
}

#[test]
fn a_diff_of_200_000_lines_costs_twenty_times_one_of_10_000() {
    let (short, whole) = (bytes(&long("src/a.rs", 10_000)), bytes(&long("src/a.rs", 200_000)));
    assert!(whole < short * 30, "{short} bytes become {whole}");
}

#[test]
fn no_signal_costs_more_than_the_length_of_what_it_reads() {
    for path in [
        "tests/a.py",
        "Cargo.toml",
        "package.json",
        "Cargo.lock",
        "migrations/1.sql",
        "Makefile",
        "Dockerfile",
        "requirements.txt",
        "tests/conftest.py",
        ".eslintrc.json",
    ] {
        let (short, whole) = (bytes(&long(path, 500)), bytes(&long(path, 10_000)));
        assert!(whole < short * 30, "{path}: {short} bytes become {whole}");
    }
}

#[test]
fn many_migrations_cost_as_many_times_one() {
    let many = |count: usize| {
        (0..count).fold(case("many"), |case, number| {
            case.add(&format!("migrations/{number}.up.sql"), "drop table a;\n")
        })
    };
    let (few, all) = (bytes(&many(200)), bytes(&many(2000)));
    assert!(all < few * 15, "{few} bytes become {all}");
}

proptest! {
    #[test]
    fn any_diff_is_judged(bytes in prop::collection::vec(any::<u8>(), 0..2000), path in 0..6_usize) {
        let paths = ["a.rs", "Cargo.toml", "package.json", ".eslintrc.json", "m.sql", "Makefile"];
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let head = format!("diff --git a/{0} b/{0}\n--- a/{0}\n+++ b/{0}\n@@ -1,9 +1,99 @@\n", paths[path]);
        let added = text.split('\n').fold(head, |diff, line| diff + "+" + line + "\n");
        for diff in [text.as_str(), &added] {
            let change = file(paths[path], ChangeKind::Modified);
            let _verdict = case("any").with(change, diff).judge();
        }
    }

    /// Known changes, cut and pasted anywhere.
    #[test]
    fn any_mutilated_change_is_judged(
        which in any::<prop::sample::Index>(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), "\\PC{0,4}|[\"'\\[\\]{}=:,#@+\\-\r\n ]{1,4}"), 1..6),
    ) {
        let all = all();
        let mut case = which.get(&all).clone();
        for (place, text) in cuts {
            let mut at = place.index(case.patch.diff.len() + 1);
            while !case.patch.diff.is_char_boundary(at) {
                at -= 1;
            }
            case.patch.diff.insert_str(at, &text);
            let _verdict = case.judge();
            case.patch.diff.truncate(at + text.len());
            let verdict = case.judge();
            prop_assert!(verdict.risk.points <= 100);
        }
    }
}
