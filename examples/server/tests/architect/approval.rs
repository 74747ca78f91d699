//! A change that needs somebody's consent.

use crate::support::Bench;

/// Runs a change that waits, and returns its job's id with the arguments of the run.
fn waiting(bench: &Bench) -> (String, Vec<String>) {
    let plan = bench.plan("plan.json", "hello, world\n");
    let live = bench.path("live").display().to_string();
    let arguments = ["--plan", &plan, "--constraint", "min_approvals=1", "--deploy-to", &live];
    let arguments: Vec<String> = arguments.map(ToOwned::to_owned).into();
    let report = run(bench, &arguments, &["--json"]).expect(5).json();
    assert_eq!(report["job"]["status"], "waiting_approval");
    (report["job"]["id"].as_str().unwrap().to_owned(), arguments)
}

fn run(bench: &Bench, arguments: &[String], more: &[&str]) -> crate::support::Ended {
    let words: Vec<&str> =
        arguments.iter().map(String::as_str).chain(more.iter().copied()).collect();
    bench.run_change(&words)
}

#[test]
fn a_waiting_change_goes_on_after_somebody_else_approves() {
    let bench = Bench::new();
    let (id, arguments) = waiting(&bench);
    let told = run(&bench, &arguments, &[]).expect(5);
    assert!(told.stdout.contains(&format!("architect approve {id}")), "{told:#?}");
    let own = bench.run(&["approve", &id]).expect(4);
    assert!(own.one_sentence().contains("cannot approve it"), "{own:#?}");
    bench.run(&["approve", &id, "--as", "grace", "--comment", "looks right"]).expect(0);
    let report = run(&bench, &arguments, &["--json"]).expect(0).json();
    assert_eq!(report["job"]["id"].as_str(), Some(id.as_str()), "the same job goes on");
    assert_eq!(report["job"]["gate"]["approved_by"], "grace");
    assert!(crate::support::find(&bench.path("live"), "greeting.txt").is_some());
}

#[test]
fn resume_takes_an_approved_job_to_its_end() {
    let bench = Bench::new();
    let (id, _) = waiting(&bench);
    bench.run(&["approve", &id, "--as", "grace"]).expect(0);
    bench.run(&["resume", &id, "--allow-degraded"]).expect(0);
    let again = bench.run(&["resume", &id]).expect(1);
    assert!(again.one_sentence().contains("has ended"), "{again:#?}");
}

#[test]
fn a_refused_change_has_no_effect() {
    let bench = Bench::new();
    let (id, _) = waiting(&bench);
    bench.run(&["approve", &id, "--as", "grace", "--refuse", "--comment", "no"]).expect(0);
    let ended = bench.run(&["jobs", &id]).expect(0);
    assert!(ended.stdout.contains("failed") || ended.stdout.contains("aborted"), "{ended:#?}");
    assert!(crate::support::find(&bench.path("live"), "greeting.txt").is_none());
}

#[test]
fn an_answer_to_another_question_is_no_answer() {
    let bench = Bench::new();
    let (id, _) = waiting(&bench);
    let other = ["approve", &id, "--as", "grace", "--approval", "apr_another"];
    let stale = bench.run(&other).expect(1);
    assert!(stale.one_sentence().contains("planned again"), "{stale:#?}");
    let job = bench.run(&["jobs", &id, "--json"]).expect(0).json();
    assert_eq!(job["status"], "waiting_approval");
}

#[test]
fn a_waiting_job_can_be_cancelled() {
    let bench = Bench::new();
    let (id, _) = waiting(&bench);
    bench.run(&["cancel", &id]).expect(0);
    let job = bench.run(&["jobs", &id, "--json"]).expect(0).json();
    assert_eq!(job["status"], "aborted");
}
