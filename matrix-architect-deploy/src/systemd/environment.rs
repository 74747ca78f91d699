//! A service's variables: as a file systemd reads, and as we read it back.

use std::{collections::BTreeMap, fmt};

use matrix_architect_core::{
    error::{Error, Result},
    id::TenantId,
    secret::{Scope, Secret},
    traits::SecretStore,
};

use super::config::{SystemdConfig, Variable};

/// Variables with their values. `Debug` shows only the names.
#[derive(Clone, Default)]
pub(super) struct Variables(BTreeMap<String, Secret>);

impl Variables {
    /// Fetches all values of a release, late.
    pub(super) async fn resolve(
        config: &SystemdConfig,
        tenant: &TenantId,
        environment: &str,
        secrets: &dyn SecretStore,
    ) -> Result<Self> {
        let scope = Scope { tenant: tenant.clone(), environment: Some(environment.to_owned()) };
        let mut values = BTreeMap::new();
        for (name, variable) in &config.variables {
            let value = match variable {
                Variable::Plain(text) => Secret::new(text.as_bytes()),
                Variable::Secret { secret } => secrets
                    .get(&scope, secret)
                    .await
                    .map_err(|error| error.context("variable", name))?,
            };
            let text = value.expose_str().map_err(|error| error.context("variable", name))?;
            if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
                return Err(
                    Error::invalid("the value has a control character").context("variable", name)
                );
            }
            values.insert(name.clone(), value);
        }
        Ok(Self(values))
    }

    /// With one more, which is no secret.
    #[must_use]
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.0.insert(name.to_owned(), Secret::new(value.as_bytes()));
        self
    }

    /// Names and values; the values were checked to be text.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.expose_str().unwrap_or_default()))
    }

    /// Text with every value that is long enough to be one blackened.
    pub(super) fn redact(&self, text: &str) -> String {
        let lines = self.iter().flat_map(|(_, value)| value.lines());
        let telling = lines.filter(|line| line.len() >= 4);
        telling.fold(text.to_owned(), |text, line| text.replace(line, "***"))
    }

    /// As an environment file after systemd.exec(5): one `NAME="value"` a line, in which a
    /// backslash stands before `"`, `\`, `` ` `` and `$`, and a line break is a line break.
    pub(super) fn to_file(&self) -> Secret {
        let mut text = Vec::new();
        for (name, value) in self.iter() {
            text.extend_from_slice(name.as_bytes());
            text.extend_from_slice(b"=\"");
            for byte in value.bytes() {
                if matches!(byte, b'"' | b'\\' | b'`' | b'$') {
                    text.push(b'\\');
                }
                text.push(byte);
            }
            text.extend_from_slice(b"\"\n");
        }
        Secret::new(text)
    }

    /// Reads what [`Variables::to_file`] wrote; `None` if it is something else.
    pub(super) fn from_file(text: &str) -> Option<Self> {
        let mut values = BTreeMap::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (name, after) = rest.split_once("=\"")?;
            let mut value = Vec::new();
            let mut bytes = after.bytes().enumerate();
            let end = loop {
                match bytes.next()? {
                    (at, b'"') => break at,
                    (_, b'\\') => value.push(bytes.next()?.1),
                    (_, byte) => value.push(byte),
                }
            };
            values.insert(name.to_owned(), Secret::new(value));
            rest = after.get(end + 1..)?.strip_prefix('\n')?;
        }
        Some(Self(values))
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
