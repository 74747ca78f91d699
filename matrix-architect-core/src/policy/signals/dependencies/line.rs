//! The name of a dependency in a line of a manifest, by the manifest's language.

/// Keys of a `Cargo.toml` whose values look like versions and are none.
const NOT_CRATES: [&str; 13] = [
    "python_requires",
    "name",
    "version",
    "edition",
    "license",
    "description",
    "resolver",
    "authors",
    "path",
    "rust-version",
    "readme",
    "repository",
    "opt-level",
];

/// `serde = "1"`, `serde = { version = … }`, `serde.workspace = true`, `[dependencies.serde]`,
/// `dependencies.serde = '1'`.
pub(super) fn toml(line: &str) -> Option<&str> {
    const PARTS: [&str; 5] = [".workspace", ".version", ".git", ".path", ".registry"];
    let line = line.trim();
    if let Some(table) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
        let (kind, name) = table.rsplit_once('.')?;
        let is_of_dependencies = unquoted(kind).ends_with("dependencies");
        return is_of_dependencies.then_some(unquoted(name));
    }
    let (key, value) = line.split_once('=')?;
    let (key, value) = (unquoted(key), value.trim());
    let is_name = |text: &str| {
        !text.is_empty()
            && !NOT_CRATES.contains(&text)
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    if let Some((_, rest)) = key.split_once("dependencies.") {
        return rest.split('.').next().map(unquoted).filter(|name| is_name(name));
    }
    if let Some(name) = PARTS.iter().find_map(|part| key.strip_suffix(part)) {
        return is_name(unquoted(name)).then_some(unquoted(name));
    }
    let version = value.strip_prefix(['"', '\'']);
    let is_version = version.is_some_and(|text| {
        text.starts_with(|c: char| c.is_ascii_digit() || "^~=<>*".contains(c))
            && text.contains(|c: char| c.is_ascii_digit() || c == '*')
    });
    let is_table = value.starts_with('{')
        && ["version", "git", "path", "workspace"].iter().any(|word| value.contains(word));
    (is_name(key) && (is_version || is_table)).then_some(key)
}

fn unquoted(text: &str) -> &str {
    text.trim().trim_matches(['"', '\''])
}

/// `"left-pad": "^1.0.0",`
pub(super) fn json(line: &str) -> Option<&str> {
    let (key, value) = line.trim().strip_prefix('"')?.split_once("\":")?;
    let value = value.trim().trim_end_matches(',').strip_prefix('"')?.strip_suffix('"')?;
    let starts = [
        "^",
        "~",
        ">",
        "<",
        "=",
        "*",
        "git",
        "http",
        "file:",
        "link:",
        "npm:",
        "workspace:",
        "github:",
        "gitlab:",
        "bitbucket:",
        "gist:",
        "ssh:",
        "portal:",
        "patch:",
    ];
    let looks_pinned = ["", "latest", "next", "beta", "canary"].contains(&value)
        || value.starts_with(|c: char| c.is_ascii_digit())
        || starts.iter().any(|start| value.starts_with(start));
    let is_other = matches!(key, "version" | "node" | "npm" | "homepage" | "url" | "php");
    // `owner/name#branch` is a repository; without the branch it could be any path.
    let is_repository = value.contains('#') && value.matches('/').count() == 1;
    ((looks_pinned || is_repository) && !is_other && !key.contains(' ')).then_some(key)
}

/// `"requests>=2",` in a list, or `requests = "^2"` in a table.
pub(super) fn python(line: &str) -> Option<&str> {
    let line = line.trim();
    let quoted = line.strip_prefix(['"', '\'']);
    match quoted {
        Some(rest) => requirement(rest.trim_end_matches([',', '"', '\''])),
        None => toml(line).filter(|key| *key != "python" && *key != "requires-python"),
    }
}

/// `requests>=2.0`, `requests[security]==2`, `requests`
pub(super) fn requirement(line: &str) -> Option<&str> {
    let line = line.trim();
    let legal = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let end = line.find(|c: char| !legal(c)).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    let rest = rest.trim_start();
    let is_requirement = rest.is_empty()
        || ["==", ">=", "<=", "~=", "!=", ">", "<", "[", ";", "@", "#", "\\"]
            .iter()
            .any(|start| rest.starts_with(start));
    (name.starts_with(|c: char| c.is_ascii_alphanumeric()) && is_requirement).then_some(name)
}

/// `require example.org/mod v1.2.3`, or the same in a block.
pub(super) fn go(line: &str) -> Option<&str> {
    let line = line.trim().strip_prefix("require").unwrap_or_else(|| line.trim()).trim_start();
    let (module, version) = line.split_once(char::is_whitespace)?;
    let version = version.trim_start();
    let is_version = version
        .strip_prefix('v')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    (module.contains('.') && is_version).then_some(module)
}

/// `gem "rails", "~> 7"`
pub(super) fn gem(line: &str) -> Option<&str> {
    let rest = line.trim().strip_prefix("gem")?.trim_start_matches([' ', '(']);
    let rest = rest.strip_prefix(['"', '\''])?;
    rest.split(['"', '\'']).next()
}
