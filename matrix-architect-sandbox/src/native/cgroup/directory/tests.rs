//! Files are opened once, so many and no more, and closed with their directory.

use super::*;

const FILES: [&str; 3] = ["pids.max", "pids.current", "memory.max"];

/// A directory like a cgroup's: its files are there before anybody asks.
fn directory(parent: &Parent, number: usize) -> Directory {
    let made = parent.make(&number.to_string()).unwrap();
    for file in FILES {
        fs::write(made.path().join(file), "7\n").unwrap();
    }
    made
}

/// How many descriptors of this process lead into a folder.
fn open_below(folder: &Path) -> usize {
    let open = fs::read_dir("/proc/self/fd").unwrap().flatten();
    open.filter(|open| fs::read_link(open.path()).is_ok_and(|what| what.starts_with(folder)))
        .count()
}

#[test]
fn what_is_kept_open_is_bounded_and_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().canonicalize().unwrap();
    let parent = Parent::open(below.clone(), &Arc::default()).unwrap();
    let itself = open_below(&below);
    for _ in 0..2 {
        let all: Vec<_> = (0..KEPT).map(|number| directory(&parent, number)).collect();
        for directory in &all {
            for file in FILES {
                assert_eq!(directory.number(file), Some(7));
                assert_eq!(directory.number(file), Some(7));
            }
        }
        assert_eq!(open_below(&below), itself + KEPT);
        assert_eq!(parent.kept.load(Ordering::Relaxed), KEPT);
        drop(all);
        assert_eq!(open_below(&below), itself);
        assert_eq!(parent.kept.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn a_file_is_read_and_written_from_its_start_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let parent = Parent::open(folder.path().to_owned(), &Arc::default()).unwrap();
    let directory = directory(&parent, 1);
    for number in [12, 34, 56] {
        directory.write("pids.max", &number.to_string()).unwrap();
        assert_eq!(directory.number("pids.max"), Some(number));
    }
    let twice = [Use::Reading; 2].map(|to| directory.open("pids.max", to).unwrap());
    assert!(Arc::ptr_eq(&twice[0], &twice[1]));
    assert!(if_there(directory.write("no such file", "")).unwrap().is_none());
}
