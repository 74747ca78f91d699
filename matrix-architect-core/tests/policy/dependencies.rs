//! Manifests, lockfiles, and what runs when they are installed.

use super::case::{Case, case};

const LOCKED: &str = "[[package]]\nname = \"serde\"\nversion = \"1.0.0\"\nsource = \"registry+https://index.example.org/\"\nchecksum = \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\n";
const CARGO: &str = "[package]\nname = \"app\"\n\n[dependencies]\nserde = \"1\"\n";
const NODE: &str = "{\n  \"dependencies\": {\n    \"a\": \"^1.0.0\"\n  }\n}\n";
const NODE_LOCK: &str = "{\n  \"packages\": {\n    \"node_modules/a\": {\n      \"version\": \"1.0.0\",\n      \"resolved\": \"https://npm.example.org/a/-/a-1.0.0.tgz\",\n      \"integrity\": \"sha512-aaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\n    }\n  }\n}\n";

fn edit(label: &'static str, path: &str, text: &str, from: &str, to: &str) -> Case {
    assert!(text.contains(from), "{label}");
    case(label).edit(path, text, &text.replace(from, to))
}

/// A change that keeps its manifest and its lockfile together.
fn both(case: Case, manifest: &str, lockfile: &str) -> Case {
    case.edit(manifest, "# a\n", "# b\n").edit(lockfile, "# a\n", "# b\n")
}

