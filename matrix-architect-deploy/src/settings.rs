//! Reading a driver's settings so that a mistake is named by its field.

use std::collections::BTreeMap;
#[cfg(any(feature = "systemd", feature = "publish-directory"))]
use std::path::{Component, Path};

use matrix_architect_core::error::{Error, Result};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The settings of a driver. `T` has a default for every field and refuses unknown ones.
///
/// # Errors
/// `Invalid`, with the field at fault under `field`.
pub(crate) fn parse<T: DeserializeOwned>(
    driver: &'static str,
    config: &BTreeMap<String, Value>,
) -> Result<T> {
    let all: Map<String, Value> = config.clone().into_iter().collect();
    serde_json::from_value(Value::Object(all)).map_err(|source| {
        let fault = config.iter().find(|(key, value)| {
            let alone = Map::from_iter([((*key).clone(), (*value).clone())]);
            serde_json::from_value::<T>(Value::Object(alone)).is_err()
        });
        let field = fault.map_or("config", |(key, _)| key.as_str());
        wrong(driver, field, "the setting cannot be read").source(source)
    })
}

/// A setting that can be read and makes no sense.
pub(crate) fn wrong(driver: &'static str, field: &str, message: &'static str) -> Error {
    Error::invalid(message)
        .code("invalid_config")
        .context("driver", driver)
        .context("field", field.escape_debug().take(80).collect::<String>())
}

#[cfg(any(feature = "systemd", feature = "publish-directory"))]
/// Whether a name can be a part of a path and of a unit's name.
pub(crate) fn is_plain_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    name.len() <= 100
        && name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
        && name.bytes().all(legal)
}

/// Whether a path names one absolute place by its text alone.
#[cfg(any(feature = "systemd", feature = "publish-directory"))]
pub(crate) fn is_absolute(path: &Path) -> bool {
    path.is_absolute()
        && path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
        && path.to_str().is_some_and(|text| !text.chars().any(char::is_control))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Sample {
        #[serde(rename = "keep")]
        _keep: u32,
    }

    fn field_at_fault(config: Value) -> String {
        let config: BTreeMap<String, Value> = serde_json::from_value(config).unwrap();
        let error = parse::<Sample>("sample", &config).unwrap_err();
        error.context_value("field").unwrap().to_owned()
    }

    #[test]
    fn a_mistake_is_named_by_its_field() {
        assert_eq!(field_at_fault(json!({ "keep": "many" })), "keep");
        assert_eq!(field_at_fault(json!({ "keep": 3, "kepe": 3 })), "kepe");
    }

    #[cfg(any(feature = "systemd", feature = "publish-directory"))]
    #[test]
    fn a_name_that_leaves_its_folder_is_no_plain_name() {
        for name in ["", ".", "..", "../up", "a/b", "-rf", "a b", "a\n", &"x".repeat(101)] {
            assert!(!is_plain_name(name), "{name:?}");
        }
        assert!(is_plain_name("web-1.api_2"));
    }
}
