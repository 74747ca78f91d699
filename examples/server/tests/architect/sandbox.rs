//! `architect sandbox run`: the sandbox as a tool of its own.

use std::fs;

use crate::support::Bench;

#[test]
fn a_command_ends_as_itself_and_its_use_is_told() {
    let bench = Bench::new();
    let repo = bench.repo().display().to_string();
    let line = "cat greeting.txt; echo changed > greeting.txt; exit 7";
    let ended = bench.run(&["sandbox", "run", "--tree", &repo, "--", "sh", "-c", line]).expect(7);
    assert_eq!(ended.stdout, "hello\n");
    assert!(ended.stderr.starts_with("exit code 7  wall "), "{ended:?}");
    let kept = fs::read_to_string(bench.repo().join("greeting.txt")).unwrap();
    assert_eq!(kept, "hello\n", "the command works on a copy");
}

#[test]
fn how_it_ended_is_in_the_exit_code_and_in_json() {
    let bench = Bench::new();
    let run = |arguments: &[&str]| {
        let mut all = vec!["sandbox", "run", "--empty", "--json"];
        all.extend(arguments);
        bench.run(&all)
    };
    let cases: [(&[&str], i32, &str); 5] = [
        (&["--", "true"], 0, "exited"),
        (&["--", "sh", "-c", "kill -TERM $$"], 143, "signalled"),
        (&["--wall", "300ms", "--", "sleep", "100"], 124, "timed_out"),
        (
            &["--disk", "1M", "--", "dd", "if=/dev/zero", "of=big", "bs=1M", "count=4"],
            125,
            "disk_exceeded",
        ),
        (&["--cpu", "1s", "--", "sh", "-c", "while :; do :; done"], 125, "cpu_exceeded"),
    ];
    for (arguments, code, class) in cases {
        let ended = run(arguments).expect(code);
        assert_eq!(ended.json()["verdict"]["class"], class, "{ended:?}");
    }
    let ended = run(&["--output", "1K", "--", "sh", "-c", "head -c 5000 /dev/zero"]).expect(0);
    assert_eq!(ended.json()["output"]["dropped"], 5000 - 1024 + 16, "{:?}", ended.json()["output"]);
    bench.run(&["sandbox", "run", "--empty", "--", "no-such-program"]).expect(127).one_sentence();
    bench.run(&["sandbox", "run", "--empty", "--", "/etc/hosts"]).expect(126).one_sentence();
}

#[test]
fn what_is_collected_is_unpacked_into_a_new_directory() {
    let bench = Bench::new();
    let into = bench.path("taken").display().to_string();
    let line = "mkdir dist; echo wheel > dist/a.whl; echo no > b; ln -s /etc/passwd dist/c.whl";
    let arguments = ["sandbox", "run", "--empty", "--collect", "dist/*.whl", "--into", &into];
    let with = |line| [&arguments[..], &["--", "sh", "-c", line]].concat();
    bench.run(&with(line)).expect(0);
    assert_eq!(fs::read_to_string(bench.path("taken/dist/a.whl")).unwrap(), "wheel\n");
    assert!(!bench.path("taken/b").exists() && !bench.path("taken/dist/c.whl").is_symlink());
    let again = bench.run(&with("true")).expect(2);
    assert!(again.one_sentence().contains("exists"), "{again:?}");
}

#[test]
fn a_command_line_that_cannot_be_is_refused() {
    let bench = Bench::new();
    for wrong in [
        ["--memory", "much"],
        ["--wall", "5"],
        ["--cpus", "0"],
        ["--env", "NAME"],
        ["--bind", "relative"],
        ["--allow", "http://host/"],
    ] {
        let ended = bench.run(&["sandbox", "run", "--empty", wrong[0], wrong[1], "--", "true"]);
        assert_eq!(ended.expect(2).stdout, "", "{wrong:?}");
    }
    let ended = bench.run(&["sandbox", "run", "--tree", "/no/such/tree", "--", "true"]).expect(125);
    assert!(ended.one_sentence().contains("--tree"), "{ended:?}");
}
