//! Projects that depend on what somebody else published: fetched through a list of hosts, then
//! tested without any network. The hosts are whatever the tools of this machine use by default.
#![cfg(all(feature = "native", feature = "docker", feature = "verify", target_os = "linux"))]
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "these are tests")]

#[path = "common/image.rs"]
mod image;
mod judging;
mod prepare {
    pub(super) mod goproxy;
    pub(super) mod registries;
}
#[path = "judging/skip.rs"]
mod skip;
#[path = "common/tools.rs"]
mod tools;

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command, sync::Arc};

use judging::{Outcome, Wish, environment};
use matrix_architect_core::{
    evidence::{CheckResult, Evidence, TestCounts},
    traits::Sandbox,
};
use matrix_architect_sandbox::{
    docker::{DockerConfig, DockerSandbox},
    egress::ProxyConfig,
    native::{NativeConfig, NativeSandbox, detect_toolchains},
    verify::{PrepareConfig, VerifyConfig},
};
use prepare::registries::{Registry, run};
use skip::skip;
use tempfile::TempDir;

/// A directory that a sandbox can be shown, which `/tmp` is not.
fn workshop() -> TempDir {
    let workshop = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    fs::set_permissions(workshop.path(), fs::Permissions::from_mode(0o755)).unwrap();
    workshop
}

