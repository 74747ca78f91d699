//! The command `architect`: the server's library with the backends it has by default.

use std::process::ExitCode;

use matrix_architect_server::{Composition, cli};

fn main() -> ExitCode {
    cli::main(Composition::new())
}
