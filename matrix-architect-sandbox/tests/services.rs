//! Services that a project's rules name: started before the checks that need them, on record, and
//! never the reason why a check passes.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "these are tests")]

#[cfg(feature = "docker")]
#[path = "common/image.rs"]
mod image;
mod judging;
#[path = "judging/skip.rs"]
mod skip;

use std::{fs, path::PathBuf, sync::Arc};

use judging::{Outcome, Wish, native};
use matrix_architect_core::{
    error::{ErrorKind, Result},
    evidence::{CheckResult, EvidenceKind},
    job::JobConstraints,
    traits::Sandbox,
};
use skip::skip;
use tempfile::TempDir;

/// Asks a PostgreSQL server in its own protocol, without any library.
const CLIENT: &str = include_str!("services/pg.py");

const TEST: &str = "import unittest, pg\n\n\
    class Sums(unittest.TestCase):\n    \
        def test_a_table_is_summed(self):\n        \
            with pg.Connection(5432) as db:\n            \
                db.ask('create table t(n int)')\n            \
                db.ask('insert into t values (20), (22)')\n            \
                self.assertEqual(db.ask('select sum(n) from t'), [['42']])\n\n    \
        def test_there_is_no_other_network(self):\n        \
            import socket\n        \
            with self.assertRaises(OSError):\n            \
                socket.create_connection(('192.0.2.1', 80), 1)\n";

/// Where a distribution keeps the server of PostgreSQL; says so if it is nowhere.
fn postgres() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut bins = versions.map(|version| version.path().join("bin"));
    let found = bins.find(|bin| bin.join("initdb").is_file());
    if found.is_none() {
        skip("PostgreSQL's server is not installed");
    }
    found
}

