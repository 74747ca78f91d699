//! Dependencies from elsewhere under the name they had, or in a spelling of their own.

use super::{
    case::{Case, case},
    evasions::edit,
};

#[expect(clippy::too_many_lines, reason = "it is a table")]
pub(crate) fn cases() -> Vec<Case> {
    let locked = |case: Case, lockfile: &str| case.edit(lockfile, "# a\n", "# b\n");
    let cargo = |label, from: &str, to: &str, expected: &[&'static str]| {
        locked(case(label).edit("Cargo.toml", from, to), "Cargo.lock").expects(expected)
    };
    let node = |label, from: &str, to: &str, expected: &[&'static str]| {
        locked(case(label).edit("package.json", from, to), "package-lock.json").expects(expected)
    };
    let python = |label, from: &str, to: &str, expected: &[&'static str]| {
        locked(case(label).edit("pyproject.toml", from, to), "uv.lock").expects(expected)
    };
    let (new, elsewhere, both): (&[_], &[_], &[_]) =
        (&["new_dependency"], &["registry_changed"], &["new_dependency", "registry_changed"]);
    let deps = "[dependencies]\nserde = \"1\"\n";
    vec![
        cargo("a crate in other quotes", deps, "[dependencies]\nserde = \"1\"\nevil = '1'\n", new),
        cargo(
            "a crate under a quoted key",
            deps,
            "[dependencies]\nserde = \"1\"\n\"evil\" = \"1\"\n",
            new,
        ),
        cargo(
            "a crate under a dotted key",
            "[package]\n",
            "dependencies.evil = \"1\"\n[package]\n",
            new,
        ),
        cargo("crates in one line", "[lib]\n", "dependencies = { evil = \"1\" }\n[lib]\n", new),
        cargo(
            "the same crate from a repository",
            deps,
            "[dependencies]\nserde = { git = \"https://example.org/s\" }\n",
            elsewhere,
        ),
        cargo(
            "another crate by the same name",
            deps,
            "[dependencies]\nserde = { version = \"1\", package = \"evil\" }\n",
            elsewhere,
        ),
        cargo(
            "the same crate from another registry",
            "[dependencies.serde]\nversion = \"1\"\n",
            "[dependencies.serde]\nversion = \"1\"\nregistry = \"mine\"\n",
            elsewhere,
        ),
        cargo(
            "a crate that is patched",
            deps,
            "[dependencies]\nserde = \"1\"\n[patch.crates-io]\nserde = { path = \"s\" }\n",
            both,
        ),
        cargo(
            "a newer commit of the same repository",
            "[dependencies]\na = { git = \"https://example.org/a\", rev = \"1\" }\n",
            "[dependencies]\na = { git = \"https://example.org/a\", rev = \"2\" }\n",
            &[],
        ),
        node(
            "packages in one line",
            "{\n}\n",
            "{\"dependencies\": {\"a\": \"^1\", \"b\": \"^1\"}}\n",
            new,
        ),
        node(
            "a script in one line",
            "{\n}\n",
            "{\"scripts\": {\"postinstall\": \"x\"}}\n",
            &["install_script"],
        ),
        node(
            "the same package under an alias",
            "{\n  \"a\": \"^1\"\n}\n",
            "{\n  \"a\": \"npm:evil@^1\"\n}\n",
            elsewhere,
        ),
        node(
            "the same package from a repository",
            "{\n  \"a\": \"^1\"\n}\n",
            "{\n  \"a\": \"github:x/a\"\n}\n",
            elsewhere,
        ),
        node("a package by its repository", "{\n}\n", "{\n  \"a\": \"x/a#main\"\n}\n", both),
        node(
            "an override",
            "{\n}\n",
            "{\n  \"overrides\": {\n    \"a\": \"1.0.0\"\n  }\n}\n",
            both,
        ),
        node("a package of the same workspace", "{\n}\n", "{\n  \"a\": \"workspace:*\"\n}\n", new),
        node(
            "where the project is at home",
            "{\n}\n",
            "{\n  \"homepage\": \"https://example.org/\"\n}\n",
            &[],
        ),
        python(
            "packages in one line",
            "[project]\ndependencies = [\"a>=1\"]\n",
            "[project]\ndependencies = [\"a>=1\", \"evil\"]\n",
            new,
        ),
        python(
            "another index",
            "[project]\n",
            "[project]\n[[tool.uv.index]]\nurl = \"https://example.org/\"\n",
            elsewhere,
        ),
        locked(
            case("a bare requirement of setup.cfg").edit(
                "setup.cfg",
                "[options]\ninstall_requires =\n    a\n",
                "[options]\ninstall_requires =\n    a\n    evil>=1\n",
            ),
            "uv.lock",
        )
        .expects(new),
        locked(
            case("a requirement of setup.py").edit(
                "setup.py",
                "setup(\n    install_requires=[\"a\"],\n)\n",
                "setup(\n    install_requires=[\"a\", \"evil\"],\n)\n",
            ),
            "uv.lock",
        )
        .expects(&["build_script", "new_dependency"]),
        edit(
            "a requirement in a folder of them",
            "requirements/base.txt",
            "a==1\n",
            "a==1\nb==1\n",
            new,
        ),
        edit(
            "an index among requirements",
            "requirements.txt",
            "a==1\n",
            "--extra-index-url https://example.org/\na==1\n",
            elsewhere,
        ),
        edit(
            "a requirement by its address",
            "requirements.txt",
            "a==1\n",
            "a @ https://example.org/a.whl\n",
            elsewhere,
        ),
        edit(
            "a requirement from a repository",
            "requirements.txt",
            "a==1\n",
            "a==1\ngit+https://example.org/b\n",
            elsewhere,
        ),
        locked(
            case("a Go module replaced").edit(
                "go.mod",
                "module a\n",
                "module a\nreplace example.org/b => example.org/evil v1.0.0\n",
            ),
            "go.sum",
        )
        .expects(elsewhere),
        locked(
            case("a Go module behind a tab").edit(
                "go.mod",
                "module a\n",
                "module a\nrequire example.org/b\tv1.0.0\n",
            ),
            "go.sum",
        )
        .expects(new),
        locked(case("a gem in brackets").edit("Gemfile", "", "gem('evil')\n"), "Gemfile.lock")
            .expects(new),
        locked(
            case("another source of gems").edit("Gemfile", "", "source \"https://example.org\"\n"),
            "Gemfile.lock",
        )
        .expects(elsewhere),
        edit(
            "an index in a Dockerfile",
            "Dockerfile",
            "RUN pip install a\n",
            "RUN pip install --index-url https://example.org a\n",
            &["touches_container", "registry_changed"],
        ),
        edit(
            "another image",
            "Dockerfile",
            "FROM alpine:3\n",
            "FROM evil/alpine:3\n",
            &["touches_container", "new_dependency"],
        ),
        edit(
            "an image from elsewhere",
            "Dockerfile",
            "FROM alpine:3\n",
            "FROM example.org/alpine:3\n",
            &["touches_container", "registry_changed"],
        ),
        edit(
            "an image without its digest",
            "Dockerfile",
            "FROM alpine:3@sha256:aa\n",
            "FROM alpine:3\n",
            &["touches_container", "new_dependency"],
        ),
        edit(
            "a newer image",
            "Dockerfile",
            "FROM alpine:3 AS build\n",
            "FROM alpine:4 AS build\n",
            &["touches_container"],
        ),
        edit(
            "sums of Go switched off",
            "build.sh",
            "go build\n",
            "GOSUMDB=off go build\n",
            elsewhere,
        ),
    ]
}
