//! The process' surroundings: the one place that reads environment variables.

use std::{collections::BTreeMap, path::PathBuf};

use matrix_architect_core::{
    error::{Error, Result},
    id::PrincipalId,
};

/// Only variables with this prefix can be named by an `env://` secret reference, so that a plan
/// cannot ask for just any variable of the process.
pub const SECRET_PREFIX: &str = "ARCHITECT_SECRET_";

/// What the process found around it. Read once, at the start.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Environment {
    /// `ARCHITECT_HOME`: the data directory.
    pub architect_home: Option<PathBuf>,
    /// `XDG_DATA_HOME`.
    pub data_home: Option<PathBuf>,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `PATH`, in which toolchains are looked for.
    pub path: Option<String>,
    /// `ARCHITECT_TOKEN`: the token for `--server`.
    pub token: Option<String>,
    /// `ARCHITECT_LOG`: what is logged, such as `info` or `matrix_architect=debug`.
    pub log: Option<String>,
    /// `NO_COLOR` is set: no colours, whatever the terminal can do.
    pub no_color: bool,
    /// `KUBECONFIG`.
    pub kubeconfig: Option<PathBuf>,
    /// `USER` or `LOGNAME`.
    pub user: Option<String>,
    /// The variables that begin with [`SECRET_PREFIX`], under their full names.
    pub secrets: BTreeMap<String, String>,
}

impl Environment {
    /// Reads the environment of this process.
    pub fn read() -> Self {
        let path = |name| variable(name).map(PathBuf::from);
        Self {
            architect_home: path("ARCHITECT_HOME"),
            data_home: path("XDG_DATA_HOME"),
            home: path("HOME"),
            path: variable("PATH"),
            token: variable("ARCHITECT_TOKEN"),
            log: variable("ARCHITECT_LOG"),
            no_color: variable("NO_COLOR").is_some(),
            kubeconfig: path("KUBECONFIG"),
            user: variable("USER").or_else(|| variable("LOGNAME")),
            secrets: secrets(),
        }
    }

    /// Where the data directory is when no `--data` names it: `$ARCHITECT_HOME`, else `architect`
    /// in `$XDG_DATA_HOME` or in `~/.local/share`.
    ///
    /// # Errors
    /// `Invalid` if none of the three variables is set.
    pub fn data_dir(&self) -> Result<PathBuf> {
        let shared = || self.data_home.as_ref().map(|shared| shared.join("architect"));
        let home = || self.home.as_ref().map(|home| home.join(".local/share/architect"));
        self.architect_home.clone().or_else(shared).or_else(home).ok_or_else(|| {
            Error::invalid("there is no place for the data directory")
                .advice("give --data DIR or set ARCHITECT_HOME")
        })
    }

    /// Who acts when no `--as` names anybody: the user of the operating system.
    ///
    /// # Errors
    /// `Invalid` if the user's name has no form as a principal's id.
    pub fn principal(&self) -> Result<PrincipalId> {
        let numbered = || format!("uid-{}", rustix::process::getuid().as_raw());
        PrincipalId::new(self.user.clone().unwrap_or_else(numbered))
            .map_err(|error| error.advice("name yourself with --as NAME"))
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment")
            .field("architect_home", &self.architect_home)
            .field("home", &self.home)
            .field("log", &self.log)
            .field("no_color", &self.no_color)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn secrets() -> BTreeMap<String, String> {
    // `vars` panics on a variable that is not UTF-8; such a one cannot be a secret we name.
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with(SECRET_PREFIX))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_directory_is_the_first_that_is_named() {
        let mut environment = Environment { home: Some("/home/ada".into()), ..Default::default() };
        assert_eq!(
            environment.data_dir().unwrap().to_str(),
            Some("/home/ada/.local/share/architect")
        );
        environment.data_home = Some("/data".into());
        assert_eq!(environment.data_dir().unwrap().to_str(), Some("/data/architect"));
        environment.architect_home = Some("/srv/architect".into());
        assert_eq!(environment.data_dir().unwrap().to_str(), Some("/srv/architect"));
        assert!(Environment::default().data_dir().unwrap_err().to_string().contains("--data"));
    }

    #[test]
    fn a_user_whose_name_is_no_id_is_told_to_name_itself() {
        let environment = Environment { user: Some("Ada Lovelace".into()), ..Default::default() };
        assert!(environment.principal().unwrap_err().to_string().contains("--as"));
    }

    #[test]
    fn debug_shows_neither_token_nor_secrets() {
        let environment = Environment {
            token: Some("hunter2".into()),
            secrets: BTreeMap::from([("ARCHITECT_SECRET_X".into(), "hunter2".into())]),
            ..Default::default()
        };
        assert!(!format!("{environment:?}").contains("hunter2"));
    }
}
