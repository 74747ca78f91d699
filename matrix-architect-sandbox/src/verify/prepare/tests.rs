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
fn go_is_asked_where_a_module_is_required() {
    let none = "module a\n\ngo 1.19\n";
    assert!(only(&[("go.mod", none)], &[]).is_none());
    let some = format!("{none}\nrequire example.test/b v1.0.0\n");
    assert!(!only(&[("go.mod", &some)], &[]).unwrap().hashed);
    let sums = "example.test/b v1.0.0 h1:x\n";
    assert!(only(&[("go.mod", &some), ("go.sum", sums)], &[]).unwrap().hashed);
}

#[test]
fn what_is_shown_is_shown_at_its_place() {
    let tree = [("go.mod", "module a\nrequire b v1.0.0\n"), ("go.sum", "b v1 h1:x\n")];
    let demand = only(&tree, &[]).unwrap();
    assert_eq!(demand.place(), "/prepared/go");
    assert!(demand.offer.env.contains(&("GOPROXY", "file://{place}")));
}
