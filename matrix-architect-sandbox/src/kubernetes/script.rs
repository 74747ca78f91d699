//! What a session's shell is told. The command line of every exec is the same, so that no
//! argument and no secret is in the cluster's audit log: what is to be run comes on standard input.

use std::{collections::BTreeMap, net::SocketAddr};

use matrix_architect_core::traits::Limits;

use crate::common::ending::{ENDED, LISTEN, QUIET};

/// Starts every script: without the container's environment but its `PATH`, it reads a length and
/// as many bytes, and does what they say.
pub(super) const START: [&str; 3] = [
    "sh",
    "-c",
    "exec env -i PATH=\"$PATH\" sh -c 'read -r length && \
     eval \"$(dd bs=\"$length\" count=1 iflag=fullblock 2>/dev/null)\"'",
];

/// Ends every process of a Pod but its first. As one call of the kernel's, it cannot be outrun.
pub(super) const KILL: [&str; 3] = ["sh", "-c", "kill -9 -1"];

const LIMITS: &str = include_str!("scripts/limits.sh");

/// A text that is one word to a shell, whatever is in it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// A command, as the script needs it.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub(super) argv: &'a [String],
    pub(super) env: &'a BTreeMap<String, String>,
    pub(super) directory: &'a str,
    pub(super) limits: &'a Limits,
    /// Bytes of input that follow the script.
    pub(super) input: usize,
    /// What marks our records among the command's output.
    pub(super) nonce: &'a str,
    /// The limits without which it must not start.
    pub(super) strict: &'a [&'a str],
}

/// Runs a command.
pub(super) fn command(line: &Line<'_>) -> String {
    let mut script = variables(line.limits);
    let mut set = |name: &str, value: &str| {
        script.extend([name, "=", &quoted(value), "\n"]);
    };
    set("nonce", line.nonce);
    set("directory", line.directory);
    set("input", &line.input.to_string());
    set("strict", &line.strict.join(" "));
    script.push_str("environment() {\n:\n");
    for (name, value) in line.env {
        script.extend(["export ", name, "=", &quoted(value), "\n"]);
    }
    script.push_str("}\nset --");
    for word in line.argv {
        script.push(' ');
        script.push_str(&quoted(word));
    }
    script.push('\n');
    script.push_str(LIMITS);
    for (name, body) in [("listen", LISTEN), ("quiet", QUIET), ("ended", ENDED)] {
        script.extend([name, "() { ", body, "; }\n"]);
    }
    script.push_str("__n='\n'\n");
    script + include_str!("scripts/command.sh")
}

/// Looks around in a Pod; tries to reach the API server's address if it is known.
pub(super) fn look(limits: &Limits, api: Option<SocketAddr>) -> String {
    let (host, port) = api.map_or((String::new(), 0), |api| (api.ip().to_string(), api.port()));
    let api = format!("api_host={host}\napi_port={port}\n");
    variables(limits) + &api + LIMITS + include_str!("scripts/look.sh")
}

/// Unpacks an archive.
pub(super) fn fill() -> String {
    include_str!("scripts/fill.sh").to_owned()
}

/// Names the files at or below some paths of the tree.
pub(super) fn find(parts: &[String]) -> String {
    let words: Vec<_> = parts.iter().map(|part| quoted(&format!("./{part}"))).collect();
    let words = words.join(" ");
    format!("set -- {words}\n{}", include_str!("scripts/find.sh"))
}

/// Packs files, whose names take so many bytes.
pub(super) fn pack(names: usize) -> String {
    format!("names={names}\n{}", include_str!("scripts/pack.sh"))
}

fn variables(limits: &Limits) -> String {
    format!(
        "page=4096\nmemory={}\nprocesses={}\ncpu_seconds={}\nfile_size={}\nopen_files={}\n",
        limits.memory,
        limits.processes,
        limits.cpu.as_secs().max(1),
        // The kernel counts it in the shell's blocks.
        (limits.file_size / 1024 * 1024).max(1024),
        limits.open_files,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_stays_one_word() {
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's $HOME `id`"), "'it'\\''s $HOME `id`'");
    }

    #[test]
    fn a_command_becomes_a_script() {
        let env = BTreeMap::from([("TOKEN".to_owned(), "a'b".to_owned())]);
        let argv = ["sh", "-c", "echo $TOKEN"].map(str::to_owned);
        let script = command(&Line {
            argv: &argv,
            env: &env,
            directory: "src",
            limits: &Limits::default(),
            input: 5,
            nonce: "n0",
            strict: &["processes"],
        });
        let head = script.split("# What the kernel says").next().unwrap();
        insta::assert_snapshot!(head);
    }
}
