//! Which names no tree and no change may use, and which names some file system takes for the same.

use matrix_architect_core::{error::Result, path::RelPath};

use super::fault::unsafe_path;

/// Refuses a path with a component that Git or a file system takes for Git's own folder.
pub(super) fn refuse_git_folder(path: &RelPath) -> Result<()> {
    if path.components().any(is_git_folder) {
        return Err(unsafe_path("the path leads into git's own folder", path));
    }
    Ok(())
}

/// Refuses a new path with a component that Windows takes for a device.
#[cfg(feature = "workspace")]
pub(super) fn refuse_device_name(path: &RelPath) -> Result<()> {
    if path.components().any(is_device_name) {
        return Err(unsafe_path("the path has a name that Windows reserves", path)
            .advice("choose a name that can be checked out everywhere"));
    }
    Ok(())
}

/// Whether `name` is `.git` in any case, or is taken for it by NTFS (trailing dots and spaces,
/// streams, the short name `git~1`) or HFS+ (code points it ignores). The rules are those of Git's
/// own `core.protectNTFS` and `core.protectHFS`.
fn is_git_folder(name: &str) -> bool {
    let visible: String = name.chars().filter(|c| !ignored_by_hfs(*c)).collect();
    let stream = visible.split(':').next().unwrap_or_default();
    let ntfs = stream.trim_end_matches(['.', ' ']);
    [visible.as_str(), ntfs]
        .iter()
        .any(|name| name.eq_ignore_ascii_case(".git") || name.eq_ignore_ascii_case("git~1"))
}

const fn ignored_by_hfs(c: char) -> bool {
    matches!(c,
        '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
}

#[cfg(feature = "workspace")]
fn is_device_name(name: &str) -> bool {
    let stem = name.split(['.', ':']).next().unwrap_or_default().trim_end_matches(' ');
    let stem = stem.to_uppercase();
    let numbered = |device: &str| {
        stem.strip_prefix(device).is_some_and(|number| {
            let mut digits = number.chars();
            let digit = digits.next();
            digits.next().is_none()
                && digit.is_some_and(|d| d.is_ascii_digit() || matches!(d, '¹' | '²' | '³'))
        })
    };
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$")
        || numbered("COM")
        || numbered("LPT")
}

/// What a path is to a file system that ignores case and normalises to NFC: two paths with the same
/// fold are one file there.
#[cfg(feature = "workspace")]
pub(super) fn fold(path: &str) -> String {
    use unicode_normalization::UnicodeNormalization as _;
    // Upper case first joins letters that share it, such as 'ß' and "ss" or the two sigmas.
    path.nfd().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfc().collect()
}

#[cfg(all(test, feature = "workspace"))]
mod tests {
    use super::*;

    #[test]
    fn every_alias_of_gits_folder_is_known() {
        for name in [
            ".git",
            ".GIT",
            ".Git",
            ".git.",
            ".git ",
            ".git. .",
            ".git...",
            "git~1",
            "GIT~1",
            "git~1.",
            ".g\u{200c}it",
            "\u{feff}.git",
            ".git\u{206f}",
            ".git::$INDEX_ALLOCATION",
            ".git:stream",
            "git~1:x",
            ".g\u{200d}i\u{202e}t ",
        ] {
            assert!(is_git_folder(name), "{name:?}");
        }
    }

    #[test]
    fn names_that_only_look_like_gits_folder_are_free() {
        for name in [".gitignore", ".github", "git", ".git-x", "git~2", "x.git", ". git", "gіt~1"]
        {
            assert!(!is_git_folder(name), "{name:?}");
        }
    }

    #[test]
    fn device_names_are_known_with_any_extension_and_case() {
        for name in ["con", "NUL.txt", "aux.c", "com1", "LPT9.log", "com¹", "nul .x", "CONIN$"] {
            assert!(is_device_name(name), "{name:?}");
        }
        for name in ["console", "com10", "com", "nula", "xcon", "lptx", "auxiliary.c"] {
            assert!(!is_device_name(name), "{name:?}");
        }
    }

    #[test]
    fn case_and_normal_form_do_not_tell_paths_apart() {
        assert_eq!(fold("README.md"), fold("readme.MD"));
        assert_eq!(fold("caf\u{e9}"), fold("cafe\u{301}"));
        assert_eq!(fold("STRASSE"), fold("straße"));
        assert_eq!(fold("ΣΑΣ"), fold("σας"));
        assert_ne!(fold("a"), fold("b"));
    }
}
