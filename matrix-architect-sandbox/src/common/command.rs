//! Commands that cannot be run, told before and after it was tried.

use matrix_architect_core::{
    error::{Error, Result},
    traits::Command,
};

/// Refuses what no system can execute.
///
/// # Errors
/// `Invalid`, with the flaw.
pub(crate) fn check_command(command: &Command) -> Result<()> {
    let nul = |text: &String| text.contains('\0');
    let bad_name = |name: &String| name.is_empty() || name.contains('=') || nul(name);
    let flaw = if command.argv.first().is_none_or(String::is_empty) {
        "it names no program"
    } else if command.argv.iter().any(nul) || command.env.values().any(nul) {
        "it has a NUL byte"
    } else if command.env.keys().any(bad_name) {
        "a variable's name is empty or has a '='"
    } else {
        return Ok(());
    };
    Err(Error::invalid(format!("not a command that can be run: {flaw}")))
}

/// The error for a program that is not there.
pub(crate) fn not_found(program: &str) -> Error {
    Error::not_found("the program is not in the sandbox")
        .code("program_not_found")
        .context("program", program)
        .advice("install it where the sandbox shows it, or add its directory to the toolchains")
}

/// The error for a program that is there and is none.
pub(crate) fn not_executable(program: &str) -> Error {
    Error::invalid("the program cannot be executed")
        .code("program_not_executable")
        .context("program", program)
        .advice("check its permissions and its first line")
}
