//! `architect token`: access to the server.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use matrix_architect_core::{
    error::{Error, Result},
    id::PrincipalId,
    principal::Role,
};
use serde_json::json;

use super::{context::Context, exit::Exit};
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

/// A number and a unit: s, m, h, d or w.
fn duration(text: &str) -> Result<Duration> {
    let refuse = || Error::invalid("not a duration").advice("write it as 45m, 12h or 30d");
    let (number, unit) =
        text.char_indices().next_back().map(|(last, _)| text.split_at(last)).ok_or_else(refuse)?;
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        "w" => 7 * 24 * 3600,
        _ => return Err(refuse()),
    };
    let number: u64 = number.parse().map_err(|_| refuse())?;
    number.checked_mul(seconds).filter(|all| *all > 0).map(Duration::from_secs).ok_or_else(refuse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        assert_eq!(duration("30d").unwrap(), Duration::from_hours(720));
        assert_eq!(duration("45m").unwrap(), Duration::from_mins(45));
        for wrong in ["", "d", "0d", "-1d", "30", "30x", "99999999999999999999d", "1é"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
