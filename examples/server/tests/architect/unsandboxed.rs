//! Looking at jobs and deciding on them, on a machine that can start no sandbox.

use std::process::Command;

use crate::support::{Bench, Ended, inside, skip};

/// A user namespace in which nobody gets another namespace of any kind.
const CLOSED: &str =
    "for kind in /proc/sys/user/max_*_namespaces; do echo 0 > $kind || exit 99; done; exec \"$@\"";

fn closed(inner: &Command) -> Ended {
    let mut outer = Command::new("unshare");
    outer.args(["--user", "--map-root-user", "sh", "-c", CLOSED, "sh"]);
    inside(outer, inner).output().expect("unshare runs").into()
}

#[test]
fn where_no_sandbox_starts_jobs_are_looked_at_and_decided_on() {
    if closed(&Command::new("true")).code != 0 {
        return skip("no user namespace without others in it can be made here");
    }
    let bench = Bench::new();
    let plan = bench.plan("plan.json", "hello, world\n");
    let waits = ["--plan", &plan, "--constraint", "min_approvals=1", "--json"];
    let id = || {
        let waiting = bench.run_change(&waits).expect(5).json();
        waiting["job"]["id"].as_str().unwrap().to_owned()
    };
    let first = id();
    let repo = bench.repo().display().to_string();
    let run = closed(&bench.architect(&["run", "--repo", &repo, "--plan", &plan]));
    let said = run.one_sentence();
    assert!(said.contains("user.max_*_namespaces") && run.code != 0, "not closed: {run:#?}");

    let look = |arguments: &[&str]| closed(&bench.architect(arguments)).expect(0).stdout;
    assert!(look(&["jobs"]).contains(&first));
    assert!(look(&["jobs", &first]).contains("waits for approval"));
    assert!(!look(&["logs", &first]).is_empty());
    assert!(look(&["artifacts", &first]).contains("bundle"));
    assert!(look(&["token", "create", "--role", "viewer"]).starts_with("arch_"));
    assert!(look(&["approve", &first, "--as", "grace"]).contains("approved"));
    bench.run(&["resume", &first, "--allow-degraded"]).expect(0);
    let second = id();
    assert!(look(&["cancel", &second]).contains("aborted"));
    let needless = closed(&bench.architect(&["resolve", &second, "--accept"])).expect(1);
    assert!(needless.one_sentence().contains(&second), "{needless:#?}");
}