pub(crate) fn cases() -> Vec<Case> {
    [manifests(), lockfiles(), scripts()].concat()
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
fn manifests() -> Vec<Case> {
    let alone: &[_] = &["new_dependency", "manifest_without_lockfile"];
    vec![
        edit("a crate", "Cargo.toml", CARGO, "serde = \"1\"", "serde = \"1\"\nrand = \"0.9\"")
            .edit("Cargo.lock", "# a\n", "# b\n")
            .expects(&["new_dependency"]),
        edit(
            "a crate as a table",
            "Cargo.toml",
            CARGO,
            "serde =",
            "rand = { version = \"1\" }\nserde =",
        )
        .edit("Cargo.lock", "# a\n", "# b\n")
        .expects(&["new_dependency"]),
        edit(
            "a crate of the workspace",
            "a/Cargo.toml",
            CARGO,
            "serde =",
            "rand.workspace = true\nserde =",
        )
        .expects(alone),
        edit(
            "a crate under its own heading",
            "Cargo.toml",
            CARGO,
            "[dependencies]",
            "[dependencies.rand]\nversion = \"1\"\n\n[dependencies]",
        )
        .expects(alone),
        edit("a newer crate", "Cargo.toml", CARGO, "serde = \"1\"", "serde = \"2\"")
            .expects(&["manifest_without_lockfile"]),
        edit("a crate less", "Cargo.toml", CARGO, "serde = \"1\"\n", "")
            .expects(&["manifest_without_lockfile"]),
        edit(
            "a node package",
            "package.json",
            NODE,
            "\"a\"",
            "\"left-pad\": \"^1.0.0\",\n    \"a\"",
        )
        .edit("package-lock.json", "{}\n", "{ }\n")
        .expects(&["new_dependency"]),
        edit(
            "a node package from Git",
            "package.json",
            NODE,
            "\"a\"",
            "\"b\": \"git+https://example.org/b\",\n    \"a\"",
        )
        .expects(&["new_dependency", "manifest_without_lockfile", "registry_changed"]),
        case("a Python package in a list")
            .edit(
                "pyproject.toml",
                "dependencies = [\n]\n",
                "dependencies = [\n  \"requests>=2\",\n]\n",
            )
            .expects(alone),
        case("a Python package in a table")
            .edit(
                "pyproject.toml",
                "[tool.poetry.dependencies]\n",
                "[tool.poetry.dependencies]\nrequests = \"^2\"\n",
            )
            .edit("poetry.lock", "# a\n", "# b\n")
            .expects(&["new_dependency"]),
        case("a Python package in an extra whose heading is out of sight")
            .edit("pyproject.toml", "dev = [\n]\n", "dev = [\n  \"requests>=2\",\n]\n")
            .expects(alone),
        case("a requirement")
            .edit("requirements.txt", "a==1\n", "a==1\nb==2\n")
            .expects(&["new_dependency"]),
        case("a newer requirement").edit("requirements-dev.txt", "a==1\n", "a==2\n"),
        case("a comment among requirements").edit("requirements.txt", "a==1\n", "# why\na==1\n"),
        case("a Go module")
            .edit("go.mod", "require (\n)\n", "require (\n\texample.org/b v1.2.3\n)\n")
            .edit("go.sum", "", "example.org/b v1.2.3 h1:aaaaaaaaaaaaaaaaaaaaaaaaaaaa=\n")
            .expects(&["new_dependency"]),
        case("a gem").edit("Gemfile", "", "gem \"rails\", \"~> 7\"\n").expects(alone),
        case("a Composer package")
            .edit("composer.json", "{\n}\n", "{\n    \"acme/b\": \"^1.0\"\n}\n")
            .expects(alone),
    ]
}

fn lockfiles() -> Vec<Case> {
    vec![
        edit("a lock alone", "Cargo.lock", LOCKED, "1.0.0", "1.0.1").expects(&["lockfile_without_manifest"]),
        case("a lock of node alone")
            .edit("web/yarn.lock", "# a\n", "# b\n")
            .expects(&["lockfile_without_manifest"]),
        edit("another checksum of the same crate", "Cargo.lock", LOCKED, "aaaa", "bbbb")
            .edit("Cargo.toml", "# a\n", "# b\n")
            .expects(&["integrity_changed"]),
        edit("another checksum of the same package", "package-lock.json", NODE_LOCK, "-aaaa", "-bbbb")
            .edit("package.json", "{}\n", "{ }\n")
            .expects(&["integrity_changed"]),
        edit("a newer crate with its checksum", "Cargo.lock", &LOCKED.replace("1.0.0", "1.0.1"), "1.0.1\"\nsource = \"registry+https://index.example.org/\"\nchecksum = \"aaaa", "1.0.2\"\nsource = \"registry+https://index.example.org/\"\nchecksum = \"cccc")
            .edit("Cargo.toml", "# a\n", "# b\n"),
        case("another checksum of the same Go module")
            .edit("go.sum", "example.org/b v1.2.3 h1:aaaaaaaaaaaaaaaaaaaaaaaa=\n", "example.org/b v1.2.3 h1:bbbbbbbbbbbbbbbbbbbbbbbb=\n")
            .edit("go.mod", "// a\n", "// b\n")
            .expects(&["integrity_changed"]),
        case("another checksum of the same wheel")
            .edit("uv.lock", "    { url = \"https://files.example.org/b-1-py3.whl\", hash = \"sha256:aaaaaaaaaaaaaaaaaaaa\" },\n", "    { url = \"https://files.example.org/b-1-py3.whl\", hash = \"sha256:bbbbbbbbbbbbbbbbbbbb\" },\n")
            .edit("pyproject.toml", "# a\n", "# b\n")
            .expects(&["integrity_changed"]),
        case("another checksum in yarn's lock")
            .edit("yarn.lock", "b@^1.0.0:\n  version \"1.0.0\"\n  integrity sha512-aaaaaaaaaaaaaaaaaaaaaa\n", "b@^1.0.0:\n  version \"1.0.0\"\n  integrity sha512-bbbbbbbbbbbbbbbbbbbbbb\n")
            .edit("package.json", "{}\n", "{ }\n")
            .expects(&["integrity_changed"]),
        case("another checksum in pnpm's lock")
            .edit("pnpm-lock.yaml", "  b@1.0.0:\n    resolution: {integrity: sha512-aaaaaaaaaaaaaaaaaaaa}\n", "  b@1.0.0:\n    resolution: {integrity: sha512-bbbbbbbbbbbbbbbbbbbb}\n")
            .edit("package.json", "{}\n", "{ }\n")
            .expects(&["integrity_changed"]),
        edit("another host of the same package", "package-lock.json", NODE_LOCK, "npm.example.org", "npm.example.com")
            .edit("package.json", "{}\n", "{ }\n")
            .expects(&["registry_changed"]),
        edit("another host of the same crate", "Cargo.lock", LOCKED, "index.example.org", "evil.example")
            .edit("Cargo.toml", "# a\n", "# b\n")
            .expects(&["registry_changed"]),
        both(case("a manifest and its lock"), "Cargo.toml", "Cargo.lock"),
    ]
}

fn scripts() -> Vec<Case> {
    vec![
        edit(
            "a postinstall",
            "package.json",
            NODE,
            "\"dependencies\"",
            "\"scripts\": {\n    \"postinstall\": \"node x.js\"\n  },\n  \"dependencies\"",
        )
        .expects(&["install_script"]),
        edit(
            "a package that is called install",
            "package.json",
            NODE,
            "\"a\"",
            "\"install\": \"^0.13.0\",\n    \"a\"",
        )
        .edit("package-lock.json", "{}\n", "{ }\n")
        .expects(&["new_dependency"]),
        edit(
            "a locked package with a script",
            "package-lock.json",
            NODE_LOCK,
            "\"version\"",
            "\"hasInstallScript\": true,\n      \"version\"",
        )
        .edit("package.json", "{}\n", "{ }\n")
        .expects(&["install_script"]),
        case("a new build program")
            .add("build.rs", "fn main() {}\n")
            .expects(&["build_script", "install_script"]),
        case("a new setup.py")
            .add("setup.py", "setup()\n")
            .expects(&["build_script", "install_script"]),
        case("a hook in setup.py")
            .edit("setup.py", "setup()\n", "setup(cmdclass={\"install\": X})\n")
            .expects(&["build_script", "install_script"]),
        edit(
            "a build program named in the manifest",
            "Cargo.toml",
            CARGO,
            "name = \"app\"",
            "name = \"app\"\nbuild = \"gen.rs\"",
        )
        .expects(&["install_script"]),
        case("another build backend")
            .edit(
                "pyproject.toml",
                "[build-system]\n",
                "[build-system]\nbuild-backend = \"mine\"\n",
            )
            .expects(&["install_script"]),
    ]
}
