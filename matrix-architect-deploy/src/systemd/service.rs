//! Starting and stopping what runs a release: a unit, or the job's own commands.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use matrix_architect_core::{
    error::{Error, Result},
    traits::LogSink,
};

use super::{
    client::Host,
    config::{SystemdConfig, UnitConfig, UnitScope},
    environment::Variables,
    gate::Look,
    layout::Place,
    process::{Ran, Run},
    render,
    slot::Slot,
    unit,
};

/// The service of one place.
#[derive(Debug)]
pub(super) struct Service<'a> {
    pub(super) host: &'a dyn Host,
    pub(super) place: &'a Place,
    pub(super) environment: &'a str,
    pub(super) log: &'a dyn LogSink,
}

impl Service<'_> {
    /// Makes it run what is live now, in the place of `replaced`.
    pub(super) async fn start(
        &self,
        slot: &Slot,
        variables: &Variables,
        replaced: Option<&Slot>,
    ) -> Result<()> {
        let settings = &slot.settings;
        if let Some(old) =
            replaced.filter(|old| self.unit_path(&old.settings) != self.unit_path(settings))
        {
            self.remove_unit(&old.settings).await?;
        }
        if let Some(unit) = &settings.unit {
            self.install(settings, unit).await?;
            let name = unit::name(settings, unit, self.environment);
            // A unit that was given up before does not start again by itself.
            let _ = systemctl(self.host, unit.scope, &["reset-failed", &name]).await;
            return self.succeed(unit.scope, &["restart", &name]).await;
        }
        match &settings.restart {
            Some(words) => self.command("restart", words, slot, variables).await,
            None => Ok(()),
        }
    }

    /// Makes it run nothing.
    pub(super) async fn stop(&self, slot: &Slot, variables: &Variables) -> Result<()> {
        self.remove_unit(&slot.settings).await?;
        match (&slot.settings.stop, &slot.settings.restart) {
            (Some(words), _) => self.command("stop", words, slot, variables).await,
            (None, Some(_)) => {
                self.log.line("no stop command: what the restart command started may still run");
                Ok(())
            }
            (None, None) => Ok(()),
        }
    }

    /// Checks the unit against the release that is not live yet, if systemd's own checker is there.
    pub(super) async fn verify(&self, slot: &Slot) -> Result<()> {
        let Some(unit) = &slot.settings.unit else { return Ok(()) };
        let release = self.place.release(&slot.version).display().to_string();
        let file = self.place.environment(slot.number).display().to_string();
        let text = unit::render(&slot.settings, unit, self.environment, (&release, &file));
        let name = unit::name(&slot.settings, unit, self.environment);
        let path = self.place.staging().join(name);
        self.host.write(&path, text.into_bytes()).await?;
        let mut words = vec!["systemd-analyze".to_owned(), "verify".to_owned()];
        words.extend((unit.scope == UnitScope::User).then(|| "--user".to_owned()));
        words.push(path.display().to_string());
        let ran = self.host.run(command(words)).await;
        self.host.remove(&path).await?;
        match ran {
            Ok(ran) if ran.is_success() => Ok(()),
            Ok(ran) => Err(Error::invalid("systemd refuses the unit")
                .code("bad_unit")
                .context("said", ran.describe())),
            Err(error) if error.code_str() == "command_not_found" => {
                self.log.line("systemd-analyze is not installed: the unit was not checked");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn install(&self, settings: &SystemdConfig, unit: &UnitConfig) -> Result<()> {
        let text = render::unit_text(settings, self.place, self.environment).unwrap_or_default();
        let path = unit_path(settings, unit, self.environment);
        if self.host.read(&path).await?.as_deref() != Some(text.as_bytes()) {
            self.host.write(&path, text.into_bytes()).await?;
            self.succeed(unit.scope, &["daemon-reload"]).await?;
        }
        let name = unit::name(settings, unit, self.environment);
        self.succeed(unit.scope, &["enable", &name]).await
    }

    fn unit_path(&self, settings: &SystemdConfig) -> Option<PathBuf> {
        settings.unit.as_ref().map(|unit| unit_path(settings, unit, self.environment))
    }

    async fn remove_unit(&self, settings: &SystemdConfig) -> Result<()> {
        let Some(unit) = &settings.unit else { return Ok(()) };
        let path = unit_path(settings, unit, self.environment);
        if self.host.read(&path).await?.is_none() {
            return Ok(());
        }
        let name = unit::name(settings, unit, self.environment);
        self.succeed(unit.scope, &["disable", "--now", &name]).await?;
        self.host.remove(&path).await?;
        let _ = systemctl(self.host, unit.scope, &["reset-failed", &name]).await;
        self.succeed(unit.scope, &["daemon-reload"]).await
    }

    async fn command(
        &self,
        what: &'static str,
        words: &[String],
        slot: &Slot,
        variables: &Variables,
    ) -> Result<()> {
        let run = Run {
            words: words.to_vec(),
            folder: self.place.release(&slot.version),
            variables: variables.clone(),
            output: Some(self.place.output(slot.number)),
            patience: Duration::from_millis(slot.settings.restart_timeout_ms),
        };
        let ran = self.host.run(run).await?;
        self.log.line(&format!("{what} of {}: {}", slot.version, ran.ending));
        if ran.is_success() {
            return Ok(());
        }
        Err(Error::unexpected(format!("the {what} command failed"))
            .code("command_failed")
            .context("ended", ran.ending))
    }

    async fn succeed(&self, scope: UnitScope, words: &[&str]) -> Result<()> {
        let ran = systemctl(self.host, scope, words).await?;
        if ran.is_success() {
            return Ok(());
        }
        Err(Error::unexpected("systemctl failed")
            .code("systemctl_failed")
            .context("command", words.join(" "))
            .context("said", ran.describe())
            .advice("look at the unit with systemctl status and journalctl -u"))
    }
}

fn unit_path(settings: &SystemdConfig, unit: &UnitConfig, environment: &str) -> PathBuf {
    let directory = unit.directory.clone();
    let directory = directory.unwrap_or_else(|| PathBuf::from("/etc/systemd/system"));
    directory.join(unit::name(settings, unit, environment))
}

/// The unit as it is installed.
pub(super) async fn installed(
    host: &dyn Host,
    settings: &SystemdConfig,
    environment: &str,
) -> Result<Option<String>> {
    let Some(unit) = &settings.unit else { return Ok(None) };
    let text = host.read(&unit_path(settings, unit, environment)).await?;
    Ok(text.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// What systemd says of a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) active: String,
    pub(super) sub: String,
    pub(super) result: String,
    pub(super) restarts: u32,
    pub(super) invocation: Option<String>,
}

impl Shown {
    fn parse(text: &str) -> Self {
        let fields: BTreeMap<_, _> = text.lines().filter_map(|line| line.split_once('=')).collect();
        let field = |name| fields.get(name).copied().unwrap_or_default().to_owned();
        Self {
            active: field("ActiveState"),
            sub: field("SubState"),
            result: field("Result"),
            restarts: field("NRestarts").parse().unwrap_or(0),
            invocation: Some(field("InvocationID")).filter(|id| !id.is_empty()),
        }
    }

    /// A unit that failed, or was restarted twice by itself, is not going to serve.
    pub(super) fn look(&self) -> Look {
        let Self { active, sub, result, restarts, .. } = self;
        let seen = format!("the unit is {active} ({sub}, {result}) after {restarts} restarts");
        match active.as_str() {
            "failed" => Look::Fatal(seen),
            _ if *restarts >= 2 => Look::Fatal(seen),
            "active" => Look::Good(None),
            _ => Look::Bad(seen),
        }
    }
}

/// Asks systemd about a unit.
pub(super) async fn show(
    host: &dyn Host,
    settings: &SystemdConfig,
    unit: &UnitConfig,
    environment: &str,
) -> Result<Shown> {
    let name = unit::name(settings, unit, environment);
    let properties = "ActiveState,SubState,Result,NRestarts,InvocationID";
    let ran = systemctl(host, unit.scope, &["show", "-p", properties, &name]).await?;
    Ok(Shown::parse(&ran.output))
}

/// Which run of the unit it is now.
pub(super) async fn invocation(
    host: &dyn Host,
    settings: &SystemdConfig,
    environment: &str,
) -> Option<String> {
    let unit = settings.unit.as_ref()?;
    show(host, settings, unit, environment).await.ok()?.invocation
}

async fn systemctl(host: &dyn Host, scope: UnitScope, words: &[&str]) -> Result<Ran> {
    let user = (scope == UnitScope::User).then_some("--user");
    let words = ["systemctl"].into_iter().chain(user).chain(words.iter().copied());
    let mut run = command(words.map(ToOwned::to_owned).collect());
    if scope == UnitScope::User {
        // Where a user's own systemd listens, see sd_bus_open_user(3).
        let directory = format!("/run/user/{}", rustix::process::getuid().as_raw());
        run.variables = run.variables.with("XDG_RUNTIME_DIR", &directory);
    }
    host.run(run).await.map_err(|error| {
        if error.code_str() == "command_not_found" {
            return error.advice(
                "a unit needs systemd: run the worker where it is, or give a 'restart' command",
            );
        }
        error
    })
}

/// A command of the machine's own.
pub(super) fn command(words: Vec<String>) -> Run {
    let folder = PathBuf::from("/");
    let variables = Variables::default().with("LC_ALL", "C").with("SYSTEMD_COLORS", "0");
    Run { words, folder, variables, output: None, patience: Duration::from_mins(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_between_two_restarts_is_not_good_and_a_crash_loop_is_fatal() {
        let shown = |text| Shown::parse(text).look();
        assert!(matches!(
            shown("ActiveState=active\nSubState=running\nNRestarts=0"),
            Look::Good(_)
        ));
        assert!(matches!(shown("ActiveState=activating\nSubState=auto-restart"), Look::Bad(_)));
        assert!(matches!(shown("ActiveState=active\nNRestarts=2"), Look::Fatal(_)));
        assert!(matches!(shown("ActiveState=failed\nResult=exit-code"), Look::Fatal(_)));
        assert!(matches!(shown(""), Look::Bad(_)));
    }
}
