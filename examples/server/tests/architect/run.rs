//! `architect run` from the outside: real git, real commands, real files.

use std::fs;

use crate::support::{Bench, find, skip};

#[test]
fn a_change_goes_through_all_six_stages_and_its_attestation_is_accepted() {
    let bench = Bench::new();
    let plan = bench.plan("plan.json", "hello, world\n");
    let live = bench.path("live").display().to_string();
    let ended = bench.run_change(&["--plan", &plan, "--deploy-to", &live, "--json"]).expect(0);
    let report = ended.json();
    let job = &report["job"];
    assert_eq!(job["status"], "succeeded");
    assert_eq!(
        job["evidence"].as_array().unwrap().len(),
        job["evidence"].as_array().unwrap().iter().filter(|one| one["passed"] == true).count()
    );
    assert_eq!(job["requested_by"], "ada");
    // The release is live, the repository is as it was.
    let current = find(&bench.path("live"), "current").expect("a current release");
    let live = fs::read_to_string(find(&current.canonicalize().unwrap(), "greeting.txt").unwrap());
    assert_eq!(live.unwrap(), "hello, world\n");
    assert_eq!(fs::read_to_string(bench.repo().join("greeting.txt")).unwrap(), "hello\n");
    assert_eq!(bench.git(&["status", "--porcelain"]), "");
    // The command it prints accepts the attestation.
    let words: Vec<String> = serde_json::from_value(report["verify"].clone()).unwrap();
    let words: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
    let verified = bench.run(&words).expect(0);
    assert!(verified.stdout.contains("accepted"), "{verified:#?}");
}

#[test]
fn a_flipped_byte_in_attestation_or_artifact_is_refused() {
    let bench = Bench::new();
    let plan = bench.plan("plan.json", "hello, world\n");
    let report = bench.run_change(&["--plan", &plan, "--json"]).expect(0).json();
    let attestation = report["attestation"].as_str().unwrap();
    let key = report["public_key"].as_str().unwrap();
    let id = report["job"]["id"].as_str().unwrap();
    let file = bench.path("bundle").display().to_string();
    bench.run(&["artifacts", id, "bundle", "-o", &file]).expect(0);
    bench.run(&["verify", attestation, "--key", key, "--artifact", &file]).expect(0);

    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let refused = bench.run(&["verify", attestation, "--key", key, "--artifact", &file]).expect(1);
    assert!(refused.one_sentence().contains("refused"), "{refused:#?}");

    let good = fs::read(attestation).unwrap();
    for place in (0..good.len()).step_by(97) {
        let mut bad = good.clone();
        bad[place] ^= 1;
        let altered = bench.write("altered.json", &bad);
        let ended = bench.run(&["verify", &altered, "--key", key]);
        // White space between members is not signed and may be another.
        let blank = good[place].is_ascii_whitespace() && bad[place].is_ascii_whitespace();
        assert!(ended.code == 1 || blank, "byte {place}: {ended:#?}");
    }
}

#[test]
fn the_command_that_checks_a_published_change_compares_what_was_published() {
    let bench = Bench::new();
    let plan = bench.plan("plan.json", "hello, world\n");
    let published = bench.path("published").display().to_string();
    let words = ["--plan", &plan, "--json", "--publish-to", &published];
    let report = bench.run_change(&words).expect(0).json();
    let words: Vec<String> = serde_json::from_value(report["verify"].clone()).unwrap();
    let check: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
    let bundle = find(&bench.path("published"), "bundle.tar").expect("the bundle");
    let accepted = bench.run(&check).expect(0);
    assert!(accepted.stdout.contains(&format!("compared   {}", bundle.display())), "{accepted:#?}");
    let bytes = fs::read(&bundle).unwrap();
    for place in [0, bytes.len() / 2, bytes.len() - 1] {
        let mut bad = bytes.clone();
        bad[place] ^= 1;
        fs::write(&bundle, &bad).unwrap();
        let refused = bench.run(&check).expect(1);
        assert!(refused.one_sentence().contains("refused"), "byte {place}: {refused:#?}");
    }

    // The signature alone says nothing of it, and does not seem to.
    let at = check.iter().position(|word| *word == "--artifact").unwrap();
    let signature = bench.run(&check[..at]).expect(0);
    assert!(signature.stdout.contains("compared   no artifact"), "{signature:#?}");
    let told = bench.run(&[&check[..at], &["--json"]].concat()).expect(0).json();
    assert_eq!(told["compared"], serde_json::json!([]));
}

#[test]
fn a_failed_check_stops_the_change_and_is_named() {
    let bench = Bench::new();
    let plan = bench.plan("plan.json", "hello, world\n");
    let live = bench.path("live").display().to_string();
    let arguments =
        ["--plan", &plan, "--deploy-to", &live, "--verify", "grep -q goodbye greeting.txt"];
    let ended = bench.run_change(&arguments).expect(3);
    assert!(ended.stdout.contains("FAILED") && ended.stdout.contains("VERIFY"), "{ended:#?}");
    assert!(find(&bench.path("live"), "greeting.txt").is_none(), "nothing is deployed");
}

#[test]
fn a_diff_from_standard_input_and_a_branch_are_changes_too() {
    let bench = Bench::new();
    bench.git(&["checkout", "-q", "-b", "better"]);
    bench.commit(&[("greeting.txt", "hello from a branch\n")]);
    let diff = bench.git(&["diff", "main", "better"]) + "\n";
    bench.git(&["checkout", "-q", "main"]);
    let repo = bench.repo().display().to_string();
    let common = [
        "--repo",
        &repo,
        "--allow-degraded",
        "--constraint",
        "require_tests=false",
        "--verify",
        "grep -q branch greeting.txt",
    ];
    let run = |change: &[&str]| {
        let words = [&["run"], change, &common].concat();
        bench.run_with(&words, &diff).expect(0)
    };
    run(&["--diff", "-"]);
    run(&["--branch", "better"]);
}

