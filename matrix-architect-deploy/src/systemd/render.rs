//! What an apply would do, as text. Pure: it sees the state and the request, and touches nothing.

use matrix_architect_core::traits::{DeployPlan, PlannedChange};

use super::{
    config::{SystemdConfig, Variable},
    layout::Place,
    slot::{Slot, SlotState, State},
    unit,
};

/// What is known of the target before an apply.
#[derive(Debug)]
pub(super) struct Target<'a> {
    pub(super) place: &'a Place,
    pub(super) environment: &'a str,
    pub(super) state: &'a State,
    /// Whether the release is on disk as it has to be.
    pub(super) intact: bool,
    /// The unit as it is installed.
    pub(super) installed: Option<String>,
}

/// What an apply of `version` would do, in order; nothing if it is live with these settings.
pub(super) fn plan(target: &Target<'_>, config: &SystemdConfig, version: &str) -> DeployPlan {
    let live = target.state.live();
    let current = live.map(|(slot, _)| slot.version.clone());
    let wanted = unit_text(config, target.place, target.environment);
    let same = live.is_some_and(|(slot, state)| {
        *state == SlotState::Applied && slot.version == version && slot.settings == *config
    });
    if same && target.intact && wanted == target.installed {
        return DeployPlan { changes: Vec::new(), current };
    }
    let live = live.map(|(slot, _)| slot);
    let mut changes = Vec::new();
    if !target.intact {
        let folder = target.place.release(version);
        changes.push(change("create", folder.display(), "unpack the bundle".to_owned()));
    }
    changes.extend(variables(config, live));
    if let (Some(text), Some(unit)) = (&wanted, &config.unit)
        && wanted != target.installed
    {
        let action = if target.installed.is_some() { "update" } else { "create" };
        let name = unit::name(config, unit, target.environment);
        changes.push(change(action, name, difference(target.installed.as_deref(), text)));
    }
    let before = current.as_deref().unwrap_or("nothing");
    let switch = format!("from {before} to {version}");
    changes.push(change("switch", target.place.current().display(), switch));
    changes.extend(restart(target, config));
    DeployPlan { changes, current }
}

/// The unit a release needs, if it needs one.
pub(super) fn unit_text(
    config: &SystemdConfig,
    place: &Place,
    environment: &str,
) -> Option<String> {
    let unit = config.unit.as_ref()?;
    let current = place.current().display().to_string();
    let file = place.live_environment().display().to_string();
    Some(unit::render(config, unit, environment, (&current, &file)))
}

fn change(action: &str, object: impl std::fmt::Display, detail: String) -> PlannedChange {
    PlannedChange { action: action.to_owned(), object: object.to_string(), detail }
}

fn restart(target: &Target<'_>, config: &SystemdConfig) -> Option<PlannedChange> {
    if let Some(unit) = &config.unit {
        let name = unit::name(config, unit, target.environment);
        return Some(change("restart", name, "systemctl restart".to_owned()));
    }
    let words = config.restart.as_ref()?;
    Some(change("restart", &config.service, words.join(" ")))
}

/// One change a variable that is new, other or gone. Secrets are shown by their reference; whether
/// their value moved is only known when they are fetched.
fn variables(config: &SystemdConfig, live: Option<&Slot>) -> Vec<PlannedChange> {
    let empty = std::collections::BTreeMap::new();
    let before = live.map_or(&empty, |slot| &slot.settings.variables);
    let show = |variable: &Variable| match variable {
        Variable::Plain(text) => format!("{text:?}"),
        Variable::Secret { secret } => format!("the secret {secret}"),
    };
    let mut changes = Vec::new();
    for (name, variable) in &config.variables {
        match before.get(name) {
            None => changes.push(change("create", format!("${name}"), show(variable))),
            Some(old) if old != variable => {
                let detail = format!("from {} to {}", show(old), show(variable));
                changes.push(change("update", format!("${name}"), detail));
            }
            Some(_) => {}
        }
    }
    let gone = before.keys().filter(|name| !config.variables.contains_key(*name));
    changes.extend(gone.map(|name| change("delete", format!("${name}"), String::new())));
    changes
}

/// Lines that go with `-` and lines that come with `+`; enough for a unit of some twenty lines.
fn difference(before: Option<&str>, after: &str) -> String {
    let before: Vec<&str> = before.unwrap_or_default().lines().collect();
    let after: Vec<&str> = after.lines().collect();
    let gone = before.iter().filter(|line| !after.contains(line)).map(|line| format!("-{line}"));
    let come = after.iter().filter(|line| !before.contains(line)).map(|line| format!("+{line}"));
    gone.chain(come).collect::<Vec<_>>().join("\n")
}
