//! Which hosts may be fetched from: the operator's, and those of the tools' configuration on the
//! base tree. None is built in.

use matrix_architect_core::traits::{AllowedHost, Egress};

use super::{config::PrepareConfig, demand::Sources, python};

/// What a fetching session may reach.
pub(super) fn egress(config: &PrepareConfig, base: &Sources) -> Egress {
    let mut hosts = config.hosts.clone();
    for host in urls(base).iter().filter_map(|url| host(url)) {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    let mut egress = Egress::to(hosts);
    egress.private.clone_from(&config.private);
    egress
}

/// The addresses that tools' configuration names.
fn urls(base: &Sources) -> Vec<String> {
    let mut urls = Vec::new();
    for path in [".cargo/config.toml", ".cargo/config"] {
        let Some(text) = base.text(path) else { continue };
        let Ok(table) = text.parse::<toml::Table>() else { continue };
        for (section, key) in [("source", "registry"), ("registries", "index")] {
            let entries = table.get(section).and_then(toml::Value::as_table);
            let named = entries.into_iter().flat_map(|entries| entries.values());
            let values = named.filter_map(|entry| entry.get(key)?.as_str());
            urls.extend(values.map(|url| url.trim_start_matches("sparse+").to_owned()));
        }
    }
    let (index, extra) = python::indexes(base);
    urls.extend(index.into_iter().chain(extra));
    for line in base.text(".npmrc").unwrap_or_default().lines() {
        if let Some((key, url)) = line.split_once('=')
            && (key.trim() == "registry" || key.trim().ends_with(":registry"))
        {
            urls.push(url.trim().to_owned());
        }
    }
    urls
}

/// The host of a URL, without whatever credentials stand before it.
fn host(url: &str) -> Option<AllowedHost> {
    let (scheme, rest) = url.split_once("://")?;
    let default = match scheme {
        "https" => 443,
        "http" => 80,
        _ => return None,
    };
    let authority = rest.split(['/', '?', '#']).next()?;
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| {
        !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
    });
    let text = if has_port { authority.to_owned() } else { format!("{authority}:{default}") };
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_the_operators_and_the_bases() {
        let base = Sources::of(&[
            (
                ".cargo/config.toml",
                "[registries.own]\nindex = 'sparse+https://crates.corp/index/'\n\
                 [source.mirror]\nregistry = 'http://mirror.corp:8080/git'\n",
            ),
            (
                "requirements.txt",
                "--index-url https://user:secret@wheels.corp/simple\nsix\n\
                 --extra-index-url=https://more.corp:8443/\n",
            ),
            (".npmrc", "registry=https://npm.corp/\n@own:registry = https://own.corp\ncafile=x\n"),
        ]);
        let config = PrepareConfig::new("/x").hosts(["first.corp".parse().unwrap()]);
        let hosts: Vec<_> = egress(&config, &base).hosts.iter().map(ToString::to_string).collect();
        assert_eq!(
            hosts,
            [
                "first.corp:443",
                "mirror.corp:8080",
                "crates.corp:443",
                "wheels.corp:443",
                "more.corp:8443",
                "npm.corp:443",
                "own.corp:443",
            ]
        );
    }

    #[test]
    fn nobody_is_allowed_by_default() {
        let egress = egress(&PrepareConfig::new("/x"), &Sources::default());
        assert!(egress.hosts.is_empty() && egress.private.is_empty());
    }
}
