//! How much a session's folders hold.

use std::path::Path;

/// The bytes that files below these folders take on disk. Nothing is followed; what vanishes
/// meanwhile counts nothing.
pub(super) fn used(folders: &[&Path]) -> u64 {
    folders.iter().map(|folder| below(folder)).sum()
}

fn below(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => found.blocks() * 512 + below(&entry.path()),
        Ok(found) => found.blocks() * 512,
        Err(_) => 0,
    });
    sizes.sum()
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
