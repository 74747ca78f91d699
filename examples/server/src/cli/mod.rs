//! The command `architect`: one file per subcommand.

mod approve;
mod artifacts;
mod cancel;
mod change;
mod context;
mod doctor;
mod drive;
mod exit;
mod jobs;
mod logs;
mod quantity;
mod reach;
mod resolve;
mod resume;
mod run;
mod sandbox;
mod serve;
mod target;
mod token;
mod verify;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use matrix_architect_core::error::{Error, ErrorKind, Result};

use self::{context::Context, exit::Exit};
use crate::{composition::Composition, config::Environment};

/// Takes code changes from plan to published release: isolated, checked, approved, provable.
#[derive(Debug, Parser)]
#[command(name = "architect", version, propagate_version = true, after_help = EXITS)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const EXITS: &str = "Exit codes: 0 done, 1 error, 2 wrong usage or input, 3 the job failed, \
                     4 not allowed, 5 waiting for approval.";

/// What every subcommand takes.
#[derive(Clone, Debug, Default, Args)]
struct Global {
    /// Data directory [default: `$ARCHITECT_HOME`, else architect in `$XDG_DATA_HOME` or ~/.local/share]
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    json: bool,
    /// Print the result only
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Tenant to work in
    #[arg(long, global = true, value_name = "NAME")]
    tenant: Option<String>,
    /// Act under this name [default: the user of the operating system]
    #[arg(long = "as", global = true, value_name = "NAME")]
    actor: Option<String>,
    /// Ask this server instead of the data directory; the token comes from `$ARCHITECT_TOKEN`
    #[arg(long, global = true, value_name = "URL")]
    server: Option<String>,
    /// Read the server's token from this file
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Take one change through all six stages, here and now
    Run(Box<run::Run>),
    /// Go on with an unfinished job, here and now
    Resume(resume::Resume),
    /// Start the server with its workers
    Serve(serve::Serve),
    /// List jobs, or show one
    Jobs(jobs::Jobs),
    /// Print a job's logs
    Logs(logs::Logs),
    /// List what a job left behind, or fetch it
    Artifacts(artifacts::Artifacts),
    /// Agree to a waiting job, or refuse it
    Approve(approve::Approve),
    /// Stop a job
    Cancel(cancel::CancelJob),
    /// Decide on a job whose rollback failed
    Resolve(resolve::Resolve),
    /// Check an attestation offline
    Verify(verify::Verify),
    /// Look whether this machine has what it takes
    Doctor(doctor::Doctor),
    /// Run commands in the sandbox that changes are verified in
    Sandbox(sandbox::SandboxCommand),
    /// Make, list and revoke access tokens
    Token(token::TokenCommand),
}

/// Runs the command that this process was started with, and says how it ended.
pub fn main(composition: Composition) -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(refused) => {
            // Help and version are asked for and go to standard output; the rest is wrong usage.
            let _ = refused.print();
            let code = if refused.use_stderr() { Exit::Usage } else { Exit::Done };
            return code.into();
        }
    };
    let context = Context::new(cli.global, Environment::read(), composition);
    let exit = runtime().and_then(|runtime| runtime.block_on(dispatch(&context, cli.command)));
    exit.unwrap_or_else(|error| {
        context.screen.error(&error);
        Exit::of(&error)
    })
    .into()
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|cause| {
        Error::new(ErrorKind::Unavailable, "the system gives no threads").source(cause)
    })
}

async fn dispatch(context: &Context, command: Command) -> Result<Exit> {
    match command {
        Command::Run(run) => run.run(context).await,
        Command::Resume(resume) => resume.run(context).await,
        Command::Serve(serve) => serve.run(context).await,
        Command::Jobs(jobs) => jobs.run(context).await,
        Command::Logs(logs) => logs.run(context).await,
        Command::Artifacts(artifacts) => artifacts.run(context).await,
        Command::Approve(approve) => approve.run(context).await,
        Command::Cancel(cancel) => cancel.run(context).await,
        Command::Resolve(resolve) => resolve.run(context).await,
        Command::Verify(verify) => verify.run(context),
        Command::Doctor(doctor) => doctor.run(context).await,
        Command::Sandbox(sandbox) => sandbox.run(context).await,
        Command::Token(token) => token.run(context).await,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definitions_hold_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_argument_says_what_it_is_for() {
        for command in Cli::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                let name = argument.get_id().as_str();
                let told = argument.get_help().is_some() || matches!(name, "help" | "version");
                assert!(told, "{} {name}", command.get_name());
            }
        }
    }
}
