//! Where the change is: some paths are worth a look whatever is written there.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde::{Deserialize, Serialize};

use super::{Scene, Sightings, SignalKind};
use crate::{
    error::{Error, Result},
    patch::FileChange,
};

/// What kind of path it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::policy) enum PathKind {
    /// A path that is a signal by itself.
    Signal(SignalKind),
    /// Configuration of tools that judge the change.
    Tools,
    /// A migration of a database.
    Migration,
    /// A test.
    Test,
}

/// Path patterns by what they mean. `*` stays within a folder, `**` crosses folders, `{a,b}` is
/// either; letter case does not matter. What is given replaces the default of that field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Globs {
    /// Authentication and permissions. Default: folders and files named `auth`, `login`, `rbac`,
    /// `permissions`, `oauth`, `jwt` and the like.
    pub auth: Vec<String>,
    /// Cryptography and keys. Default: folders and files named `crypto`, `tls`, `signing` and the
    /// like, and `*.pem`, `*.key`, `*.crt`.
    pub crypto: Vec<String>,
    /// Payments. Default: folders and files named `payment`, `billing`, `checkout` and the like.
    pub payments: Vec<String>,
    /// Infrastructure as code. Default: Terraform, Helm, Kubernetes, Ansible, systemd units.
    pub infrastructure: Vec<String>,
    /// Containers. Default: `Dockerfile`, `Containerfile`, compose files.
    pub containers: Vec<String>,
    /// Continuous integration and who must review. Default: the files of GitHub, GitLab, Jenkins,
    /// Buildkite, Circle CI, Azure, Bitbucket, Drone and Woodpecker, `.ci/`, `CODEOWNERS`.
    pub ci: Vec<String>,
    /// What judges changes, beside `.matrix/**`, which always does. Default: nothing more.
    pub judge: Vec<String>,
    /// What tools run or obey without being asked. Default: Git hooks, husky, editor tasks, direnv,
    /// pre-commit, configuration of cargo, npm, yarn and pip.
    pub hooks: Vec<String>,
    /// What a build or a test run executes. Default: `build.rs`, `Makefile`, `setup.py`,
    /// `conftest.py` and the like.
    pub build_scripts: Vec<String>,
    /// Configuration of formatters, linters, test runners, type checkers and coverage. Default:
    /// `rustfmt.toml`, `clippy.toml`, `.cargo/config.toml`, `rust-toolchain`, `nextest.toml`,
    /// `pytest.ini`, `tox.ini`, `ruff.toml`, `.coveragerc`, `mypy.ini`, and those of
    /// `eslint`, `jest`, `vitest`, `tsc`, `golangci-lint` and the like. Sections of manifests count in any case.
    pub tools: Vec<String>,
    /// Migrations of databases. Default: folders named `migrations`, `schema.sql`.
    pub migrations: Vec<String>,
    /// Tests. Default: folders named `tests` and the like, `test_*.py`, `*_test.*`, `*.spec.*`.
    pub tests: Vec<String>,
}

/// A folder or a file of one of these names, anywhere.
fn named(names: &str) -> Vec<String> {
    vec![format!("**/{{{names}}}/**"), format!("**/{{{names}}}.*")]
}

fn owned(globs: &[&str]) -> Vec<String> {
    globs.iter().map(|glob| (*glob).to_owned()).collect()
}

const AUTH: &str = "auth,authn,authz,authentication,authorization,login,session,sessions,rbac,acl,\
                    permission,permissions,oauth,oauth2,oidc,sso,saml,jwt,password,passwords";
const CRYPTO: &str = "crypto,cryptography,cipher,ciphers,encryption,signing,tls,ssl,pki,hmac,kms";
const PAYMENTS: &str = "payment,payments,billing,invoice,invoices,checkout,ledger,stripe,paypal";

const TOOLS: [&str; 16] = [
    "**/{,.}{rustfmt,clippy,tarpaulin}.toml",
    "**/{rust-toolchain{,.toml},deny.toml,go.env,go.work}",
    "**/.cargo/config{,.toml}",
    "**/{,.}nextest.toml",
    "**/{,.}pytest.{ini,toml}",
    "**/{tox.ini,conftest.py,pyrightconfig.json,.flake8,.bandit,.isort.cfg}",
    "**/{,.}{ruff,mypy}.{toml,ini}",
    "**/{.coveragerc,{,.}pylintrc{,.toml}}",
    "**/{,.}{eslint,prettier,jest,vitest,mocha,nyc,c8,karma,cypress,playwright}{rc,.config,.conf}{,.*}",
    "**/{biome.json{,c},tsconfig*.json,jsconfig.json,vite.config.*}",
    "**/.golangci.*",
    "**/.{clang-tidy,clang-format,rubocop.yml,rubocop_todo.yml}",
    "**/{phpunit,checkstyle}.xml{,.dist}",
    "**/{phpstan.neon{,.dist},detekt.yml,{,.}codecov.yml,sonar-project.properties}",
    "**/.{eslint,prettier,semgrep,trivy,gitleaks,pylint,snyk}ignore",
    "**/.gitleaks.toml",
];

