//! What is demanded, and of what.

use super::{
    demand::{Demand, Sources, demands},
    *,
};

fn only(tree: &[(&str, &str)], base: &[(&str, &str)]) -> Option<Demand> {
    let mut all = demands(&Sources::of(tree), &Sources::of(base)).unwrap();
    assert!(all.len() < 2, "{all:?}");
    all.pop()
}

async fn text(demand: &Demand, path: &str) -> Option<String> {
    let path = matrix_architect_core::path::RelPath::new(path).unwrap();
    let content = demand.files.read(&path).await.unwrap()?;
    Some(String::from_utf8(content.to_vec()).unwrap())
}

const CARGO: &str = "[package]\nname = 'a'\nversion = '1.0.0'\n";

#[test]
fn cargo_is_asked_where_a_package_comes_from_elsewhere() {
    let own = "version = 4\n[[package]]\nname = 'a'\nversion = '1.0.0'\n";
    assert!(only(&[("Cargo.toml", CARGO), ("Cargo.lock", own)], &[]).is_none());
    let foreign =
        format!("{own}[[package]]\nname = 'b'\nversion = '1.0.0'\nsource = 'registry+x'\n");
    let hashed = format!("{foreign}checksum = 'ab'\n");
    let demand = only(&[("Cargo.toml", CARGO), ("Cargo.lock", &hashed)], &[]).unwrap();
    assert!(demand.hashed && demand.line.contains("cargo vendor"), "{demand:?}");
    let unhashed = only(&[("Cargo.toml", CARGO), ("Cargo.lock", &foreign)], &[]).unwrap();
    assert!(!unhashed.hashed);
    assert_ne!(demand.lock, unhashed.lock);
    let commit = foreign.replace("registry+x", "git+https://x/y#0123");
    assert!(only(&[("Cargo.toml", CARGO), ("Cargo.lock", &commit)], &[]).unwrap().hashed);
    // Whoever brings its dependencies along needs none.
    let own = [(".cargo/config.toml", "[source.x]\nreplace-with = 'vendored'\n")];
    assert!(only(&[("Cargo.toml", CARGO), ("Cargo.lock", &hashed)], &own).is_none());
}

#[tokio::test]
async fn a_changes_own_tool_configuration_is_left_out() {
    let lock = "version = 4\n[[package]]\nname = 'b'\nversion = '1.0.0'\nsource = 'registry+x'\nchecksum = 'a'\n";
    let tree = [
        ("Cargo.toml", CARGO),
        ("Cargo.lock", lock),
        (".cargo/config.toml", "[registries.evil]\nindex = 'https://evil.test/'\n"),
    ];
    let demand = only(&tree, &[]).unwrap();
    assert_eq!(text(&demand, ".cargo/config.toml").await, None);
    let base = [(".cargo/config.toml", "[registries.own]\nindex = 'https://own.test/'\n")];
    let demand = only(&tree, &base).unwrap();
    assert!(text(&demand, ".cargo/config.toml").await.unwrap().contains("own.test"));

    let tree = [(
        "requirements.txt",
        "--index-url https://evil.test/simple\n-ihttps://evil.test/\nsix==1.16.0 \\\n    --hash=sha256:ab\n",
    )];
    let base = [("requirements.txt", "--index-url https://own.test/simple\n")];
    let demand = only(&tree, &base).unwrap();
    let kept = text(&demand, "requirements.txt").await.unwrap();
    assert!(!kept.contains("evil") && kept.contains("six==1.16.0"), "{kept}");
    assert_eq!(demand.env["PIP_INDEX_URL"], "https://own.test/simple");

    let lock = r#"{"packages": {"": {}, "node_modules/x": {"integrity": "sha512-x"}}}"#;
    let tree = [
        ("package.json", "{}"),
        ("package-lock.json", lock),
        (".npmrc", "registry=https://evil.test/"),
    ];
    assert_eq!(text(&only(&tree, &[]).unwrap(), ".npmrc").await, None);
    let base = [(".npmrc", "registry=https://own.test/")];
    assert!(text(&only(&tree, &base).unwrap(), ".npmrc").await.unwrap().contains("own.test"));
}

