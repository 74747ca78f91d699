//! `--sandbox docker`, where there is an engine.
#![cfg(feature = "docker")]

use crate::{
    support::{Bench, skip},
    test_image,
};

fn is_here() -> bool {
    if test_image::docker(&["version"]).is_none() {
        skip("there is no Docker engine, or it may not be used");
        return false;
    }
    test_image::ensure(test_image::IMAGE, &test_image::Files::new());
    true
}

#[test]
fn a_change_is_judged_in_a_container_and_the_image_is_in_the_evidence() {
    if !is_here() {
        return;
    }
    let bench = Bench::new();
    let plan = bench.plan("plan.json", "hello, world\n");
    let docker = ["--sandbox", "docker", "--sandbox-image", test_image::IMAGE];
    // The home is the container's: no user of this machine has it.
    let check = "grep -q world greeting.txt && test $HOME = /home/sandbox && test -f /.dockerenv";
    let words = [&["--plan", &plan, "--verify", check, "--json"][..], &docker].concat();
    let report = bench.run_change(&words).expect(0).json();
    assert_eq!(report["job"]["status"], "succeeded");
    let evidence = report["job"]["evidence"].to_string();
    assert!(
        evidence.contains("sha256:") && evidence.contains("own list of allowed calls"),
        "{evidence}"
    );
    let words = [&["doctor", "--json"][..], &docker].concat();
    let findings = bench.run(&words).json().to_string();
    assert!(findings.contains("sandbox: seccomp") && !findings.contains("landlock"), "{findings}");
}

#[test]
fn a_container_reaches_only_what_is_allowed_and_says_what_it_wanted() {
    // Whoever may not enter the network of a container is refused, and told so: see `doctor`.
    if !rustix::process::geteuid().is_root() || !is_here() {
        return;
    }
    let ask = "import urllib.request as u\ntry: u.urlopen('http://unlisted.test/')\n\
               except OSError: raise SystemExit(9)";
    let words = ["sandbox", "run", "--empty", "--json", "--allow", "listed.test"];
    let docker = ["--sandbox", "docker", "--sandbox-image", test_image::IMAGE];
    let words = [&words[..], &docker, &["--", "python3", "-I", "-c", ask]].concat();
    let report = Bench::new().run(&words).expect(9).json();
    let wanted = &report["connections"][0];
    assert_eq!((&wanted["host"], &wanted["port"]), (&"unlisted.test".into(), &80.into()));
    assert!(wanted["outcome"].to_string().contains("refused"), "{wanted}");
}

#[test]
fn what_is_missing_is_told_in_one_sentence() {
    let bench = Bench::new();
    let plan = bench.plan("plan.json", "hello, world\n");
    let refused = bench.run_change(&["--plan", &plan, "--sandbox", "docker"]).expect(2);
    assert!(refused.one_sentence().contains("no image"), "{refused:#?}");
    let socket = bench.path("docker.sock").display().to_string();
    let words = [
        "--plan",
        &plan,
        "--sandbox",
        "docker",
        "--sandbox-image",
        "any",
        "--sandbox-socket",
        &socket,
    ];
    let refused = bench.run_change(&words).expect(1);
    assert!(refused.one_sentence().contains("no Docker engine"), "{refused:#?}");
}
