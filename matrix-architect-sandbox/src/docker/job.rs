//! What a parked container is told: one line for its shell.
//!
//! The shell is process 1 of the container. It waits for the line, runs the command as its child,
//! says with a word that only we know how the command ended, and waits to be ended itself, so that
//! what the container's cgroup counted can still be read. No signal from inside reaches process 1;
//! what else the command may do to it ends with the container, before anything is taken out.

use std::collections::BTreeMap;

use matrix_architect_core::{
    error::{Error, Result},
    traits::Command,
};

use crate::common::ending::{CLOSED, ENDED, LISTEN, QUIET};

/// What the shell starts with. Without a line it ends: whoever would have given it is gone.
pub(super) const PARKED: &str = "n='\n'\nIFS= read -r line || exit 1\neval \"$line\"";

/// What keeps a space: it ends with the connection of whoever opened it.
pub(super) const HOLDING: &str = "read -r line";

/// How ready the kernel is to end a command rather than the shell when memory is short; the scale
/// goes to 1000.
const OOM_SCORE: u32 = 500;

/// How long the shell waits to be ended, in seconds.
const WAIT: u32 = 60;

/// Says that the command was not executed, before the shell's status for that.
pub(super) const NOT_EXECUTED: char = 'x';
/// Says that there is no such directory to start in.
pub(super) const NO_DIRECTORY: char = 'd';

/// The line for a command. `word` marks what is ours in its output.
///
/// # Errors
/// `Invalid` for a variable that no shell can set.
pub(super) fn line(
    command: &Command,
    env: &BTreeMap<String, String>,
    directory: &str,
    word: &str,
) -> Result<String> {
    use std::fmt::Write as _;
    let mut line = format!(
        "exec 3>&2 2>/dev/null; __n=$n; {LISTEN}; b() {{ {QUIET}; \
         trap 'echo {word} {NOT_EXECUTED}$?' EXIT; echo {OOM_SCORE} >/proc/self/oom_score_adj; \
         cd {} || {{ trap - EXIT; echo {word} {NO_DIRECTORY}; exit; }}; unset OLDPWD",
        quoted(directory)
    );
    for (name, value) in env {
        if !is_name(name) {
            return Err(Error::invalid("a variable's name is none that a shell can set")
                .context("name", name)
                .advice("use letters, digits and '_', and no digit first"));
        }
        let _ = write!(line, "; export {name}={}", quoted(value));
    }
    let program = command.argv.first().map(String::as_str).unwrap_or_default();
    if program.contains('/') {
        // Of an exec that fails so, bash in its POSIX mode forgets the trap.
        let program = quoted(program);
        let _ = write!(
            line,
            "; if [ -e {program} ] && {{ [ -d {program} ] || ! [ -x {program} ]; }}; \
             then exit 126; fi"
        );
    }
    line.push_str("; exec");
    if program.starts_with('-') {
        line.push_str(" --");
    }
    for argument in &command.argv {
        line.push(' ');
        line.push_str(&quoted(argument));
    }
    let _ = write!(
        line,
        " 2>&3 3>&- {CLOSED}; }}; (b); {ENDED}; exec </dev/null; echo \"{word} $__s$__e\"; \
         echo \"{word} $__s$__e\" >&3; exec sleep {WAIT} >/dev/null 3>&-"
    );
    line.push('\n');
    Ok(line)
}

/// Within single quotes everything stands for itself but the quote; a newline would end the line.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''").replace('\n', "'\"$n\"'"))
}

fn is_name(text: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    text.starts_with(letter) && text.chars().all(|c| letter(c) || c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write as _,
        process::{Command as Process, Stdio},
    };

    use super::*;

    /// Runs a line in a real shell, without waiting at its end.
    fn through(shell: &[&str], command: &Command, env: &[(&str, &str)]) -> (String, String) {
        let env =
            env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let line = line(command, &env, "/", "WORD").unwrap().replace("exec sleep 60", "exec true");
        let mut process = Process::new(shell[0]);
        process.args(&shell[1..]).args(["-c", PARKED]);
        process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = process.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // Of a command that is not executed, nobody reads what it was given.
        let _ = stdin.write_all(format!("{line}given").as_bytes());
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (text(output.stdout), text(output.stderr))
    }

    const SHELLS: [&[&str]; 2] = [&["sh"], &["bash", "--posix"]];

    #[test]
    fn arguments_variables_and_input_arrive_as_they_are() {
        let odd = "a b\n'\"$HOME`id`\\ \u{e4}*\n";
        let command = Command::new(["sh", "-c", r#"printf '%s|%s|' "$1" "$ODD"; cat"#, "sh", odd]);
        for shell in SHELLS {
            let (stdout, _) = through(shell, &command, &[("ODD", odd)]);
            assert_eq!(stdout, format!("{odd}|{odd}|givenWORD 0\n"), "{shell:?}");
        }
    }

    #[test]
    fn the_end_is_told_on_both_streams_and_signals_are_not_commented() {
        let command = Command::shell("echo out; echo err >&2; kill -SEGV $$");
        for shell in SHELLS {
            let (stdout, stderr) = through(shell, &command, &[]);
            assert_eq!(
                (stdout.as_str(), stderr.as_str()),
                ("out\nWORD 139 s\n", "err\nWORD 139 s\n")
            );
        }
    }

    #[test]
    fn what_was_not_executed_is_told_apart_from_what_ended_so() {
        for shell in SHELLS {
            let (absent, _) = through(shell, &Command::new(["no-such-program"]), &[]);
            assert!(absent.starts_with("WORD x127\n"), "{shell:?}: {absent}");
            let (text, _) = through(shell, &Command::new(["/etc/passwd"]), &[]);
            assert!(text.starts_with("WORD x126\n"), "{shell:?}: {text}");
            let (own, _) = through(shell, &Command::shell("exit 127"), &[]);
            assert_eq!(own, "WORD 127\n", "{shell:?}");
        }
    }

    #[test]
    fn a_shell_that_is_told_nothing_ends() {
        for shell in SHELLS {
            let mut process = Process::new(shell[0]);
            process.args(&shell[1..]).args(["-c", PARKED]).stdin(Stdio::null());
            assert_eq!(process.status().unwrap().code(), Some(1), "{shell:?}");
        }
    }

    #[test]
    fn a_name_that_would_be_code_is_refused() {
        for name in ["A;id", "1A", "", "A B", "A-B", "\u{e4}"] {
            let env = BTreeMap::from([(name.to_owned(), String::new())]);
            assert!(line(&Command::new(["true"]), &env, "/", "WORD").is_err(), "{name:?}");
        }
    }
}
