//! The image that commands of the tests run in: programs of this machine and the libraries they
//! need, as there is no registry to fetch one from.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{ChildStdin, Command, Stdio},
};

/// Its name. The number grows with what is in it.
pub(crate) const IMAGE: &str = "architect-sandbox-test:4";

const PROGRAMS: &str = "sh bash env cat head tail seq sleep ls grep cut tr dd touch rm mkdir mkfifo \
                        ln chmod stat date setsid test true false printf timeout kill id df sort wc \
                        cp mv mktemp python3";

const LINKS: [(&str, &str); 4] = [
    ("bin", "usr/bin"),
    ("lib", "usr/lib"),
    ("lib64", "usr/lib64"),
    // npm looks beside its own file, wherever it was called; not every image has it.
    ("usr/bin/npm", "../lib/node_modules/npm/bin/npm-cli.js"),
];

const FILES: [(&str, &str); 3] = [
    ("etc/passwd", "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n"),
    ("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"),
];

/// What an image is made from.
type Archive = tar::Builder<ChildStdin>;

/// Files of this machine, by their places in the image.
pub(crate) type Files = BTreeMap<PathBuf, PathBuf>;

/// Makes an image of a small system and more, if the engine does not have it. Tests that want one
/// at the same time wait.
pub(crate) fn ensure(name: &str, more: &Files) {
    let lock = std::env::temp_dir().join("architect-sandbox-test.lock");
    let lock = File::options().create(true).append(true).open(lock).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    if docker(&["image", "inspect", name]).is_none() {
        import(name, more);
    }
}

/// Runs the client and returns what it printed; `None` if it failed.
pub(crate) fn docker(words: &[&str]) -> Option<String> {
    let output = Command::new("docker").args(words).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn import(name: &str, more: &Files) {
    let mut import = Command::new("docker");
    import.args(["import", "-", name]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = import.spawn().unwrap();
    let mut builder = tar::Builder::new(child.stdin.take().unwrap());
    builder.follow_symlinks(true);
    fill(&mut builder, more);
    builder.into_inner().unwrap().flush().unwrap();
    assert!(child.wait().unwrap().success(), "the image could not be imported");
}

/// A small system and more.
fn fill(builder: &mut Archive, more: &Files) {
    for folder in "etc proc sys dev tmp usr/bin usr/lib usr/lib64 home workspace".split(' ') {
        let mut header = header(tar::EntryType::Directory, 0o755, 0);
        builder.append_data(&mut header, folder, std::io::empty()).unwrap();
    }
    for (name, target) in LINKS {
        let mut header = header(tar::EntryType::Symlink, 0o777, 0);
        builder.append_link(&mut header, name, target).unwrap();
    }
    for (path, content) in FILES {
        let mut header = header(tar::EntryType::Regular, 0o644, content.len() as u64);
        builder.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    let mut wanted: BTreeSet<PathBuf> = PROGRAMS.split_ascii_whitespace().map(program).collect();
    // Where Python keeps what is not in the program: beside it, under the version's name.
    let python = fs::canonicalize(program("python3")).unwrap();
    below(&Path::new("/usr/lib").join(python.file_name().unwrap()), &mut wanted);
    wanted.extend(database());
    let mut files = with_libraries(&wanted);
    files.extend(more.clone());
    for (place, path) in &files {
        put(builder, path, place);
    }
}

/// Files where they are on this machine, and the libraries they need.
pub(crate) fn with_libraries(wanted: &BTreeSet<PathBuf>) -> Files {
    let libraries: BTreeSet<_> =
        wanted.iter().filter(|path| is_object(path)).flat_map(|path| needed(path)).collect();
    let placed = |path: &PathBuf| {
        // `/lib` and `/bin` are links in the image as on the host.
        let text = path.strip_prefix("/").unwrap();
        let is_there = text.starts_with("usr") || text.starts_with("etc");
        (if is_there { text.to_owned() } else { Path::new("usr").join(text) }, path.clone())
    };
    wanted.union(&libraries).map(placed).collect()
}

/// Puts a file of this machine at a place of the image.
fn put(builder: &mut Archive, path: &Path, place: &Path) {
    let mode = fs::metadata(path).unwrap().permissions().mode() & 0o755;
    let mut file = File::open(path).unwrap();
    let mut header = header(tar::EntryType::Regular, mode, file.metadata().unwrap().len());
    builder.append_data(&mut header, place, &mut file).unwrap();
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

/// Files of a folder and those below it, but for tests and what Python keeps of its own.
pub(crate) fn below(folder: &Path, found: &mut BTreeSet<PathBuf>) {
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

/// Where a distribution keeps the server of PostgreSQL, if it is installed.
pub(crate) fn postgres() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    versions.map(|version| version.path().join("bin")).find(|bin| bin.join("initdb").is_file())
}

/// The server of PostgreSQL, with what it reads, and its client.
fn database() -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let Some(bin) = postgres() else { return found };
    let version = bin.parent().unwrap();
    found.extend(["initdb", "postgres", "pg_isready", "psql"].map(|name| bin.join(name)));
    // What the server loads by itself; the bitcode beside it is for a compiler it does not have.
    found.extend(["dict_snowball.so", "plpgsql.so"].map(|name| version.join("lib").join(name)));
    below(&Path::new("/usr/share/postgresql").join(version.file_name().unwrap()), &mut found);
    below(Path::new("/usr/share/zoneinfo/Etc"), &mut found);
    below(Path::new("/usr/lib/locale/C.utf8"), &mut found);
    found.retain(|path| path.is_file());
    found
}

fn is_object(path: &Path) -> bool {
    path.starts_with("/usr/bin")
        || path.parent().is_some_and(|folder| folder.ends_with("bin"))
        || path.extension().is_some_and(|extension| extension == "so")
}

/// The libraries an object file is linked with.
pub(crate) fn needed(path: &Path) -> Vec<PathBuf> {
    let output = Command::new("ldd").arg(path).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_ascii_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}