#[test]
fn the_same_command_after_a_finished_job_starts_a_new_one() {
    let bench = Bench::new();
    let plan = bench.plan("plan.json", "hello, world\n");
    let first = bench.run_change(&["--plan", &plan, "--json"]).expect(0).json();
    let second = bench.run_change(&["--plan", &plan, "--json"]).expect(0).json();
    assert_ne!(first["job"]["id"], second["job"]["id"]);
    let listed = bench.run(&["jobs", "--json"]).expect(0).json();
    assert_eq!(listed.as_array().unwrap().len(), 2);
}

#[test]
fn logs_and_artifacts_of_a_job_can_be_had() {
    let bench = Bench::new();
    let plan = bench.plan("plan.json", "hello, world\n");
    let arguments = ["--plan", &plan, "--json", "--verify", "echo a-word-to-find"];
    let report = bench.run_change(&arguments).expect(0).json();
    let id = report["job"]["id"].as_str().unwrap();
    let logs = bench.run(&["logs", id]).expect(0);
    assert!(logs.stdout.contains("a-word-to-find"), "{logs:#?}");
    let only = bench.run(&["logs", id, "--stage", "plan"]).expect(0);
    assert!(!only.stdout.contains("a-word-to-find"), "{only:#?}");
    let artifacts = bench.run(&["artifacts", id, "--json"]).expect(0).json();
    assert!(artifacts.as_array().unwrap().len() > 1);
}

#[test]
fn a_change_is_published_into_a_directory_and_as_a_branch() {
    let bench = Bench::new();
    let plan = bench.plan("plan.json", "hello, world\n");
    let (origin, published) = (bench.path("origin.git"), bench.path("published"));
    let (origin, published) = (origin.display().to_string(), published.display().to_string());
    bench.git(&["clone", "-q", "--bare", ".", &origin]);
    let before = bench.git(&["rev-parse", "main"]);
    let arguments = ["--plan", &plan, "--json", "--ref", "main", "--publish-to", &published];
    let arguments = [&arguments[..], &["--publish-git", &origin, "--publish-branch", "better"]];
    let report = bench.run_change(&arguments.concat()).expect(0).json();
    assert_eq!(report["job"]["publications"].as_array().unwrap().len(), 2);
    let shown = ["-C", &origin, "show", "better:greeting.txt"];
    assert_eq!(bench.git(&shown), "hello, world");
    assert_eq!(bench.git(&["-C", &origin, "rev-parse", "main"]), before, "main is as it was");
    let bundle = find(&bench.path("published"), "bundle.tar").expect("the bundle");
    let (attestation, key) = (report["attestation"].as_str(), report["public_key"].as_str());
    let bundle = bundle.display().to_string();
    let words = ["verify", attestation.unwrap(), "--key", key.unwrap(), "--artifact", &bundle];
    bench.run(&words).expect(0);
}

/// A database as a project's service, and a check that asks it.
fn with_database(bin: &str) -> String {
    format!(
        "[[verify.check]]\nname = 'sum'\nservices = ['db']\n\
         run = \"{bin}/psql -X -A -t -h 127.0.0.1 -U tester -c 'select 40 + 2' postgres | grep -qx 42\"\n\
         [[verify.service]]\nname = 'db'\ndata = true\nready = {{ port = 5432 }}\n\
         run = '''\n{bin}/initdb -D $SERVICE_DATA/db -A trust -U tester --no-sync\n\
         exec {bin}/postgres -D $SERVICE_DATA/db -k $SERVICE_DATA -c fsync=off\n'''\n"
    )
}

#[test]
fn a_change_is_checked_beside_a_real_database_that_dies_with_the_session() {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let bins = versions.map(|version| version.path().join("bin"));
    let Some(bin) = bins.into_iter().find(|bin| bin.join("initdb").is_file()) else {
        return skip("PostgreSQL's server is not installed");
    };
    let bench = Bench::new();
    let rules = with_database(&bin.display().to_string());
    bench.commit(&[(".matrix/architect.toml", &rules)]);
    let plan = bench.plan("plan.json", "hello, world\n");
    let report = bench.run_change(&["--plan", &plan, "--json"]).expect(0).json();
    let evidence = report["job"]["evidence"].as_array().unwrap();
    let named = |name: &str| evidence.iter().find(|one| one["name"] == name).unwrap();
    assert_eq!(named("sum")["result"], "passed", "{}", named("sum"));
    let db = named("service.db");
    assert_eq!(
        (&db["result"], &db["details"]["running"]),
        (&"passed".into(), &true.into()),
        "{db}"
    );
    let output = db["details"]["output"].as_str().unwrap();
    assert_eq!(db["artifacts"][0], output, "what it wrote is kept");

    bench.commit(&[(".matrix/architect.toml", &rules.replace("exec ", "false "))]);
    let ended = bench.run_change(&["--plan", &plan, "--json"]).expect(3);
    let report = ended.json();
    let evidence = report["job"]["evidence"].as_array().unwrap();
    let sum = evidence.iter().find(|one| one["name"] == "sum").unwrap();
    assert_eq!(sum["result"], "inconclusive", "{sum}");
    assert!(sum["summary"].as_str().unwrap().contains("service db"), "{sum}");
}
