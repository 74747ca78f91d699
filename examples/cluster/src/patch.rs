//! Patches: JSON merge patches (RFC 7386), and the strategic ones by which lists are merged.

use serde_json::{Map, Value};

/// By which field the items of a list are told apart, for the lists of these kinds.
const KEYS: [(&str, &[&str]); 11] = [
    ("containers", &["name"]),
    ("initContainers", &["name"]),
    ("volumes", &["name"]),
    ("volumeMounts", &["mountPath"]),
    ("env", &["name"]),
    ("ports", &["containerPort", "port"]),
    ("imagePullSecrets", &["name"]),
    ("hostAliases", &["ip"]),
    ("conditions", &["type"]),
    ("ownerReferences", &["uid"]),
    ("tolerations", &["key"]),
];

/// RFC 7386.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    let target = object(target);
    for (name, value) in fields {
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name).or_insert(Value::Null), value);
        }
    }
}

/// A strategic merge patch: as above, but lists of named things are merged by their names.
pub(crate) fn strategic(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if fields.get("$patch").is_some_and(|how| how == "replace") {
        let mut whole = fields.clone();
        whole.remove("$patch");
        *target = Value::Object(whole);
        return;
    }
    let target = object(target);
    if let Some(Value::Array(kept)) = fields.get("$retainKeys") {
        target.retain(|name, _| kept.iter().any(|kept| kept == name));
    }
    for (name, value) in fields.iter().filter(|(name, _)| !name.starts_with('$')) {
        match (value, KEYS.iter().find(|(list, _)| list == name)) {
            (Value::Null, _) => drop(target.remove(name)),
            (Value::Array(items), Some((_, keys))) => {
                let list = target.entry(name).or_insert_with(|| Value::Array(Vec::new()));
                strategic_list(list, items, keys);
            }
            _ => strategic(target.entry(name).or_insert(Value::Null), value),
        }
    }
}

fn strategic_list(list: &mut Value, items: &[Value], keys: &[&str]) {
    if !list.is_array() {
        *list = Value::Array(Vec::new());
    }
    let Value::Array(list) = list else { return };
    for item in items {
        let same = |other: &Value| {
            keys.iter().any(|key| !item[*key].is_null() && other[*key] == item[*key])
        };
        let place = list.iter().position(same);
        match (place, item["$patch"] == "delete") {
            (Some(place), true) => drop(list.remove(place)),
            (Some(place), false) => strategic(&mut list[place], item),
            (None, true) => {}
            (None, false) => list.push(item.clone()),
        }
    }
}

fn object(target: &mut Value) -> &mut Map<String, Value> {
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    match target {
        Value::Object(fields) => fields,
        _ => unreachable!("it was made one"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_merge_patch_replaces_lists_and_a_strategic_one_merges_them() {
        let stored =
            json!({ "a": 1, "containers": [{ "name": "x", "image": "1" }, { "name": "y" }] });
        let patch = json!({ "a": null, "containers": [{ "name": "x", "image": "2" }] });
        let mut merged = stored.clone();
        merge(&mut merged, &patch);
        assert_eq!(merged, json!({ "containers": [{ "name": "x", "image": "2" }] }));
        let mut merged = stored;
        strategic(&mut merged, &patch);
        assert_eq!(
            merged,
            json!({ "containers": [{ "name": "x", "image": "2" }, { "name": "y" }] })
        );
        strategic(&mut merged, &json!({ "containers": [{ "name": "y", "$patch": "delete" }] }));
        assert_eq!(merged, json!({ "containers": [{ "name": "x", "image": "2" }] }));
    }
}
