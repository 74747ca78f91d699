//! The image that commands of the tests run in: programs of this machine and the libraries they
//! need, as there is no registry to fetch one from.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Its name. The number grows with what is in it.
pub(crate) const IMAGE: &str = "architect-sandbox-test:1";

const PROGRAMS: &str = "sh bash env cat head tail seq sleep ls grep cut tr dd touch rm mkdir mkfifo \
                        ln chmod stat date setsid test true false printf timeout kill id df sort wc \
                        cp mv python3";

const FILES: [(&str, &str); 3] = [
    ("etc/passwd", "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n"),
    ("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"),
];

/// Makes the image if the engine does not have it. Tests that want it at the same time wait.
pub(crate) fn make() {
    let lock = std::env::temp_dir().join("architect-sandbox-test.lock");
    let lock = File::options().create(true).append(true).open(lock).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    if docker(&["image", "inspect", IMAGE]).is_none() {
        import();
    }
}

/// Runs the client and returns what it printed; `None` if it failed.
pub(crate) fn docker(words: &[&str]) -> Option<String> {
    let output = Command::new("docker").args(words).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn import() {
    let mut import = Command::new("docker");
    import.args(["import", "-", IMAGE]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = import.spawn().unwrap();
    let mut builder = tar::Builder::new(child.stdin.take().unwrap());
    builder.follow_symlinks(true);
    fill(&mut builder);
    builder.into_inner().unwrap().flush().unwrap();
    assert!(child.wait().unwrap().success(), "the image could not be imported");
}

fn fill(builder: &mut tar::Builder<impl std::io::Write>) {
    for folder in "etc proc sys dev tmp usr/bin usr/lib usr/lib64 home workspace".split(' ') {
        let mut header = header(tar::EntryType::Directory, 0o755, 0);
        builder.append_data(&mut header, folder, std::io::empty()).unwrap();
    }
    for name in ["bin", "lib", "lib64"] {
        let mut header = header(tar::EntryType::Symlink, 0o777, 0);
        builder.append_link(&mut header, name, format!("usr/{name}")).unwrap();
    }
    for (path, content) in FILES {
        let mut header = header(tar::EntryType::Regular, 0o644, content.len() as u64);
        builder.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    let mut wanted: BTreeSet<PathBuf> = PROGRAMS.split_ascii_whitespace().map(program).collect();
    // Where Python keeps what is not in the program: beside it, under the version's name.
    let python = fs::canonicalize(program("python3")).unwrap();
    below(&Path::new("/usr/lib").join(python.file_name().unwrap()), &mut wanted);
    let libraries: BTreeSet<_> =
        wanted.iter().filter(|path| is_object(path)).flat_map(|path| needed(path)).collect();
    for path in wanted.union(&libraries) {
        let mode = fs::metadata(path).unwrap().permissions().mode() & 0o755;
        let mut file = File::open(path).unwrap();
        let mut header = header(tar::EntryType::Regular, mode, file.metadata().unwrap().len());
        // `/lib` and `/bin` are links in the image as on the host.
        let text = path.strip_prefix("/").unwrap();
        let place =
            if text.starts_with("usr") { text.to_owned() } else { Path::new("usr").join(text) };
        builder.append_data(&mut header, place, &mut file).unwrap();
    }
}

fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header
}

fn program(name: &str) -> PathBuf {
    Path::new("/usr/bin").join(name)
}

fn below(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if !path.ends_with("__pycache__") && !path.ends_with("test") {
                below(&path, found);
            }
        } else if path.is_file() {
            found.insert(path);
        }
    }
}

fn is_object(path: &Path) -> bool {
    path.starts_with("/usr/bin") || path.extension().is_some_and(|extension| extension == "so")
}

/// The libraries an object file is linked with.
fn needed(path: &Path) -> Vec<PathBuf> {
    let output = Command::new("ldd").arg(path).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_ascii_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}
