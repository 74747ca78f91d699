//! Path patterns by what they mean.

use serde::{Deserialize, Serialize};

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
    /// pre-commit, configuration of cargo, npm, yarn and pip, wrappers of `gradle` and `mvn`, what
    /// Python imports when it starts.
    pub hooks: Vec<String>,
    /// What a build or a test run executes. Default: `build.rs`, `Makefile`, `setup.py`,
    /// `conftest.py` and the like.
    pub build_scripts: Vec<String>,
    /// Configuration of formatters, linters, test runners, type checkers and coverage. Default:
    /// `rustfmt.toml`, `clippy.toml`, `.cargo/config.toml`, `rust-toolchain`, `nextest.toml`,
    /// `pytest.ini`, `tox.ini`, `ruff.toml`, `.coveragerc`, `mypy.ini`, and those of
    /// `eslint`, `jest`, `vitest`, `tsc`, `golangci-lint` and the like. Sections of manifests count in any case.
    pub tools: Vec<String>,
    /// Code of others that is kept here. Default: folders named `vendor`, `third_party`,
    /// `node_modules` and the like.
    pub vendored: Vec<String>,
    /// Terms of use. Default: `LICENSE`, `COPYING`, `NOTICE` and the like.
    pub licences: Vec<String>,
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

const HOOKS: [&str; 13] = [
    "**/.git/**",
    "**/{.githooks,.husky,.devcontainer}/**",
    "**/.vscode/{tasks,launch,settings}.json",
    "**/{.envrc,.pre-commit-config.yaml,lefthook.yml,.gitmodules,.gitattributes}",
    "**/.cargo/config{,.toml}",
    "**/{.npmrc,.yarnrc,.yarnrc.yml,.pnpmfile.cjs,pip.conf,pip.ini,uv.toml,bunfig.toml}",
    "**/.yarn/{releases,plugins}/**",
    "**/{sitecustomize,usercustomize}.py",
    "**/{.mise.toml,mise.toml,.tool-versions,.bazelrc,.gitconfig}",
    "**/{gradlew,mvnw}{,.bat,.cmd}",
    "**/{.mvn,gradle/wrapper,.bundle}/**",
    "**/.idea/runConfigurations/**",
    "**/.zed/{tasks,settings}.json",
];

const BUILD_SCRIPTS: [&str; 8] = [
    "**/{build.rs,setup.py,conftest.py,noxfile.py,tox.ini,CMakeLists.txt}",
    "**/{Makefile,GNUmakefile,justfile,Rakefile,Taskfile.yml}",
    "**/*.{mk,gradle,gradle.kts}",
    "**/{gulpfile,Gruntfile}.*",
    "**/{webpack,rollup,babel,metro,next,nuxt,svelte,astro,postcss}.config.*",
    "**/{pom.xml,build.xml,build.sbt,Package.swift,mix.exs,binding.gyp}",
    "**/{meson.build,SConstruct,WORKSPACE,MODULE.bazel,BUILD,BUILD.bazel,configure.ac}",
    "**/*.{csproj,gemspec,podspec,cmake}",
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
                "**/.github/dependabot.{yml,yaml}",
                "**/action.{yml,yaml}",
                "**/.{forgejo,gitea}/workflows/**",
                "**/CODEOWNERS",
                "**/.gitlab-ci.yml",
                "**/.gitlab-ci/**",
                "**/Jenkinsfile*",
                "**/{.buildkite,.circleci,.woodpecker,.teamcity,.ci}/**",
                "**/{.travis,.drone,.woodpecker,bitbucket-pipelines}.{yml,yaml}",
                "**/azure-pipelines*.{yml,yaml}",
            ]),
            judge: Vec::new(),
            hooks: owned(&HOOKS),
            build_scripts: owned(&BUILD_SCRIPTS),
            tools: owned(&TOOLS),
            vendored: owned(&[
                "**/{vendor,vendored,third_party,third-party,node_modules,bower_components,Godeps}/**",
            ]),
            licences: owned(&[
                "**/{LICENSE,LICENCE,COPYING,COPYRIGHT,NOTICE,PATENTS,UNLICENSE}{,.md,.txt,.rst}",
                "**/{LICENSE,LICENCE}-{MIT,APACHE,APACHE-2.0,BSD,GPL,LGPL,MPL}{,.md,.txt}",
                "**/LICENSES/**",
            ]),
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
