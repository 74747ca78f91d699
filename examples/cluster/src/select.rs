//! Label and field selectors.

use serde_json::Value;

use crate::answer::{Refusal, Result};

/// What a list or watch is narrowed to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    labels: Vec<Requirement>,
    fields: Vec<(String, String, bool)>,
}

#[derive(Clone, Debug)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

impl Selection {
    pub(crate) fn parse(labels: &str, fields: &str) -> Result<Self> {
        let labels =
            split(labels).into_iter().map(|term| requirement(&term)).collect::<Result<_>>()?;
        let fields = split(fields).into_iter().map(|term| field(&term)).collect::<Result<_>>()?;
        Ok(Self { labels, fields })
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        let label = |name: &str| object["metadata"]["labels"][name].as_str();
        let labels = self.labels.iter().all(|requirement| match requirement {
            Requirement::In(name, values) => {
                label(name).is_some_and(|value| values.iter().any(|one| one == value))
            }
            Requirement::NotIn(name, values) => {
                !label(name).is_some_and(|value| values.iter().any(|one| one == value))
            }
            Requirement::Exists(name) => label(name).is_some(),
            Requirement::Absent(name) => label(name).is_none(),
        });
        labels
            && self.fields.iter().all(|(path, wanted, equal)| {
                let pointer = format!("/{}", path.replace('.', "/"));
                let found = object.pointer(&pointer).and_then(Value::as_str).unwrap_or_default();
                (found == wanted) == *equal
            })
    }
}

/// Terms between commas that are in no parentheses.
fn split(text: &str) -> Vec<String> {
    let (mut terms, mut depth) = (vec![String::new()], 0);
    for letter in text.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                terms.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(term) = terms.last_mut() {
            term.push(letter);
        }
    }
    terms.into_iter().map(|term| term.trim().to_owned()).filter(|term| !term.is_empty()).collect()
}

fn requirement(term: &str) -> Result<Requirement> {
    let one = |name: &str, value: &str| (name.trim().to_owned(), vec![value.trim().to_owned()]);
    if let Some((name, value)) = term.split_once("!=") {
        let (name, values) = one(name, value);
        return Ok(Requirement::NotIn(name, values));
    }
    if let Some((name, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        let (name, values) = one(name, value);
        return Ok(Requirement::In(name, values));
    }
    if let Some((head, values)) = term.split_once('(') {
        let values =
            values.trim_end_matches(')').split(',').map(|value| value.trim().to_owned()).collect();
        let mut words = head.split_whitespace();
        return match (words.next(), words.next()) {
            (Some(name), Some("in")) => Ok(Requirement::In(name.to_owned(), values)),
            (Some(name), Some("notin")) => Ok(Requirement::NotIn(name.to_owned(), values)),
            _ => Err(Refusal::bad(format!("unable to parse requirement: {term}"))),
        };
    }
    if term.contains(char::is_whitespace) {
        return Err(Refusal::bad(format!("unable to parse requirement: {term}")));
    }
    Ok(term.strip_prefix('!').map_or_else(
        || Requirement::Exists(term.to_owned()),
        |name| Requirement::Absent(name.to_owned()),
    ))
}

/// What can be selected by field, as the real server has it.
const FIELDS: [&str; 12] = [
    "metadata.name",
    "metadata.namespace",
    "spec.nodeName",
    "spec.restartPolicy",
    "status.phase",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "involvedObject.name",
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.uid",
    "reason",
];

fn field(term: &str) -> Result<(String, String, bool)> {
    let (path, value, equal) = if let Some((path, value)) = term.split_once("!=") {
        (path, value, false)
    } else if let Some((path, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        (path, value, true)
    } else {
        return Err(Refusal::bad(format!("invalid selector: '{term}'; can't understand '{term}'")));
    };
    if !FIELDS.contains(&path) {
        return Err(Refusal::bad(format!("field label not supported: {path}")));
    }
    Ok((path.to_owned(), value.to_owned(), equal))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_mean_what_they_say() {
        let object =
            json!({ "metadata": { "name": "p", "labels": { "app": "web", "tier": "a" } } });
        for (labels, fields, wanted) in [
            ("app=web,tier in (a, b)", "", true),
            ("app!=web", "", false),
            ("app notin (db)", "metadata.name=p", true),
            ("tier,!gone", "", true),
            ("gone", "", false),
            ("", "metadata.name!=p", false),
        ] {
            let selection = Selection::parse(labels, fields).unwrap();
            assert_eq!(selection.matches(&object), wanted, "{labels} {fields}");
        }
        assert!(Selection::parse("a b", "").is_err());
        assert!(Selection::parse("", "spec.image=x").is_err());
    }
}
