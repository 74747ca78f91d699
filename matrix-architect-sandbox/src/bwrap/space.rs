//! How much a session's folders hold.

use std::path::Path;

/// The bytes that files below these folders take on disk. Nothing is followed; what vanishes
/// meanwhile counts nothing. Folders may lie as deep as a command likes: what is still to be looked
/// at is in a list, not on our stack.
pub(super) fn used(folders: &[&Path]) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let mut waiting: Vec<_> = folders.iter().map(|folder| folder.to_path_buf()).collect();
    let mut total = 0;
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(found) = entry.metadata() else { continue };
            total += found.blocks() * 512;
            if found.is_dir() {
                waiting.push(entry.path());
            }
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_below_is_counted_and_links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("a")).unwrap();
        std::os::unix::fs::symlink("/usr", folder.path().join("link")).unwrap();
        let empty = used(&[folder.path()]);
        assert!(empty < 64 << 10, "{empty}");
        std::fs::write(folder.path().join("a/file"), vec![1; 1 << 20]).unwrap();
        assert!(used(&[folder.path()]) >= empty + (1 << 20));
    }
}