fn project(files: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

const RULES: &str = ".matrix/architect.toml";

async fn verify(rules: &str) -> Result<Outcome> {
    let base = project(&[(RULES, rules)]);
    Wish::default().verify(base.path(), base.path()).await
}

/// A check that writes down that it ran.
const NEEDS: &str = "[verify]\nsuites = []\n[[verify.check]]\nname = 'needs'\n\
    run = 'echo it ran'\nservices = ['side']\n";

fn ran(outcome: &Outcome) -> bool {
    outcome.sink.reports().contains_key("needs.stdout.txt")
}

#[tokio::test]
async fn a_suite_with_a_real_database_passes_offline() -> Result<()> {
    database(native()).await
}

#[cfg(feature = "docker")]
#[tokio::test]
async fn a_suite_with_a_real_database_passes_in_containers() -> Result<()> {
    if image::docker(&["version"]).is_none() {
        skip("there is no Docker engine, or it may not be used");
        return Ok(());
    }
    image::ensure(image::IMAGE, &image::Files::new());
    let config = matrix_architect_sandbox::docker::DockerConfig::new(image::IMAGE);
    database(Arc::new(matrix_architect_sandbox::docker::DockerSandbox::connect(config).await?))
        .await
}

/// Verifies a project whose tests ask a database.
async fn database(sandbox: Arc<dyn Sandbox>) -> Result<()> {
    let Some(bin) = postgres() else { return Ok(()) };
    let bin = bin.display();
    let rules = format!(
        "[verify]\nsuites = ['python']\n\
         [verify.builtin.'python.test']\nservices = ['db']\n\
         [[verify.service]]\nname = 'db'\ndata = true\nready = {{ port = 5432 }}\n\
         run = '''\n{bin}/initdb -D $SERVICE_DATA/db -A trust -U tester --no-sync >&2\n\
         exec {bin}/postgres -D $SERVICE_DATA/db -k $SERVICE_DATA -c fsync=off'''\n"
    );
    let files = [
        (RULES, rules.as_str()),
        ("setup.cfg", "[metadata]\nname = sums\n"),
        ("pg.py", CLIENT),
        ("test_sums.py", TEST),
    ];
    let base = project(&files);
    let constraints = JobConstraints { require_tests: true, ..JobConstraints::default() };
    let wish = Wish { sandbox, constraints, ..Wish::default() };
    let outcome = wish.verify(base.path(), base.path()).await?;
    let test = outcome.named("python.test");
    assert_eq!((test.result, test.summary.as_str()), (CheckResult::Passed, "2 passed"), "{test:?}");
    let db = outcome.named("service.db");
    assert_eq!((db.result, db.kind), (CheckResult::Passed, EvidenceKind::CommandCheck), "{db:?}");
    assert_eq!(db.details["running"], true);
    assert_eq!(db.details["ready"]["port"], 5432);
    assert!(db.details["command"].as_str().unwrap().contains("initdb"));
    assert!(db.details["ready_after_ms"].as_u64().unwrap() > 0);
    let log =
        String::from_utf8_lossy(&outcome.sink.reports()["service.db.output.txt"]).into_owned();
    assert!(log.contains("ready to accept connections"), "{log}");
    assert_eq!(db.artifacts.len(), 1);
    assert!(!String::from_utf8_lossy(&outcome.bundle).contains("PG_VERSION"), "it is released");
    Ok(())
}

#[tokio::test]
async fn what_fails_beside_a_database_on_the_base_too_is_known_as_old() -> Result<()> {
    let Some(bin) = postgres() else { return Ok(()) };
    let bin = bin.display();
    let rules = format!(
        "[verify]\nsuites = ['python']\n\
         [verify.builtin.'python.test']\nservices = ['db']\n\
         [[verify.service]]\nname = 'db'\ndata = true\n\
         ready = {{ command = '{bin}/pg_isready -q -h 127.0.0.1' }}\n\
         run = '''\n{bin}/initdb -D $SERVICE_DATA/db -A trust -U tester --no-sync >&2\n\
         exec {bin}/postgres -D $SERVICE_DATA/db -k $SERVICE_DATA -c fsync=off'''\n"
    );
    let wrong = TEST.replace("[['42']]", "[['43']]");
    let files = [
        (RULES, rules.as_str()),
        ("setup.cfg", "[metadata]\nname = sums\n"),
        ("pg.py", CLIENT),
        ("test_sums.py", wrong.as_str()),
    ];
    let base = project(&files);
    let outcome = Wish::default().verify(base.path(), base.path()).await?;
    let test = outcome.named("python.test");
    assert_eq!(test.result, CheckResult::Warned, "{test:?}");
    Ok(())
}

#[tokio::test]
async fn without_its_service_no_check_runs_or_passes() -> Result<()> {
    for (side, told) in [
        (
            "run = 'printf \"\\\\033[31mno\\\\nport\"; sleep 1000'\nready = { port = 7000 }\ntimeout_seconds = 1\n",
            "no port",
        ),
        ("run = 'echo no config; exit 3'\nready = { port = 7000 }\n", "exit code 3"),
        ("command = ['no-such-server']\nready = { port = 7000 }\n", "no-such-server"),
        ("run = 'sleep 1000 &'\nready = { command = 'sleep 0.2; false' }\n", "foreground"),
    ] {
        let rules = format!("{NEEDS}[[verify.service]]\nname = 'side'\n{side}");
        let outcome = verify(&rules).await?;
        let needs = outcome.named("needs");
        assert_eq!(needs.result, CheckResult::Inconclusive, "{needs:?}");
        assert!(needs.required && !needs.passed && !ran(&outcome), "{needs:?}");
        assert!(
            needs.summary.contains("service side") && needs.summary.contains(told),
            "{needs:?}"
        );
        assert!(!needs.summary.contains(char::is_control), "{needs:?}");
        let side = outcome.named("service.side");
        assert_eq!(
            (side.result, &side.details["running"]),
            (CheckResult::Inconclusive, &false.into())
        );
        assert!(side.details["ready_after_ms"].is_null(), "{side:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_check_whose_service_dies_meanwhile_is_not_passed() -> Result<()> {
    let rules = "[verify]\nsuites = []\n\
        [[verify.check]]\nname = 'deadly'\nrun = 'touch die; sleep 1; echo fine'\nservices = ['side']\n\
        [[verify.check]]\nname = 'later'\nrun = 'true'\nservices = ['all']\n\
        [[verify.check]]\nname = 'alone'\nrun = 'true'\n\
        [[verify.service]]\nname = 'side'\nready = { command = 'test -e up' }\n\
        run = 'touch up; while [ ! -e die ]; do sleep 0.05; done; echo struck; kill -9 $$'\n";
    let outcome = verify(rules).await?;
    for name in ["deadly", "later"] {
        let evidence = outcome.named(name);
        assert_eq!(evidence.result, CheckResult::Inconclusive, "{evidence:?}");
        let why = "service side ended (killed by signal 9)";
        assert!(evidence.summary.contains(why), "{}", evidence.summary);
    }
    assert_eq!(outcome.named("alone").result, CheckResult::Passed);
    let side = outcome.named("service.side");
    assert_eq!(side.result, CheckResult::Inconclusive);
    assert_eq!(side.details["ended"]["class"], "signalled");
    assert_eq!(&outcome.sink.reports()["service.side.output.txt"][..], b"struck\n");
    Ok(())
}

#[tokio::test]
async fn services_start_in_their_order_and_only_where_they_are_needed() -> Result<()> {
    let rules = "[verify]\nsuites = []\nenv = { WORD = 'shared' }\n\
        [[verify.check]]\nname = 'needs'\nrun = 'cat order'\nservices = ['second']\n\
        [[verify.service]]\nname = 'second'\nafter = ['first']\nready = { command = 'test -e two' }\n\
        run = 'echo second $WORD >> order; touch two; sleep 1000'\n\
        [[verify.service]]\nname = 'first'\nready = { command = 'test -e one' }\nenv = { OWN = 'own' }\n\
        run = 'sleep 0.3; echo first $OWN >> order; touch one; sleep 1000'\n\
        [[verify.service]]\nname = 'third'\nready = { command = 'true' }\nrun = 'touch third; sleep 9'\n";
    let outcome = verify(rules).await?;
    let said = outcome.sink.reports()["needs.stdout.txt"].clone();
    assert_eq!(said, "first own\nsecond shared\n");
    assert!(outcome.sink.named("service.third").is_none());
    assert_eq!(outcome.named("service.first").result, CheckResult::Passed);
    Ok(())
}

#[tokio::test]
async fn a_change_cannot_bring_its_own_services() -> Result<()> {
    let side = |what: &str| {
        format!(
            "{NEEDS}[[verify.service]]\nname = 'side'\nready = {{ command = 'test -e from' }}\n\
             run = 'echo {what} > from; echo {what}; sleep 1000'\n"
        )
    };
    let (base, tree) = (project(&[(RULES, &side("base"))]), project(&[(RULES, &side("head"))]));
    let outcome = Wish::default().verify(base.path(), tree.path()).await?;
    assert_eq!(&outcome.sink.reports()["service.side.output.txt"][..], b"base\n");
    assert_eq!(outcome.named("needs").result, CheckResult::Passed);
    Ok(())
}

#[tokio::test]
async fn a_base_without_its_service_excuses_nothing() -> Result<()> {
    let rules = "[verify]\nsuites = []\n\
        [[verify.check]]\nname = 'needs'\nrun = 'cat report.xml > out.xml; exit 1'\n\
        parser = 'junit'\nreport = 'out.xml'\nservices = ['side']\n\
        [[verify.service]]\nname = 'side'\nready = { command = 'test -e up' }\n\
        run = 'test -e only-after && touch up && sleep 1000'\n";
    let report = "<testsuite><testcase name='a'><failure message='x'/></testcase>\
        <testcase name='b'/></testsuite>";
    let base = project(&[(RULES, rules), ("report.xml", report)]);
    let tree = project(&[(RULES, rules), ("report.xml", report), ("only-after", "")]);
    let outcome = Wish::default().verify(base.path(), tree.path()).await?;
    let needs = outcome.named("needs");
    assert_eq!(needs.result, CheckResult::Failed, "{needs:?}");
    assert!(
        needs.details["base"]["summary"].as_str().unwrap().contains("service side"),
        "{needs:?}"
    );
    let outcome = Wish::default().verify(tree.path(), tree.path()).await?;
    assert_eq!(outcome.named("needs").result, CheckResult::Warned);
    Ok(())
}

#[tokio::test]
async fn commands_of_the_requester_have_all_services() -> Result<()> {
    let rules = "[verify]\nsuites = []\n\
        [[verify.service]]\nname = 'side'\nready = { command = 'test -e up' }\nrun = 'touch up; sleep 99'\n";
    let base = project(&[(RULES, rules)]);
    let commands = vec!["test -e up".to_owned()];
    let wish = Wish { commands, ..Wish::default() };
    let outcome = wish.verify(base.path(), base.path()).await?;
    assert_eq!(outcome.named("command.1").result, CheckResult::Passed);
    Ok(())
}

#[tokio::test]
async fn rules_that_make_no_sense_are_refused_with_their_place() {
    let side = "[[verify.service]]\nname = 'side'\nrun = 'true'\nready = { port = 1 }\n";
    for (rules, told) in [
        (format!("{side}{side}"), "same name"),
        (format!("{side}after = ['nobody']\n"), "nobody"),
        (format!("{side}after = ['side']\n"), "circle"),
        (format!("{side}speed = 3\n"), "speed"),
        (side.replace("port = 1", "port = 0"), "'port' is at least 1"),
        (side.replace("port = 1", "port = 70000"), "70000"),
        (side.replace("port = 1", "log = 'up'"), "log"),
        (side.replace("port = 1", "command = ' '"), "always true"),
        (side.replace("'side'", "'all'"), "not 'all'"),
        (side.replace("run = 'true'\n", ""), "either 'command' or 'run'"),
        (side.replace("ready = { port = 1 }\n", ""), "ready"),
        (format!("[[verify.check]]\nname = 'a'\nrun = 'true'\nservices = ['db']\n{side}"), "db"),
        (format!("[verify.builtin.'rust.test']\nservices = ['db']\n{side}"), "db"),
        (format!("[[verify.check]]\nname = 'service.a'\nrun = 'true'\n{side}"), "prefix"),
    ] {
        let error = verify(&rules).await.err().unwrap();
        assert_eq!((error.kind(), error.code_str()), (ErrorKind::Invalid, "bad_rules"));
        assert!(error.to_string().contains(told), "{told}: {error}");
        assert!(error.to_string().contains("architect.toml"), "{error}");
    }
}

/// Bubblewrap's commands have a network each, so that there is none to share.
#[cfg(feature = "bwrap")]
#[tokio::test]
async fn a_sandbox_without_services_says_so_and_the_check_is_not_run() -> Result<()> {
    use matrix_architect_sandbox::bwrap::{BwrapConfig, BwrapSandbox};
    if !std::path::Path::new("/usr/bin/bwrap").is_file() {
        skip("bubblewrap is not installed");
        return Ok(());
    }
    let folder = tempfile::tempdir().unwrap();
    let rules = format!(
        "{NEEDS}[[verify.service]]\nname = 'side'\nready = {{ port = 1 }}\nrun = 'sleep 9'\n"
    );
    let base = project(&[(RULES, &rules)]);
    let sandbox = std::sync::Arc::new(BwrapSandbox::new(BwrapConfig::in_directory(folder.path()))?);
    let wish = Wish { sandbox, ..Wish::default() };
    let outcome = wish.verify(base.path(), base.path()).await?;
    let needs = outcome.named("needs");
    assert_eq!(needs.result, CheckResult::Inconclusive, "{needs:?}");
    assert!(needs.summary.contains("use the native sandbox"), "{needs:?}");
    assert!(!ran(&outcome));
    Ok(())
}
