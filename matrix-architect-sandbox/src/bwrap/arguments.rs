//! Which arguments make bubblewrap build a session's root. Pure, so that it can be read as a whole.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use matrix_architect_core::traits::Bind;

use crate::{
    common::ending::{CLOSED, ENDED, LISTEN, QUIET},
    native::{HOME, RootPlan, TREE},
};

/// Where the descriptors of bubblewrap are, as [`OUTSIDE`] places them; 3 is that of its arguments and
/// 6 that of our own report.
const BLOCK: &str = "4";
const STATUS: &str = "5";
const FILTER: &str = "7";

/// Gives bubblewrap its descriptors. What they are open on lies in the session's control folder,
/// so neither secrets nor files are among the arguments that every user of the host can read.
pub(super) const OUTSIDE: &str = "d=$1; shift; \
    exec \"$@\" 3<\"$d/arguments\" 4<\"$d/block\" 5>\"$d/status\" 6>\"$d/report\" \
    7<\"$d/filter\"";

/// The same for root: in a mount namespace in which bubblewrap's program is read-only. Until the shell
/// takes its place it is at `/proc/1/exe`, and root owns it on the host (CVE-2019-5736).
pub(super) const OUTSIDE_AS_ROOT: &str = "d=$1; shift; \
    /usr/bin/mount --bind -o ro -- \"$1\" \"$1\" || exit 125; \
    exec \"$@\" 3<\"$d/arguments\" 4<\"$d/block\" 5>\"$d/status\" 6>\"$d/report\" \
    7<\"$d/filter\"";

/// The first process inside: it says what cannot be executed, runs the command as its child and says
/// whether a signal ended it. Its arguments are the folder, the program and the program's arguments.
fn inside() -> String {
    format!(
        "exec 3<&- 4<&- 5>&- 7<&-; \
         cd -- \"$1\" 2>/dev/null || {{ echo no_folder >&6; exit 127; }}; shift; unset OLDPWD; \
         command -v -- \"$1\" >/dev/null || \
         {{ if [ -e \"$1\" ]; then echo not_executable; else echo not_found; fi >&6; exit 127; }}; \
         echo begun >&6; exec 3>&2; __n='\n'; {LISTEN}; \
         b() {{ {QUIET}; exec \"$@\" 2>&3 3>&- 6>&- {CLOSED}; }}; (b \"$@\"); {ENDED}; \
         [ -z \"$__e\" ] || echo signalled >&6; exit \"$__s\""
    )
}

/// A session's folders, where its space is mounted.
#[derive(Clone, Debug)]
pub(super) struct Folders {
    pub(super) tree: PathBuf,
    pub(super) home: PathBuf,
    pub(super) temporary: PathBuf,
    pub(super) shared_memory: PathBuf,
    /// Small files of the root plan, by their place inside.
    pub(super) files: BTreeMap<String, PathBuf>,
}

/// A command with everything decided.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inside<'a> {
    pub(super) argv: &'a [String],
    pub(super) env: &'a BTreeMap<String, String>,
    pub(super) cwd: Option<&'a str>,
}

/// The options, each ended by a NUL.
pub(super) fn render(
    root: &RootPlan,
    folders: &Folders,
    binds: &[Bind],
    command: Inside<'_>,
) -> Vec<u8> {
    let mut line = Line::default();
    line.words(["--unshare-all", "--die-with-parent", "--new-session", "--clearenv"]);
    // No process of bubblewrap's own inside: the shell is the first, which no signal from inside ends.
    line.words(["--as-pid-1"]);
    line.words(["--cap-drop", "ALL", "--uid", "1000", "--gid", "1000", "--hostname", "sandbox"]);
    line.words(["--block-fd", BLOCK, "--json-status-fd", STATUS]);
    line.words(["--add-seccomp-fd", FILTER]);
    for bind in &root.binds {
        line.bind("--ro-bind", &bind.source, &bind.target);
    }
    for (place, target) in &root.links {
        line.words(["--symlink", target, place]);
    }
    for (place, source) in &folders.files {
        line.bind("--ro-bind", source, Path::new(place));
    }
    // Read-only: root is owner of what it says of the kernel, whatever capabilities it gave up.
    line.words(["--proc", "/proc", "--remount-ro", "/proc", "--dev", "/dev"]);
    line.bind("--bind", &folders.shared_memory, Path::new("/dev/shm"));
    line.bind("--bind", &folders.temporary, Path::new("/tmp"));
    line.bind("--bind", &folders.home, Path::new(HOME));
    line.bind("--bind", &folders.tree, Path::new(TREE));
    for bind in binds {
        line.bind("--ro-bind", &bind.source, &bind.target);
    }
    line.words(["--remount-ro", "/"]);
    for (name, value) in command.env {
        line.words(["--setenv", name, value]);
    }
    line.0
}

/// What bubblewrap runs; it takes this from its arguments alone.
pub(super) fn program(command: Inside<'_>) -> Vec<String> {
    let cwd = command.cwd.map_or_else(|| TREE.to_owned(), |cwd| format!("{TREE}/{cwd}"));
    let begin = ["--", "/bin/sh", "-c", &inside(), "sh", &cwd].map(str::to_owned);
    begin.into_iter().chain(command.argv.iter().cloned()).collect()
}

#[derive(Debug, Default)]
struct Line(Vec<u8>);

impl Line {
    fn word(&mut self, word: impl Into<OsString>) {
        self.0.extend_from_slice(word.into().as_bytes());
        self.0.push(0);
    }

    fn words<'a>(&mut self, words: impl IntoIterator<Item = &'a str>) {
        for word in words {
            self.word(word);
        }
    }

    fn bind(&mut self, how: &str, source: &Path, target: &Path) {
        self.word(how);
        self.word(source);
        self.word(target);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_of_a_small_session() {
        let root = RootPlan {
            binds: vec![Bind { source: "/usr".into(), target: "/usr".into() }],
            links: vec![("/bin".to_owned(), "usr/bin".to_owned())],
            files: Vec::new(),
        };
        let folders = Folders {
            tree: "/s/tree".into(),
            home: "/s/home".into(),
            temporary: "/s/tmp".into(),
            shared_memory: "/s/shm".into(),
            files: BTreeMap::from([("/etc/hosts".to_owned(), "/s/files/0".into())]),
        };
        let argv = ["make".to_owned(), "test".to_owned()];
        let env = BTreeMap::from([("LANG".to_owned(), "C.UTF-8".to_owned())]);
        let inside = Inside { argv: &argv, env: &env, cwd: Some("sub") };
        let vendor = Bind { source: "/srv/vendor".into(), target: "/srv/tools".into() };
        let options = render(&root, &folders, &[vendor], inside);
        let options = String::from_utf8(options).unwrap().replace('\0', " ");
        insta::assert_snapshot!(options.replace(" --", "\n--"));
        let program = program(inside);
        assert_eq!(program[5..], ["/workspace/sub", "make", "test"]);
    }
}
