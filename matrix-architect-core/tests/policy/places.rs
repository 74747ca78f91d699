//! Paths that are worth a look whatever is written there, and things that are no text.

use matrix_architect_core::patch::{ChangeKind, FileChange};

use super::case::{Case, case, file};

fn touching(label: &'static str, path: &str, signals: &[&'static str]) -> Case {
    case(label).edit(path, "a\n", "b\n").expects(signals)
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        touching("a module named auth", "src/auth/token.rs", &["touches_auth"]),
        touching("a file named login", "app/Login.py", &["touches_auth"]),
        touching("permissions", "src/permissions.rs", &["touches_auth"]),
        touching("a module named crypto", "src/crypto/mod.rs", &["touches_crypto"]),
        touching("a key", "deploy/server.key", &["touches_crypto"]),
        touching("a module named billing", "src/billing/vat.rs", &["touches_payments"]),
        touching("a file named checkout", "web/checkout.ts", &["touches_payments"]),
        touching("terraform", "infra/main.tf", &["touches_infrastructure"]),
        touching("a chart", "helm/app/values.yaml", &["touches_infrastructure"]),
        touching("a unit", "operate/app.service", &["touches_infrastructure"]),
        touching("a Dockerfile", "Dockerfile", &["touches_container"]),
        touching("a compose file", "operate/docker-compose.prod.yml", &["touches_container"]),
        touching("a workflow", ".github/workflows/ci.yml", &["touches_ci"]),
        touching("GitLab's pipeline", ".gitlab-ci.yml", &["touches_ci"]),
        touching("a Jenkinsfile", "Jenkinsfile", &["touches_ci"]),
        touching("who must review", ".github/CODEOWNERS", &["touches_ci"]),
        touching("its own judge", ".matrix/architect.toml", &["touches_judge"]),
        touching("its own judge in capitals", ".Matrix/rules.yaml", &["touches_judge"]),
        touching("a project's judge deeper down", "sub/.matrix/architect.toml", &["touches_judge"]),
        touching("a hook of Git", ".githooks/pre-commit", &["executable_hook"]),
        touching("a hook of husky", ".husky/pre-push", &["executable_hook"]),
        touching("an editor's task", ".vscode/tasks.json", &["executable_hook"]),
        touching("cargo's configuration", ".cargo/config.toml", &["executable_hook"]),
        touching("npm's configuration", "web/.npmrc", &["executable_hook"]),
        touching("a Makefile", "Makefile", &["build_script"]),
        touching("what pytest runs first", "tests/conftest.py", &["build_script"]),
        touching("an old build program", "build.rs", &["build_script"]),
        case("a file that leaves .matrix")
            .rename(".matrix/a.toml", "a.toml")
            .expects(&["touches_judge"]),
        case("a file that enters auth")
            .rename("src/a.rs", "src/auth/a.rs")
            .expects(&["touches_auth"]),
    ];
    cases.extend(things());
    cases
}

fn things() -> Vec<Case> {
    let binary = |path, kind| FileChange { binary: true, ..file(path, kind) };
    let program = |path, kind| FileChange { executable: true, ..file(path, kind) };
    let head = |path: &str, lines: &str| format!("diff --git a/{path} b/{path}\n{lines}");
    let link = "new file mode 120000\n--- /dev/null\n+++ b/link\n@@ -0,0 +1 @@\n+/etc/passwd\n";
    vec![
        case("a picture").with(binary("logo.png", ChangeKind::Added), "").expects(&["binary_file"]),
        case("another library")
            .with(
                binary("lib/a.so", ChangeKind::Modified),
                &head("lib/a.so", "Binary files a/lib/a.so and b/lib/a.so differ\n"),
            )
            .expects(&["binary_file"]),
        case("a picture that goes").with(binary("logo.png", ChangeKind::Deleted), ""),
        case("a link")
            .with(
                FileChange { added_lines: 1, ..file("link", ChangeKind::Added) },
                &head("link", link),
            )
            .expects(&["symlink"]),
        case("a file that becomes a link")
            .with(file("b", ChangeKind::Modified), &head("b", "old mode 100644\nnew mode 120000\n"))
            .expects(&["symlink"]),
        case("a new program")
            .with(program("run.sh", ChangeKind::Added), &head("run.sh", "new file mode 100755\n"))
            .expects(&["made_executable"]),
        case("a file that becomes a program")
            .with(
                FileChange { mode_changed: true, ..program("run.sh", ChangeKind::Modified) },
                &head("run.sh", "old mode 100644\nnew mode 100755\n"),
            )
            .expects(&["made_executable"]),
        case("a diff that was cut")
            .with(FileChange { added_lines: 9, ..file("src/a.rs", ChangeKind::Modified) }, "")
            .expects(&["unreadable_input"]),
        case("a diff of a file the patch has not")
            .edit("src/a.rs", "a\n", "b\n")
            .with(
                file("c", ChangeKind::Deleted),
                "diff --git a/hidden b/hidden\n--- a/hidden\n+++ b/hidden\n@@ -1 +1 @@\n-a\n+b\n",
            )
            .expects(&["unreadable_input"]),
        case("a diff that is none")
            .with(
                FileChange { added_lines: 1, removed_lines: 1, ..file("a", ChangeKind::Modified) },
                "diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ broken @@\n-a\n+b\n",
            )
            .expects(&["unreadable_input"]),
    ]
}
