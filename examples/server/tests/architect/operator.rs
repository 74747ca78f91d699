//! A release that cannot be taken back, and the operator's way out.

use crate::support::{Bench, Ended, server::Serving};

/// Runs a change whose release is live when publishing fails, and cannot be stopped while the file
/// `stoppable` is missing.
fn stuck(bench: &Bench) -> Ended {
    let plan = bench.plan("plan.json", "hello, world\n");
    let (live, flag) = (bench.path("live"), bench.path("stoppable"));
    let deploy = format!(
        "target = 'vm'\n[config]\nroot = '{}'\nrestart = ['true']\nstop = ['test', '-e', '{}']\n",
        live.display(),
        flag.display()
    );
    let deploy = bench.write("deploy.toml", deploy);
    let repo = bench.repo().display().to_string();
    bench.run_change(&[
        "--ref",
        "main",
        "--plan",
        &plan,
        "--deploy",
        &deploy,
        "--constraint",
        "on_publish_failure=roll_back",
        "--publish-git",
        &repo,
        "--publish-branch",
        "taken",
    ])
}

/// A bench where the branch to publish as has other content.
fn bench() -> Bench {
    let bench = Bench::new();
    bench.git(&["checkout", "-q", "-b", "taken"]);
    bench.commit(&[("greeting.txt", "hello from another\n")]);
    bench.git(&["checkout", "-q", "main"]);
    bench
}

fn only_job(bench: &Bench, status: &str) -> String {
    let jobs = bench.run(&["jobs", "--status", status, "--json"]).expect(0).json();
    assert_eq!(jobs.as_array().map(Vec::len), Some(1), "{jobs:#}");
    jobs[0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_rollback_that_failed_is_tried_again_when_the_operator_says_so() {
    let bench = bench();
    let told = stuck(&bench).expect(3);
    let id = only_job(&bench, "needs_operator");
    let data = bench.data().canonicalize().unwrap();
    let command = format!("architect resolve {id} --retry --data {}", data.display());
    assert!(
        told.stdout.contains("needs an operator") && told.stdout.contains(&command),
        "{told:#?}"
    );
    let shown = bench.run(&["jobs", &id]).expect(0);
    assert!(shown.stdout.contains(&command) && shown.stdout.contains("--accept"), "{shown:#?}");
    assert!(bench.is_live());

    // Nothing was mended: it is the operator's again.
    bench.run(&["resolve", &id, "--retry"]).expect(0);
    bench.run(&["resume", &id, "--allow-degraded"]).expect(3);
    assert_eq!(only_job(&bench, "needs_operator"), id);

    bench.write("stoppable", "");
    let retried = bench.run(&["resolve", &id, "--retry"]).expect(0);
    assert!(retried.stdout.contains(&format!("architect resume {id} --data ")), "{retried:#?}");
    bench.run(&["resume", &id, "--allow-degraded"]).expect(3);
    assert_eq!(only_job(&bench, "failed"), id);
    assert!(!bench.is_live());
    let again = bench.run(&["resolve", &id, "--retry"]).expect(1);
    assert!(again.one_sentence().contains("failed"), "{again:#?}");
}

#[test]
fn what_was_put_right_by_hand_is_accepted() {
    let bench = bench();
    stuck(&bench).expect(3);
    let id = only_job(&bench, "needs_operator");
    bench.run(&["resolve", &id]).expect(2);
    bench.run(&["resolve", &id, "--accept", "--retry"]).expect(2);
    let accepted = bench.run(&["resolve", &id, "--accept"]).expect(0);
    assert_eq!(accepted.stdout.trim(), format!("{id}  failed"));
    assert!(bench.is_live(), "nobody took it back");
}

#[test]
fn a_server_is_told_the_same_and_its_workers_go_on() {
    let bench = bench();
    stuck(&bench).expect(3);
    let id = only_job(&bench, "needs_operator");
    let server = Serving::start(&bench);
    let ask = |words: &[&str]| {
        let url = server.url();
        let words = [words, &["--server", &url]].concat();
        let output = bench.architect(&words).env("ARCHITECT_TOKEN", &server.admin).output();
        Ended::from(output.unwrap()).expect(0).stdout
    };
    let command = format!("architect resolve {id} --retry --server {}", server.url());
    assert!(ask(&["jobs", &id]).contains(&command));
    bench.write("stoppable", "");
    assert!(ask(&["resolve", &id, "--retry"]).contains("tried again"));
    server.wait_for(&id, "failed");
    assert!(!bench.is_live());
    assert_eq!(server.stop(), 0);
}
