//! The program that all contenders run, and the small root that containers have.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command as Process,
};

/// What our containers need of an image, and what fills a pipe.
const PROGRAMS: [&str; 4] = ["sh", "sleep", "cat", "head"];

/// A folder with a root in it; the program is `true` at its top and in its `bin`.
pub(crate) struct Root {
    folder: tempfile::TempDir,
}

impl Root {
    /// Makes the program with the C compiler that Rust needs anyway, and the root around it.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let root = Self { folder };
        let source = root.folder.path().join("true.c");
        fs::write(&source, "#include <unistd.h>\nint main(void) { _exit(0); }\n").unwrap();
        let compiler = ["-O2", "-static", "-s", "-o"];
        let mut gcc = Process::new("gcc");
        let status = gcc.args(compiler).arg(root.program()).arg(&source).status();
        assert!(status.unwrap().success(), "gcc made no static program");
        root.fill();
        root
    }

    /// The folder that holds the program alone, beside the root.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.folder.path().join("true")
    }

    pub(crate) fn tree(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn fill(&self) {
        let tree = self.tree();
        for folder in "etc proc sys dev tmp usr/bin usr/lib usr/lib64 home workspace".split(' ') {
            fs::create_dir_all(tree.join(folder)).unwrap();
        }
        for name in ["bin", "lib", "lib64"] {
            symlink(format!("usr/{name}"), tree.join(name)).unwrap();
        }
        fs::write(tree.join("etc/passwd"), "nobody:x:65534:65534::/:/bin/sh\n").unwrap();
        fs::write(tree.join("etc/group"), "nogroup:x:65534:\n").unwrap();
        fs::copy(self.program(), tree.join("usr/bin/true")).unwrap();
        let programs: BTreeSet<_> =
            PROGRAMS.iter().map(|name| Path::new("/usr/bin").join(name)).collect();
        let libraries: BTreeSet<_> = programs.iter().flat_map(|path| needed(path)).collect();
        for path in programs.union(&libraries) {
            // `/lib` and `/bin` are links in the root as on the host.
            let place = path.strip_prefix("/").unwrap();
            let place =
                if place.starts_with("usr") { place.into() } else { Path::new("usr").join(place) };
            fs::create_dir_all(tree.join(&place).parent().unwrap()).unwrap();
            fs::copy(path, tree.join(place)).unwrap();
        }
    }
}

/// The libraries a program is linked with.
fn needed(path: &Path) -> Vec<PathBuf> {
    let output = Process::new("ldd").arg(path).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_ascii_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}