fn write(root: &Path, files: &[(&str, &str)]) {
    for (path, content) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

/// A few names of our own.
fn proxy() -> ProxyConfig {
    let local = std::net::Ipv4Addr::LOCALHOST.into();
    ProxyConfig::default().host("goproxy.test", local).host("unlisted.test", local)
}

/// The native sandbox with this machine's toolchains.
fn native() -> Arc<dyn Sandbox> {
    let toolchains = detect_toolchains(Path::new(&environment("HOME")), &environment("PATH"));
    let config = NativeConfig::default().toolchains(toolchains).proxy(proxy());
    Arc::new(NativeSandbox::new(config).unwrap())
}

/// Containers with this machine's toolchains; `None`, and said so, where sessions in containers
/// cannot be let out.
async fn containers() -> Option<Arc<dyn Sandbox>> {
    if image::docker(&["version"]).is_none() {
        skip("there is no Docker engine, or it may not be used");
        return None;
    }
    let image = tokio::task::spawn_blocking(tools::make).await.unwrap();
    let config = DockerConfig::new(image).proxy(proxy());
    let sandbox = DockerSandbox::connect(config).await.unwrap();
    if !sandbox.capabilities().egress {
        skip("the server's user may not enter a container's network");
        return None;
    }
    Some(Arc::new(sandbox))
}

async fn verify(sandbox: &Arc<dyn Sandbox>, project: &Path, prepare: PrepareConfig) -> Outcome {
    let config = VerifyConfig::default().allow_degraded(true).prepare(prepare);
    let wish = Wish { config, sandbox: Arc::clone(sandbox), ..Wish::default() };
    wish.verify(project, project).await.unwrap()
}

/// Hosts of the evidence, with how many bytes came from each.
fn hosts(evidence: &Evidence) -> Vec<(String, u64)> {
    let hosts = evidence.details["hosts"].as_array().unwrap().iter();
    hosts
        .map(|host| (host["host"].as_str().unwrap().to_owned(), host["received"].as_u64().unwrap()))
        .collect()
}

/// Fetches once, tests; fetches not again, tests again.
async fn is_prepared_and_tested(
    sandbox: &Arc<dyn Sandbox>,
    (project, registry): (&Path, &Registry),
    (ecosystem, test): (&str, &str),
    counts: TestCounts,
) {
    let cache = workshop();
    let prepare = || registry.allow(PrepareConfig::new(cache.path()));
    let first = verify(sandbox, project, prepare()).await;
    let name = format!("prepare.{ecosystem}");
    let fetched = first.named(&name);
    assert_eq!(fetched.result, CheckResult::Passed, "{fetched:#?}");
    assert_eq!(fetched.details["cache"], "miss");
    let driver = sandbox.capabilities().driver;
    assert_eq!(fetched.details["sandbox"], driver.as_str());
    let reached = hosts(&fetched);
    assert!(!reached.is_empty() && reached.iter().all(|(_, bytes)| *bytes > 0), "{reached:?}");
    let tests = first.named(test);
    assert_eq!((tests.result, tests.tests), (CheckResult::Passed, Some(counts)), "{tests:#?}");
    let released = !first.bundle.is_empty();
    assert!(released, "what is fetched is no part of the release, and the project is");
    let second = verify(sandbox, project, prepare()).await;
    let found = second.named(&name);
    assert_eq!((found.result, &found.details["cache"]), (CheckResult::Passed, &"hit".into()));
    assert_eq!(found.details["content"], fetched.details["content"]);
    assert_eq!(second.named(test).tests, Some(counts));
    // Without anybody to fetch from it cannot be built: what was tested is what was fetched.
    let without = verify(sandbox, project, PrepareConfig::new(cache.path())).await;
    assert_ne!(without.named(test).result, CheckResult::Passed);
}

const PASSED: TestCounts = TestCounts { passed: 1, failed: 0, skipped: 0 };

#[tokio::test]
async fn a_rust_project_is_fetched_through_the_list_and_tested_without_network() {
    rust(&native()).await;
}

#[tokio::test]
async fn a_rust_project_is_fetched_and_tested_in_containers_too() {
    let Some(sandbox) = containers().await else { return };
    rust(&sandbox).await;
}

async fn rust(sandbox: &Arc<dyn Sandbox>) {
    let Some(registry) = Registry::of_cargo() else { return skip("cargo knows no registry") };
    let project = workshop();
    write(
        project.path(),
        &[
            (
                "Cargo.toml",
                "[package]\nname = \"counter\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n\
                 [dependencies]\nitoa = \"1\"\n\n[workspace]\n",
            ),
            (
                "src/lib.rs",
                "//! Counts.\n\n/// As text.\npub fn text(count: u32) -> String {\n    \
                 itoa::Buffer::new().format(count).to_owned()\n}\n\n\
                 #[test]\nfn a_number_is_its_digits() {\n    assert_eq!(text(42), \"42\");\n}\n",
            ),
        ],
    );
    let lock = Command::new("cargo").arg("generate-lockfile").current_dir(project.path()).output();
    if !lock.is_ok_and(|lock| lock.status.success()) {
        return skip("cargo cannot reach its registry");
    }
    let _ = fs::remove_dir_all(project.path().join("target"));
    is_prepared_and_tested(sandbox, (project.path(), &registry), ("rust", "rust.test"), PASSED)
        .await;
}

#[tokio::test]
async fn a_python_project_is_fetched_through_the_list_and_tested_without_network() {
    python(&native()).await;
}

#[tokio::test]
async fn a_python_project_is_fetched_and_tested_in_containers_too() {
    let Some(sandbox) = containers().await else { return };
    python(&sandbox).await;
}

async fn python(sandbox: &Arc<dyn Sandbox>) {
    let Some((registry, requirement)) = Registry::of_pip("inflection==0.5.1") else {
        return skip("pip cannot reach its index");
    };
    let project = workshop();
    write(
        project.path(),
        &[
            ("setup.cfg", "[metadata]\nname = counter\n"),
            ("requirements.txt", &requirement),
            (
                "tests/test_words.py",
                "import unittest\nimport inflection\n\n\nclass Words(unittest.TestCase):\n    \
                 def test_plural(self):\n        \
                 self.assertEqual(inflection.pluralize('count'), 'counts')\n",
            ),
        ],
    );
    is_prepared_and_tested(sandbox, (project.path(), &registry), ("python", "python.test"), PASSED)
        .await;
}

#[tokio::test]
async fn a_node_project_is_fetched_through_the_list_and_tested_without_network() {
    node(&native()).await;
}

#[tokio::test]
async fn a_node_project_is_fetched_and_tested_in_containers_too() {
    let Some(sandbox) = containers().await else { return };
    node(&sandbox).await;
}

async fn node(sandbox: &Arc<dyn Sandbox>) {
    let Some(registry) = Registry::of_npm() else { return skip("npm is not installed") };
    let project = workshop();
    write(
        project.path(),
        &[
            (
                "package.json",
                "{\"name\": \"counter\", \"version\": \"1.0.0\", \"scripts\": \
                 {\"test\": \"node --test\"}, \"dependencies\": {\"is-number\": \"7.0.0\"}}\n",
            ),
            (
                "test/number.test.js",
                "const test = require('node:test');\nconst assert = require('node:assert');\n\
                 const isNumber = require('is-number');\n\
                 test('a number is one', () => assert.ok(isNumber(42)));\n",
            ),
        ],
    );
    let mut npm = Command::new("npm");
    npm.args(["install", "--package-lock-only", "--ignore-scripts"]).current_dir(project.path());
    if run(&mut npm).is_none() {
        return skip("npm cannot reach its registry");
    }
    is_prepared_and_tested(sandbox, (project.path(), &registry), ("node", "node.test"), PASSED)
        .await;
}

#[tokio::test]
async fn a_go_project_is_fetched_through_the_list_and_tested_without_network() {
    go(&native()).await;
}

async fn go(sandbox: &Arc<dyn Sandbox>) {
    if Command::new("go").arg("version").output().is_err() {
        return skip("go is not installed");
    }
    let published = workshop();
    let port = prepare::goproxy::serve(published.path());
    let project = workshop();
    write(
        project.path(),
        &[
            (
                "go.mod",
                "module example.test/counter\n\ngo 1.19\n\nrequire example.test/greet v1.0.0\n",
            ),
            (
                "counter_test.go",
                "package counter\n\nimport (\n\t\"testing\"\n\n\t\"example.test/greet\"\n)\n\n\
                 func TestGreets(t *testing.T) {\n\tif greet.Greet() != \"hello\" {\n\t\t\
                 t.Fatal(\"no greeting\")\n\t}\n}\n",
            ),
        ],
    );
    let own = workshop();
    let mut sums = Command::new("go");
    sums.args(["mod", "tidy"]).current_dir(project.path());
    sums.env("GOPROXY", format!("http://127.0.0.1:{port}")).env("GOSUMDB", "off");
    sums.env("GOMODCACHE", own.path()).env("GOFLAGS", "-mod=mod -modcacherw");
    run(&mut sums).expect("go writes go.sum");
    let registry = Registry::local("goproxy.test", port);
    let registry = registry.env("GOPROXY", format!("http://goproxy.test:{port}"));
    is_prepared_and_tested(sandbox, (project.path(), &registry), ("go", "go.test"), PASSED).await;
}

/// The evidence of a fetch that may reach `listed.test` alone.
async fn prepared(files: &[(&str, &str)], ecosystem: &str) -> Evidence {
    let (project, cache) = (workshop(), workshop());
    write(project.path(), files);
    let prepare = PrepareConfig::new(cache.path()).hosts(["listed.test".parse().unwrap()]);
    verify(&native(), project.path(), prepare).await.named(&format!("prepare.{ecosystem}"))
}

/// Whatever a lock file names, the proxy lets nobody through but who is listed.
fn is_refused(prepared: &Evidence) {
    assert_eq!(prepared.result, CheckResult::Failed, "{prepared:#?}");
    let hosts = prepared.details["hosts"].as_array().unwrap();
    assert!(hosts.iter().all(|host| host["connections"] == 0), "{prepared:#?}");
    let of = |host: &&serde_json::Value| host["host"] == "unlisted.test";
    let asked = hosts.iter().find(of).unwrap_or_else(|| panic!("{prepared:#?}"));
    assert!(asked["refusals"].as_u64() > Some(0), "{prepared:#?}");
}

#[tokio::test]
async fn a_wheel_that_requirements_fetch_from_elsewhere_is_refused() {
    if Command::new("python3").args(["-m", "pip", "--version"]).output().is_err() {
        return skip("pip is not installed");
    }
    let requirements = "y @ https://unlisted.test/y-1.0.0-py3-none-any.whl \\\n    --hash=sha256:\
                        e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n";
    let files = [("setup.cfg", "[metadata]\nname = x\n"), ("requirements.txt", requirements)];
    is_refused(&prepared(&files, "python").await);
}

#[tokio::test]
async fn a_module_and_a_toolchain_of_an_unlisted_host_are_refused() {
    if Command::new("go").arg("version").output().is_err() {
        return skip("go is not installed");
    }
    let module = "module example.test/x\n\ngo 1.19\n\nrequire unlisted.test/y v1.0.0\n";
    for module in [module.to_owned(), format!("{module}toolchain go1.99.0\n")] {
        let prepared = prepared(&[("go.mod", &module), ("x.go", "package x\n")], "go").await;
        assert_eq!(prepared.result, CheckResult::Failed, "{prepared:#?}");
        let hosts = prepared.details["hosts"].as_array().unwrap();
        assert!(hosts.iter().all(|host| host["connections"] == 0), "{prepared:#?}");
    }
}

#[tokio::test]
async fn a_dependency_on_an_unlisted_host_is_refused_by_its_name() {
    unlisted(&native()).await;
}

#[tokio::test]
async fn a_dependency_on_an_unlisted_host_is_refused_in_containers_too() {
    let Some(sandbox) = containers().await else { return };
    unlisted(&sandbox).await;
}

async fn unlisted(sandbox: &Arc<dyn Sandbox>) {
    if Command::new("npm").arg("--version").output().is_err() {
        return skip("npm is not installed");
    }
    let project = workshop();
    let lock = r#"{"name": "x", "version": "1.0.0", "lockfileVersion": 3, "requires": true,
        "packages": {"": {"name": "x", "version": "1.0.0", "dependencies": {"y": "1.0.0"}},
        "node_modules/y": {"version": "1.0.0", "resolved": "https://unlisted.test/y-1.0.0.tgz",
        "integrity": "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg=="}}}"#;
    write(
        project.path(),
        &[
            (
                "package.json",
                "{\"name\": \"x\", \"version\": \"1.0.0\", \"dependencies\": {\"y\": \"1.0.0\"}}",
            ),
            ("package-lock.json", lock),
        ],
    );
    let cache = workshop();
    let prepare = PrepareConfig::new(cache.path()).hosts(["listed.test".parse().unwrap()]);
    let prepared = verify(sandbox, project.path(), prepare).await.named("prepare.node");
    assert_eq!(prepared.result, CheckResult::Failed, "{prepared:#?}");
    assert!(prepared.summary.contains("unlisted.test"), "{prepared:#?}");
    assert_eq!(prepared.findings[0].name, "unlisted.test:443");
    assert!(prepared.required && !prepared.passed);
}
