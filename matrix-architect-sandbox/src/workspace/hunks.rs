//! Applies a text patch's hunks just where they say, or not at all.

use diffy::{Hunk, Line};

/// The first line of the file (counted from 1) that is not what the hunk says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mismatch {
    pub(super) line: usize,
}

/// The patched text.
pub(super) fn apply(original: &str, hunks: &[Hunk<'_, str>]) -> Result<String, Mismatch> {
    let lines: Vec<&str> = original.split_inclusive('\n').collect();
    let mut patched = String::with_capacity(original.len());
    let mut at = 0;
    for hunk in hunks {
        let start = first_line(hunk);
        let before = lines.get(at..start).ok_or(Mismatch { line: start + 1 })?;
        patched.extend(before.iter().copied());
        at = start;
        for line in hunk.lines() {
            match *line {
                Line::Insert(text) => push(&mut patched, text, at)?,
                Line::Context(text) | Line::Delete(text) => {
                    if lines.get(at) != Some(&text) {
                        return Err(Mismatch { line: at + 1 });
                    }
                    at += 1;
                    if matches!(line, Line::Context(_)) {
                        push(&mut patched, text, at)?;
                    }
                }
            }
        }
    }
    for line in &lines[at..] {
        push(&mut patched, line, at)?;
    }
    Ok(patched)
}

/// Where a hunk begins, counted from 0. A range of no lines is named by the line before it.
fn first_line(hunk: &Hunk<'_, str>) -> usize {
    let range = hunk.old_range();
    if range.is_empty() { range.start() } else { range.start().saturating_sub(1) }
}

/// Adds a line; none may follow one without a line end.
fn push(patched: &mut String, line: &str, at: usize) -> Result<(), Mismatch> {
    if !patched.is_empty() && !patched.ends_with('\n') {
        return Err(Mismatch { line: at + 1 });
    }
    patched.push_str(line);
    Ok(())
}

#[cfg(test)]
mod tests {
    use diffy::Patch;

    use super::*;

    fn patched(original: &str, hunks: &str) -> Result<String, Mismatch> {
        let text = format!("--- a/x\n+++ b/x\n{hunks}");
        apply(original, Patch::from_str(&text).unwrap().hunks())
    }

    #[test]
    fn a_hunk_applies_where_it_says() {
        let hunks = "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n@@ -5,0 +6 @@\n+f\n";
        assert_eq!(patched("a\nb\nc\nd\ne\n", hunks).unwrap(), "a\nB\nc\nd\ne\nf\n");
    }

    #[test]
    fn a_hunk_that_would_fit_elsewhere_is_refused() {
        let hunks = "@@ -1,1 +1,1 @@\n-b\n+B\n";
        assert_eq!(patched("a\nb\n", hunks), Err(Mismatch { line: 1 }));
        assert_eq!(patched("b\nb\n", "@@ -4,1 +4,1 @@\n-b\n+B\n"), Err(Mismatch { line: 4 }));
    }

    #[test]
    fn line_ends_count() {
        let hunks = "@@ -1,1 +1,1 @@\n-b\n+B\n";
        assert_eq!(patched("b", hunks), Err(Mismatch { line: 1 }));
        assert_eq!(patched("b\r\n", hunks), Err(Mismatch { line: 1 }));
        let without = "@@ -1,1 +1,1 @@\n-b\n\\ No newline at end of file\n+B\n";
        assert_eq!(patched("b", without).unwrap(), "B\n");
        assert_eq!(patched("b\n", without), Err(Mismatch { line: 1 }));
        let adds = "@@ -1,1 +1,1 @@\n-b\n+B\n\\ No newline at end of file\n";
        assert_eq!(patched("b\nc\n", adds), Err(Mismatch { line: 2 }));
    }

    #[test]
    fn hunks_out_of_order_are_refused() {
        let hunks = "@@ -2,1 +2,1 @@\n-b\n+B\n@@ -1,1 +1,1 @@\n-a\n+A\n";
        // Either the parser or we refuse it.
        let text = format!("--- a/x\n+++ b/x\n{hunks}");
        if let Ok(patch) = Patch::from_str(&text) {
            assert!(apply("a\nb\n", patch.hunks()).is_err());
        }
    }
}
