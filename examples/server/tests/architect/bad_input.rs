//! Bad input: one clear sentence with the remedy, the right exit code, never a panic.

use std::fs;

use crate::support::Bench;

#[test]
fn each_bad_input_is_one_clear_sentence() {
    let bench = Bench::new();
    let good = bench.plan("plan.json", "x\n");
    let unknown = bench.write("unknown.json", "{\n  \"goal\": \"x\",\n  \"stepz\": []\n}");
    let cut = bench.write("cut.json", "{\"goal\": \"x\", \"steps\": [");
    let empty = bench.write("empty.json", "");
    let binary = bench.write("binary.json", b"\xff\xfe\x00");
    let nothing = bench.write("nothing.json", r#"{"goal":"x","steps":[]}"#);
    let outside = bench.write(
        "outside.json",
        r#"{"goal":"x","steps":[{"id":"a","ops":[{"op":"create","path":"../x","content":""}]}]}"#,
    );
    let deploy = bench.write("deploy.toml", "target = \"vm\"\nenvironmint = \"x\"\n");
    let typo = bench.write("typo.toml", "target = \"vm\"\n[config]\nroot = \"/srv\"\nhelth = 1\n");
    let relative = bench.write("relative.toml", "target = \"vm\"\n[config]\nroot = \"srv\"\n");
    let git = ["--publish-git", "https://host/r", "--publish-branch", "a..b"];
    let folder = bench.repo().display().to_string();
    let cases: &[(&[&str], i32, &str)] = &[
        (&["--repo", "/no/such/place", "--plan", &good], 2, "no such repository"),
        (&["--plan", "/no/such/plan.json"], 2, "no such file"),
        (&["--plan", &folder], 2, "directory and not a file"),
        (&["--plan", &unknown], 2, "unknown field `stepz`"),
        (&["--plan", &unknown], 2, "line 3 column"),
        (&["--plan", &cut], 2, "EOF"),
        (&["--plan", &empty], 2, "empty"),
        (&["--plan", &binary], 2, "not UTF-8"),
        (&["--plan", &nothing], 2, "changes nothing"),
        (&["--plan", &outside], 2, "../x"),
        (&["--plan", &good, "--deploy", &deploy], 2, "environmint"),
        (&["--plan", &good, "--deploy", &typo], 2, "helth"),
        (&["--plan", &good, "--deploy", &relative], 2, "root"),
        (&["--plan", &good, git[0], git[1], git[2], git[3]], 2, "branch"),
        (&["--plan", &good, "--constraint", "max_duration"], 2, "KEY=VALUE"),
        (&["--plan", &good, "--constraint", "speed=9"], 2, "unknown field `speed`"),
        (&["--plan", &good, "--constraint", "max_duration=soon"], 2, "max_duration"),
        (&["--plan", &good, "--as", "not a name"], 2, "principal id"),
        (&["--plan", &good, "--subfolder", "../.."], 2, "path"),
    ];
    for (arguments, code, words) in cases {
        let repo = ["run", "--repo", &folder];
        let base: &[&str] = if arguments.contains(&"--repo") { &["run"] } else { &repo };
        let ended = bench.run(&[base, arguments].concat()).expect(*code);
        let sentence = ended.one_sentence();
        assert!(sentence.starts_with("error: ") && sentence.contains(words), "{ended:#?}");
    }
    let jobs = bench.run(&["jobs", "--json"]).expect(0).json();
    assert_eq!(jobs.as_array().unwrap().len(), 0, "nothing of it became a job");
}

#[test]
fn credentials_in_a_url_are_refused_before_they_are_stored_and_not_repeated() {
    let bench = Bench::new();
    let plan = bench.plan("plan.json", "x\n");
    let file = "target = \"vm\"\n[config]\nroot = \"/srv\"\n\
                restart = [\"curl\", \"http://me:hunter2@127.0.0.1/\"]\n";
    let deploy = bench.write("deploy.toml", file);
    for (arguments, field) in [
        (["--publish-git", "https://me:hunter2@host/r"], "publish[0].config.repo"),
        (["--publish-git", "HTTPS://hunter2@host/r"], "publish[0].config.repo"),
        (["--deploy", &deploy], "deployments[0].config.restart[1]"),
        (["--repo", "HTTPS://hunter2@host/r"], "repo.url"),
    ] {
        let ended = bench.run_change(&[&["--plan", &plan][..], &arguments].concat());
        let ended = if arguments[0] == "--repo" {
            bench.run(&["run", "--plan", &plan, arguments[0], arguments[1]])
        } else {
            ended
        };
        let ended = ended.expect(2);
        assert!(ended.one_sentence().contains(field), "{ended:#?}");
        assert!(!format!("{ended:?}").contains("hunter2"), "{ended:#?}");
    }
    let jobs = bench.run(&["jobs", "--json"]).expect(0).json();
    assert_eq!(jobs.as_array().unwrap().len(), 0, "nothing of it became a job");
    let stored = fs::read(bench.data().join("architect.db")).unwrap();
    assert!(!stored.windows(7).any(|window| window == b"hunter2"));
}

#[test]
fn wrong_usage_ends_with_2_and_names_the_argument() {
    let bench = Bench::new();
    let good = bench.plan("plan.json", "x\n");
    let cases: &[(&[&str], &str)] = &[
        (&["run"], "--plan"),
        (&["run", "--plan", &good, "--branch", "x"], "cannot be used with"),
        (&["run", "--plann", &good], "--plann"),
        (&["serve", "--listen", "somewhere"], "--listen"),
        (&["token", "create", "--role", "king"], "--role"),
        (&["token", "create", "--role", "admin", "--expires", "soon"], "--expires"),
        (&["dance"], "dance"),
    ];
    for (arguments, words) in cases {
        let ended = bench.run(arguments).expect(2);
        assert!(ended.stderr.contains(words), "{ended:#?}");
    }
}

#[test]
fn what_is_not_there_is_said_to_be_not_there() {
    let bench = Bench::new();
    for arguments in [
        ["jobs", "job_nobody"],
        ["logs", "job_nobody"],
        ["artifacts", "job_nobody"],
        ["approve", "job_nobody"],
        ["cancel", "job_nobody"],
        ["resume", "job_nobody"],
    ] {
        let ended = bench.run(&arguments).expect(1);
        assert!(ended.one_sentence().contains("job_nobody"), "{ended:#?}");
    }
    let ended = bench.run(&["token", "revoke", "nobody"]).expect(1);
    assert!(ended.one_sentence().contains("no such token"), "{ended:#?}");
}

#[test]
fn a_data_directory_that_cannot_be_used_is_named_with_the_remedy() {
    let bench = Bench::new();
    let file = bench.write("file", "");
    let ended = bench.run(&["jobs", "--data", &format!("{file}/data")]).expect(1);
    assert!(ended.one_sentence().contains("--data"), "{ended:#?}");
}

/// A folder for PATH whose git is this script, or missing.
fn path_with(bench: &Bench, name: &str, git: Option<&str>) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    fs::create_dir(bench.path(name)).unwrap();
    if let Some(script) = git {
        let program = bench.write(&format!("{name}/git"), format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    bench.path(name)
}

#[test]
fn a_machine_without_a_git_of_use_is_told_so_before_there_is_a_job() {
    let bench = Bench::new();
    let plan = bench.plan("plan.json", "x\n");
    let folder = bench.repo().display().to_string();
    let cases = [
        ("none", None, "git is not installed"),
        ("broken", Some("echo 'git: no such library' >&2; exit 127"), "git does not run"),
        ("other", Some("echo 'hello'"), "git does not run"),
        ("old", Some("echo 'git version 2.31.8'"), "git is too old"),
    ];
    for (name, git, words) in cases {
        let path = path_with(&bench, name, git);
        for repo in [folder.as_str(), "https://127.0.0.1:1/no/such.git"] {
            let run = ["run", "--repo", repo, "--plan", &plan];
            let output = bench.architect(&run).env("PATH", &path).output().unwrap();
            let ended = crate::support::Ended::from(output).expect(1);
            let sentence = ended.one_sentence();
            assert!(sentence.contains(words) && sentence.contains("install git"), "{ended:#?}");
            assert_eq!(ended.stdout, "", "nothing was begun");
        }
        let doctor = bench.architect(&["doctor", "--json"]).env("PATH", &path).output().unwrap();
        let findings = crate::support::Ended::from(doctor).expect(1).json();
        let found = findings.as_array().unwrap().iter().find(|one| one["name"] == "git").unwrap();
        assert_eq!((&found["state"], &found["detail"]), (&"missing".into(), &words.into()));
        assert!(found["remedy"].as_str().unwrap().contains("install git"));
    }
    let jobs = bench.run(&["jobs", "--json"]).expect(0).json();
    assert_eq!(jobs.as_array().unwrap().len(), 0, "no job was left behind");
}

#[test]
fn a_plain_folder_needs_no_git() {
    let bench = Bench::new();
    bench.write("plain/greeting.txt", "hello\n");
    let (plan, folder) = (bench.plan("plan.json", "x\n"), bench.path("plain"));
    let folder = folder.display().to_string();
    let path = path_with(&bench, "none", None);
    let words = ["run", "--repo", &folder, "--plan", &plan, "--allow-degraded"];
    let more = ["--constraint", "require_tests=false", "--verify", "true"];
    let run = [&words[..], &more[..]].concat();
    let output = bench.architect(&run).env("PATH", path).output().unwrap();
    let ended = crate::support::Ended::from(output).expect(0);
    assert!(!ended.stderr.contains("git"), "{ended:#?}");
}

#[test]
fn a_server_that_is_not_there_or_knows_no_token_is_one_sentence() {
    let bench = Bench::new();
    let ended = bench.run(&["jobs", "--server", "http://127.0.0.1:1"]).expect(4);
    assert!(ended.one_sentence().contains("ARCHITECT_TOKEN"), "{ended:#?}");
    let output = bench
        .architect(&["jobs", "--server", "http://127.0.0.1:1"])
        .env("ARCHITECT_TOKEN", "arch_x")
        .output()
        .unwrap();
    let ended = crate::support::Ended::from(output).expect(1);
    assert!(ended.one_sentence().contains("does not answer"), "{ended:#?}");
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let bench = Bench::new();
    bench.run(&["token", "list"]).expect(0);
    let key = bench.data().join("keys/signing.pem");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let ended = bench.run(&["jobs"]).expect(4);
    assert!(ended.one_sentence().contains("chmod 600"), "{ended:#?}");
}

#[test]
fn an_attestation_or_key_that_is_none_is_one_sentence() {
    let bench = Bench::new();
    let junk = bench.write("junk", "junk");
    let ended = bench.run(&["verify", &junk, "--key", &junk]).expect(2);
    assert!(ended.one_sentence().contains("public key"), "{ended:#?}");
    let ended = bench.run(&["verify", "/no/such", "--key", &junk]).expect(2);
    assert!(ended.one_sentence().contains("/no/such"), "{ended:#?}");
}
