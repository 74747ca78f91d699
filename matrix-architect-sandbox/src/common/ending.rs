//! How a shell that ran a command tells whether the command exited or was ended by a signal.
//!
//! `$?` is 137 for both `exit 137` and `SIGKILL`. But a shell says aloud on its standard error that a
//! child was ended by a signal, and says nothing of one that exited. So while the command runs, that
//! stream is a pipe which the shell itself reads afterwards. Of `SIGINT` and `SIGPIPE` all shells are
//! silent: 130 and 141 are taken for them, as shells do.
//!
//! These are pieces of a script of one line each; dash, bash and busybox know everything in them. What
//! other shells say is not known, so of them every code above 128 is a signal. `__n` must be a newline.
//! The command's own process must be the child of the shell, begin with [`QUIET`] and close [`CLOSED`].

/// Makes the pipe, at 8 to read and at 9 to write, and turns standard error there. An anonymous one:
/// there is no name under which a command could find it, and no program to make one. bash says
/// nothing in its POSIX mode.
pub(crate) const LISTEN: &str = r#"[ "$BASH_VERSION" ] && set +o posix; eval "exec 8<<E${__n}x${__n}E$__n"; read -r __m <&8; exec 9<>/proc/self/fd/8 2>&9"#;

/// What begins the child: nothing of what it says before the command is the shell's word for its end.
pub(crate) const QUIET: &str = r#"[ "$BASH_VERSION" ] && set -o posix; exec 2>/dev/null"#;

/// Redirections that close the pipe to the command.
pub(crate) const CLOSED: &str = "8<&- 9>&-";

/// Comes right after the child: `__s` is its status, and `__e` is ` s` if it was a signal's, else
/// empty. `jobs` makes bash say what it has to say, and tells what runs in the background, too.
pub(crate) const ENDED: &str = r#"__s=$?; jobs >&9; echo "$__s" >&9; __m=; while read -r __l <&8 && [ "$__l" != "$__s" ]; do case $__l in *Running*) ;; *) __m=x ;; esac; done; __e=; [ -z "$__m$KSH_VERSION$ZSH_VERSION$YASH_VERSION" ] || __e=' s'; case $__s in 130 | 141) __e=' s' ;; esac"#;

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// What a shell says of a line that it runs as a child.
    fn told(shell: &[&str], line: &str) -> String {
        let script = format!(
            "__n='\n'\n{LISTEN}; b() {{ {QUIET}; echo noise >&2; exec sh -c \"$1\" {CLOSED}; }}; \
             sleep 5 & (b \"$1\"); {ENDED}; kill $!; echo \"$__s$__e\""
        );
        let mut process = Command::new(shell[0]);
        let output = process.args(&shell[1..]).args(["-c", &script, "sh", line]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn a_code_and_the_signal_it_looks_like_are_told_apart() {
        for shell in [&["sh"][..], &["bash", "--posix"], &["bash"]] {
            for signal in [1, 3, 6, 9, 11, 15, 24, 25] {
                let code = 128 + signal;
                assert_eq!(told(shell, &format!("exit {code}")), format!("{code}\n"), "{shell:?}");
                let killed = told(shell, &format!("ulimit -c 0; kill -{signal} $$"));
                assert_eq!(killed, format!("{code} s\n"), "{shell:?}");
            }
            for code in [0, 1, 127, 128, 255] {
                assert_eq!(told(shell, &format!("exit {code}")), format!("{code}\n"), "{shell:?}");
            }
            assert_eq!(told(shell, "kill -INT $$"), "130 s\n", "{shell:?}");
            assert_eq!(told(shell, "kill -PIPE $$"), "141 s\n", "{shell:?}");
        }
    }
}
