//! `architect token`: access to the server.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use matrix_architect_core::{error::Result, id::PrincipalId, principal::Role};
use serde_json::json;

use super::{context::Context, exit::Exit, quantity::duration};
use crate::{output::table, token::NewToken};

/// Make, list and revoke access tokens, on the data directory.
#[derive(Debug, Args)]
pub(super) struct TokenCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a token; it is shown this once
    Create(Create),
    /// List the tokens, without their secrets
    List,
    /// Make a token useless at once
    Revoke {
        /// The token's id, as list shows it
        id: String,
    },
}

#[derive(Debug, Args)]
struct Create {
    /// What its holder may do
    #[arg(long, value_enum)]
    role: RoleName,
    /// Whom it stands for: the name its requests act under
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// How long it works, such as 12h or 30d [default: until it is revoked]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    expires: Option<Duration>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoleName {
    /// Looks, changes nothing
    Viewer,
    /// Submits, runs, stops and approves jobs; deploys to staging
    Operator,
    /// Everything
    Admin,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Viewer => Self::Viewer,
            RoleName::Operator => Self::Operator,
            RoleName::Admin => Self::Admin,
        }
    }
}

impl TokenCommand {
    pub(super) async fn run(self, context: &Context) -> Result<Exit> {
        let tokens = context.local().await?.tokens();
        let tenant = context.tenant()?;
        match self.action {
            Action::Create(create) => {
                let role = Role::from(create.role);
                let name = create.name.unwrap_or_else(|| role.as_str().to_owned());
                let name = PrincipalId::new(name)?;
                let new = NewToken { name, role, lifetime: create.expires };
                let (token, info) = tokens.create(&tenant, new).await?;
                if context.screen.is_json() {
                    context.screen.json(&json!({ "token": token.expose(), "info": info }))?;
                } else {
                    context.screen.note(&format!(
                        "token {} for {} ({}); it is shown this once",
                        info.id,
                        info.name,
                        role.as_str()
                    ));
                    context.screen.say(&token.expose());
                }
            }
            Action::List => {
                let all = tokens.list(&tenant).await?;
                if context.screen.is_json() {
                    context.screen.json(&all)?;
                    return Ok(Exit::Done);
                }
                let mut rows = table(&["id", "name", "role", "created", "expires"]);
                for info in all {
                    let expires = info.expires_at.map_or("never".to_owned(), |end| end.to_string());
                    rows.add_row([
                        info.id,
                        info.name.to_string(),
                        info.role.as_str().to_owned(),
                        info.created_at.to_string(),
                        expires,
                    ]);
                }
                context.screen.say(&rows.trim_fmt());
            }
            Action::Revoke { id } => {
                tokens.revoke(&tenant, &id).await?;
                context.screen.say(&format!("{id}  revoked"));
            }
        }
        Ok(Exit::Done)
    }
}