impl Default for Globs {
    fn default() -> Self {
        Self {
            auth: named(AUTH),
            crypto: [named(CRYPTO), owned(&["**/*.{pem,key,crt,p12,pfx,jks}"])].concat(),
            payments: named(PAYMENTS),
            infrastructure: owned(&[
                "**/*.{tf,tfvars,hcl,bicep}",
                "**/{terraform,pulumi,ansible,cloudformation,k8s,kubernetes,helm,charts,kustomize}/**",
                "**/{kustomization,Chart}.{yaml,yml}",
                "**/*.{service,socket,timer}",
            ]),
            containers: owned(&[
                "**/{Dockerfile,Containerfile}",
                "**/{Dockerfile,Containerfile}.*",
                "**/*.dockerfile",
                "**/{docker-compose,compose}*.{yaml,yml}",
                "**/.dockerignore",
            ]),
            ci: owned(&[
                "**/.github/{workflows,actions}/**",
                "**/.github/dependabot.yml",
                "**/CODEOWNERS",
                "**/.gitlab-ci.yml",
                "**/.gitlab-ci/**",
                "**/Jenkinsfile*",
                "**/{.buildkite,.circleci,.woodpecker,.teamcity,.ci}/**",
                "**/{.travis,.drone,.woodpecker,bitbucket-pipelines}.{yml,yaml}",
                "**/azure-pipelines*.{yml,yaml}",
            ]),
            judge: Vec::new(),
            hooks: owned(&[
                "**/.git/**",
                "**/{.githooks,.husky,.devcontainer}/**",
                "**/.vscode/{tasks,launch,settings}.json",
                "**/{.envrc,.pre-commit-config.yaml,lefthook.yml,.gitmodules,.gitattributes}",
                "**/.cargo/config{,.toml}",
                "**/{.npmrc,.yarnrc,.yarnrc.yml,.pnpmfile.cjs,pip.conf}",
            ]),
            build_scripts: owned(&[
                "**/{build.rs,setup.py,conftest.py,noxfile.py,tox.ini,CMakeLists.txt}",
                "**/{Makefile,GNUmakefile,justfile,Rakefile,Taskfile.yml}",
                "**/*.{mk,gradle,gradle.kts}",
                "**/{gulpfile,Gruntfile}.*",
            ]),
            tools: owned(&TOOLS),
            migrations: owned(&[
                "**/{migration,migrations,migrate}/**",
                "**/alembic/versions/**",
                "**/schema.{sql,rb}",
            ]),
            tests: owned(&[
                "**/{test,tests,__tests__,spec,specs,testdata}/**",
                "**/tests.rs",
                "**/{test_*,*_test,test,tests,conftest}.py",
                "**/*_test.{go,rs,c,cc,cpp}",
                "**/*.{test,spec}.{js,jsx,ts,tsx,mjs,cjs}",
                "**/*{Test,Tests,Spec}.{java,kt,cs,scala}",
                "**/*_spec.rb",
            ]),
        }
    }
}

impl Globs {
    fn by_kind(&self) -> [(PathKind, &[String]); 12] {
        use PathKind::Signal;
        [
            (Signal(SignalKind::TouchesAuth), &self.auth),
            (Signal(SignalKind::TouchesCrypto), &self.crypto),
            (Signal(SignalKind::TouchesPayments), &self.payments),
            (Signal(SignalKind::TouchesInfrastructure), &self.infrastructure),
            (Signal(SignalKind::TouchesContainer), &self.containers),
            (Signal(SignalKind::TouchesCi), &self.ci),
            (Signal(SignalKind::TouchesJudge), &self.judge),
            (Signal(SignalKind::ExecutableHook), &self.hooks),
            (Signal(SignalKind::BuildScript), &self.build_scripts),
            (PathKind::Tools, &self.tools),
            (PathKind::Migration, &self.migrations),
            (PathKind::Test, &self.tests),
        ]
    }
}

/// All globs compiled into one set.
#[derive(Clone, Debug)]
pub(in crate::policy) struct PathSet {
    set: GlobSet,
    kinds: Vec<PathKind>,
}

impl PathSet {
    /// # Errors
    /// `Invalid`, naming the pattern.
    pub(in crate::policy) fn new(globs: &Globs) -> Result<Self> {
        let mut set = GlobSetBuilder::new();
        let mut kinds = Vec::new();
        let always = [".matrix/**".to_owned(), "**/.matrix/**".to_owned()];
        let judge = PathKind::Signal(SignalKind::TouchesJudge);
        for (kind, patterns) in globs.by_kind().into_iter().chain([(judge, always.as_slice())]) {
            for pattern in patterns {
                let glob = GlobBuilder::new(pattern)
                    .case_insensitive(true)
                    .literal_separator(true)
                    .empty_alternates(true)
                    .build();
                set.add(glob.map_err(|source| broken(source).context("pattern", pattern))?);
                kinds.push(kind);
            }
        }
        Ok(Self { set: set.build().map_err(broken)?, kinds })
    }

    /// What kinds of path the file has, before and after.
    pub(in crate::policy) fn kinds(&self, file: &FileChange) -> Vec<PathKind> {
        let paths = [Some(&file.path), file.from.as_ref()];
        let matched = |path: &crate::path::RelPath| self.set.matches(path.as_str());
        let mut kinds: Vec<_> = paths
            .into_iter()
            .flatten()
            .flat_map(matched)
            .filter_map(|index| self.kinds.get(index).copied())
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }
}

fn broken(source: globset::Error) -> Error {
    Error::invalid("not a path pattern").context("field", "globs").source(source)
}

pub(super) fn look(scene: &Scene<'_>, seen: &mut Sightings) {
    for (file, kinds) in scene.files() {
        for kind in kinds {
            if let PathKind::Signal(signal) = kind {
                seen.note(*signal, file.path());
            }
        }
    }
}