#[tokio::test]
async fn no_spelling_of_an_option_in_requirements_says_where_from() {
    for hidden in [
        "--index-url https://evil.test/",
        "--index-url=https://evil.test/",
        "-ihttps://evil.test/",
        "--pypi-url https://evil.test/",
        "--extra-index https://evil.test/",
        "--find-l https://evil.test/",
        "--trusted-host evil.test",
        "-e git+https://evil.test/x",
        "\u{feff}--index-url https://evil.test/",
        "# a comment\n\u{feff}--index-url https://evil.test/",
        "toolz==0.12.1\r--index-url https://evil.test/",
        "toolz==0.12.1\u{c}--index-url https://evil.test/",
        "toolz==0.12.1\u{2028}--index-url https://evil.test/",
        "toolz==0.12.1 \\\n# a comment\n--index-url https://evil.test/",
        "--index-url \\\n    https://evil.test/",
        "# -*- coding: utf-7 -*-\n--index-url https://evil.test/",
    ] {
        let tree = [("requirements.txt", &*format!("{hidden}\nsix==1.16.0\n"))];
        let demand = only(&tree, &[]).unwrap();
        let kept = text(&demand, "requirements.txt").await.unwrap();
        assert!(!kept.contains("evil") && !kept.contains('#'), "{hidden:?}: {kept:?}");
        assert!(kept.ends_with("six==1.16.0\n"), "{hidden:?}: {kept:?}");
        assert!(!demand.env.values().chain([&demand.line]).any(|word| word.contains("evil")));
    }
}

#[test]
fn a_lock_file_lets_nobody_be_reached() {
    let node = r#"{"packages": {"": {}, "node_modules/x": {
        "resolved": "https://evil.test/x.tgz", "integrity": "sha512-x"}}}"#;
    let cargo = "version = 4\n[[package]]\nname = 'b'\nversion = '1.0.0'\n\
                 source = 'registry+https://evil.test/index'\nchecksum = 'ab'\n";
    let go = "module a\ngo 1.21\ntoolchain evil.test/go1.99.0\nrequire evil.test/b v1.0.0\n\
              replace c.test/c => evil.test/c v1.0.0\n";
    let python = "x @ https://evil.test/x.whl --hash=sha256:ab\n\
                  https://evil.test/y.whl#sha256=ab\n-r https://evil.test/more.txt\n";
    let manifest = "{\"dependencies\": {\"x\": \"https://evil.test/x.tgz\"}, \
                    \"publishConfig\": {\"registry\": \"https://evil.test/\"}}";
    let files = [
        ("package.json", manifest),
        ("package-lock.json", node),
        ("Cargo.toml", "[dependencies]\nb = { git = 'https://evil.test/b' }\n"),
        ("Cargo.lock", cargo),
        ("go.mod", go),
        ("go.sum", "evil.test/b v1.0.0 h1:x\nevil.test/b v1.0.0/go.mod h1:y\n"),
        ("go.work", "go 1.21\ntoolchain evil.test/go1.99.0\nuse .\n"),
        ("requirements.txt", python),
        // Only the root's is the tool's own configuration.
        ("deep/.npmrc", "registry=https://evil.test/\n"),
    ];
    // Whether the change brings it or it was there before.
    let config = PrepareConfig::new("/x").hosts(["own.test".parse().unwrap()]);
    let hosts = hosts::egress(&config, &Sources::of(&files)).hosts;
    assert_eq!(hosts, config.hosts);
    for demand in demands(&Sources::of(&files), &Sources::default()).unwrap() {
        let told = demand.env.values().chain([&demand.line]).any(|word| word.contains("evil"));
        assert!(!told, "{demand:?}");
    }
}

#[test]
fn go_never_fetches_the_toolchain_that_a_module_names() {
    let module = "module a\ngo 1.21\ntoolchain go1.99.0\nrequire b.test/b v1.0.0\n";
    let demand = only(&[("go.mod", module)], &[]).unwrap();
    assert_eq!(demand.env["GOTOOLCHAIN"], "local");
    assert!(demand.offer.env.contains(&("GOTOOLCHAIN", "local")), "nor do the checks");
}

#[test]
fn python_hashes_count_when_every_requirement_has_one() {
    let hashed = "# pinned\nsix==1.16.0 \\\n    --hash=sha256:ab \\\n    --hash=sha256:cd\n";
    let demand = only(&[("requirements.txt", hashed)], &[]).unwrap();
    assert!(demand.hashed && demand.line.contains("--require-hashes"), "{}", demand.line);
    let mixed = format!("{hashed}toolz==0.12.1\n");
    let demand = only(&[("requirements.txt", &mixed)], &[]).unwrap();
    assert!(!demand.hashed && !demand.line.contains("--require-hashes"), "{}", demand.line);
    assert!(demand.line.contains("--only-binary :all:"));
    assert!(only(&[("requirements.txt", "# none\n")], &[]).is_none());
    let two = [("requirements.txt", hashed), ("requirements-dev.txt", hashed)];
    let demand = only(&two, &[]).unwrap();
    assert!(demand.line.ends_with("-r 'requirements-dev.txt' -r 'requirements.txt'"));
}

