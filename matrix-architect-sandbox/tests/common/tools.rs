//! An image with the tools of this machine's projects: Cargo with a linker, pip, npm.

use std::{
    collections::BTreeSet,
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::image::{self, Files};

/// What linking a program takes beside the compiler, as the C compiler knows it.
const LINKED: &str = "Scrt1.o crt1.o crti.o crtn.o crtbegin.o crtend.o crtbeginS.o crtendS.o \
                      libgcc.a libgcc_eh.a libgcc_s.so libgcc_s.so.1 libc.so libc.so.6 \
                      libc_nonshared.a libm.so libm.so.6 libmvec.so.1 libutil.a librt.a \
                      libpthread.a libdl.a liblto_plugin.so";

/// Makes the image if the engine does not have one of just these files, and returns its name.
pub(crate) fn make() -> String {
    let files = files();
    let name = format!("architect-sandbox-tools:{:016x}", digest(&files));
    image::ensure(&name, &files);
    name
}

/// Everything, with the libraries it needs. Rust and npm come to a place that is not their own.
fn files() -> Files {
    let (mut here, mut moved) = (BTreeSet::new(), Files::new());
    image::below(Path::new("/usr/lib/python3/dist-packages/pip"), &mut here);
    let certificates = PathBuf::from("/etc/ssl/certs/ca-certificates.crt");
    here.extend([certificates, "/usr/bin/sed".into()].into_iter().filter(|path| path.is_file()));
    here.extend(linker());
    if let Some(rust) = said(Command::new("rustc").args(["--print", "sysroot"])) {
        for (from, to) in [("bin", "usr/local/bin"), ("lib", "usr/local/lib")] {
            all_below(&Path::new(&rust).join(from), Path::new(to), &mut moved);
        }
    }
    moved.extend(program("node").map(|node| ("usr/bin/node".into(), node)));
    if let Some(npm) = npm() {
        all_below(&npm, Path::new("usr/lib/node_modules/npm"), &mut moved);
    }
    let is_program = |path: &&PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        ["node", "cargo", "collect2", "lto-wrapper"].contains(&name.as_str())
            || name.starts_with("librustc_driver")
    };
    let own: BTreeSet<_> = moved.values().collect();
    let programs = own.iter().copied().chain(&here).filter(is_program);
    let libraries = programs.flat_map(|path| image::needed(path));
    let libraries: Vec<_> = libraries.filter(|path| !own.contains(path)).collect();
    here.extend(libraries);
    moved.extend(image::with_libraries(&here));
    moved
}

/// What tells two states of the files apart.
fn digest(files: &Files) -> u64 {
    let mut hasher = DefaultHasher::new();
    image::IMAGE.hash(&mut hasher);
    for (place, path) in files {
        let about = fs::metadata(path).unwrap();
        (place, about.len(), about.mtime()).hash(&mut hasher);
    }
    hasher.finish()
}

/// The first line of what a program says.
fn said(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then(|| text.lines().next().map(str::to_owned)).flatten()
}

fn program(name: &str) -> Option<PathBuf> {
    let line = format!("command -v {name}");
    fs::canonicalize(said(Command::new("sh").args(["-c", &line]))?).ok()
}

/// The folder of npm's package.
fn npm() -> Option<PathBuf> {
    Some(program("npm")?.parent()?.parent()?.to_owned())
}

/// Everything, with its place below another folder.
fn all_below(folder: &Path, place: &Path, found: &mut Files) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, place) = (entry.path(), place.join(entry.file_name()));
        if path.is_dir() {
            all_below(&path, &place, found);
        } else if path.is_file() {
            found.insert(place, path);
        }
    }
}

/// The C compiler as far as it links.
fn linker() -> BTreeSet<PathBuf> {
    let ask = |what: String| {
        let path = PathBuf::from(said(Command::new("cc").arg(what))?);
        // Written with `..`, and often a link itself, whose own name is the one that is looked for.
        let folder = fs::canonicalize(path.parent().filter(|_| path.is_absolute())?).ok()?;
        Some(folder.join(path.file_name()?))
    };
    let files = LINKED.split_ascii_whitespace().map(|name| format!("-print-file-name={name}"));
    let programs = ["collect2", "lto-wrapper", "ld"].map(|name| format!("-print-prog-name={name}"));
    let found = files.chain(programs).filter_map(ask);
    let driver = [PathBuf::from("/usr/bin/cc"), PathBuf::from("/usr/bin/ld")];
    found.chain(driver).filter(|path| path.is_file()).collect()
}
