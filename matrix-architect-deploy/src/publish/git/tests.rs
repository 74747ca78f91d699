use super::{config::is_branch, remote::Remote};

#[test]
fn a_url_with_credentials_is_refused_and_not_repeated() {
    for url in [
        "https://user:hunter2@example.org/x",
        "https://hunter2@example.org/x",
        "ssh://git:hunter2@example.org/x",
    ] {
        let error = Remote::parse(url).unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

#[test]
fn a_url_that_runs_something_is_refused() {
    for url in [
        "ext::sh -c id",
        "-uhelper",
        "--upload-pack=id",
        "ssh://-oProxyCommand=id/x",
        "-oProxyCommand=id@host:x",
        "git@-oProxyCommand=id:x",
        "relative/path",
        "file://host/x",
        "ftp://host/x",
        "fd::1",
        "https:///x",
        "git@host:",
        "a b",
        "",
    ] {
        assert!(Remote::parse(url).is_err(), "{url}");
    }
}

#[test]
fn a_repository_is_named_in_the_usual_ways() {
    let parsed = |text| {
        let remote = Remote::parse(text).unwrap();
        (remote.url, remote.protocol)
    };
    assert_eq!(parsed("/srv/x.git"), ("file:///srv/x.git".to_owned(), "file"));
    assert_eq!(parsed("git@host:team/x"), ("ssh://git@host/team/x".to_owned(), "ssh"));
    assert_eq!(parsed("https://host/x"), ("https://host/x".to_owned(), "https"));
}

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