#[test]
fn node_is_asked_where_a_module_comes_from_elsewhere() {
    let none = r#"{"packages": {"": {"name": "a"}}}"#;
    assert!(only(&[("package.json", "{}"), ("package-lock.json", none)], &[]).is_none());
    let mixed = r#"{"packages": {"": {}, "node_modules/x": {"integrity": "sha512-x"},
        "node_modules/y": {"resolved": "https://y.test/y.tgz"}}}"#;
    assert!(!only(&[("package.json", "{}"), ("package-lock.json", mixed)], &[]).unwrap().hashed);
}

#[test]
fn node_hashes_count_when_npm_would_hold_packages_against_them() {
    let hashed = |integrity: &str| {
        let lock =
            format!(r#"{{"packages": {{"node_modules/x": {{"integrity": "{integrity}"}}}}}}"#);
        only(&[("package.json", "{}"), ("package-lock.json", &lock)], &[]).unwrap().hashed
    };
    let strong = format!("sha512-{}==", "A".repeat(86));
    assert!(hashed(&strong) && hashed(&format!("sha256-{}= {strong}", "A".repeat(43))));
    for weak in ["", " ", "sha512-", "sha512-x", "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=", "none"] {
        assert!(!hashed(weak), "{weak:?}");
    }
}

#[test]
fn go_is_asked_where_a_module_is_required() {
    let none = "module a\n\ngo 1.19\n";
    assert!(only(&[("go.mod", none)], &[]).is_none());
    let some = format!("{none}\nrequire example.test/b v1.0.0\n");
    assert!(!only(&[("go.mod", &some)], &[]).unwrap().hashed);
    let sums = "example.test/b v1.0.0 h1:x\nexample.test/b v1.0.0/go.mod h1:y\n";
    assert!(only(&[("go.mod", &some), ("go.sum", sums)], &[]).unwrap().hashed);
}

#[test]
fn go_sums_count_when_every_module_has_them() {
    let module =
        "module a\n\ngo 1.21\n\nrequire (\n\tb.test/b v1.0.0\n\tc.test/c v1.1.0 // indirect\n)\n";
    let sums = "b.test/b v1.0.0 h1:x\nb.test/b v1.0.0/go.mod h1:y\n\
                c.test/c v1.1.0 h1:x\nc.test/c v1.1.0/go.mod h1:y\n";
    let asked =
        |module: &str, sums: &str| only(&[("go.mod", module), ("go.sum", sums)], &[]).unwrap();
    let demand = asked(module, sums);
    assert!(demand.hashed && demand.env.contains_key("GOSUMDB"));
    for left_out in 0..4 {
        let lines = sums.lines().enumerate().filter(|(number, _)| *number != left_out);
        let fewer = lines.map(|(_, line)| line).collect::<Vec<_>>().join("\n") + "\n";
        let demand = asked(module, &fewer);
        assert!(!demand.hashed && !demand.env.contains_key("GOSUMDB"), "{fewer}");
    }
    assert!(!asked(module, &sums.replacen("h1:x", "h2:x", 1)).hashed);
    assert!(!asked(&module.replace("1.21", "1.16"), sums).hashed, "it does not name all it needs");
    let replaced = format!("{module}replace c.test/c => d.test/d v1.2.0\n");
    assert!(!asked(&replaced, sums).hashed);
    let more = format!("{sums}d.test/d v1.2.0 h1:x\nd.test/d v1.2.0/go.mod h1:y\n");
    assert!(asked(&replaced, &more).hashed);
    let own = format!("{module}require e.test/e v0.0.0\nreplace e.test/e v0.0.0 => ./e\n");
    assert!(asked(&own, sums).hashed, "what is in the tree is not fetched");
}

#[test]
fn what_is_shown_is_shown_at_its_place() {
    let tree = [("go.mod", "module a\nrequire b v1.0.0\n"), ("go.sum", "b v1 h1:x\n")];
    let demand = only(&tree, &[]).unwrap();
    assert_eq!(demand.place(), "/prepared/go");
    assert!(demand.offer.env.contains(&("GOPROXY", "file://{place}")));
}
