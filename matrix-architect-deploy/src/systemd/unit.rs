//! The unit that runs a release, as text.

use std::fmt::Write as _;

use super::config::{SystemdConfig, UnitConfig, UnitScope};

/// The unit's name: two environments of a service on one machine have two units.
pub(super) fn name(config: &SystemdConfig, unit: &UnitConfig, environment: &str) -> String {
    let given = unit.name.clone();
    given.unwrap_or_else(|| format!("{}-{environment}.service", config.service))
}

/// The unit for a release folder and a file of variables.
pub(super) fn render(
    config: &SystemdConfig,
    unit: &UnitConfig,
    environment: &str,
    (current, environment_file): (&str, &str),
) -> String {
    if let Some(text) = &unit.text {
        return text.replace("{current}", current).replace("{environment_file}", environment_file);
    }
    let words = unit.exec.as_deref().unwrap_or_default();
    let exec: Vec<String> =
        words.iter().enumerate().map(|(at, word)| quote(&program(at, word, current))).collect();
    let mut text = format!(
        "[Unit]\nDescription={} ({environment})\nAfter=network.target\n\
         StartLimitIntervalSec=10\nStartLimitBurst=3\n\n\
         [Service]\nType=exec\nWorkingDirectory={}\nEnvironmentFile=-{}\nExecStart={}\n\
         Restart=on-failure\nRestartSec=1\nNoNewPrivileges=yes\n",
        config.service,
        specifiers(current),
        specifiers(environment_file),
        exec.join(" "),
    );
    if unit.scope == UnitScope::System {
        text.push_str(HARDENING);
    }
    if let Some(limit) = &unit.memory_max {
        let _ = writeln!(text, "MemoryMax={limit}");
    }
    let target = match unit.scope {
        UnitScope::System => "multi-user.target",
        UnitScope::User => "default.target",
    };
    let _ = write!(text, "\n[Install]\nWantedBy={target}\n");
    text
}

/// What a service of the machine does not need; see systemd.exec(5).
const HARDENING: &str = "\
DynamicUser=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
SystemCallFilter=@system-service
CapabilityBoundingSet=
";

/// The first word without a leading `/` is a file of the release.
fn program(at: usize, word: &str, current: &str) -> String {
    if at == 0 && !word.starts_with('/') { format!("{current}/{word}") } else { word.to_owned() }
}

/// A percent sign begins a specifier, see systemd.unit(5).
fn specifiers(text: &str) -> String {
    text.replace('%', "%%")
}

/// A word of a command line after systemd.service(5).
fn quote(word: &str) -> String {
    let mut text = String::from("\"");
    for character in word.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            '$' => text.push_str("$$"),
            '%' => text.push_str("%%"),
            control if control.is_control() => {
                let _ = write!(text, "\\u{:04x}", u32::from(control));
            }
            plain => text.push(plain),
        }
    }
    text.push('"');
    text
}
