use super::config::is_branch;

#[test]
fn a_name_git_would_misread_is_no_branch() {
    for name in [
        "",
        "-d",
        "a..b",
        "a//b",
        "/a",
        "a/",
        "a.lock",
        "x/a.lock/b",
        ".a",
        "a/.b",
        "a b",
        "a:b",
        "a^",
        "HEAD",
        "@{u}",
        "a\n",
    ] {
        assert!(!is_branch(name), "{name:?}");
    }
    assert!(is_branch("matrix-architect/job_01"));
}
