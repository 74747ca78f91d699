//! A writer that is killed at any moment leaves nothing half-written that is found.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use matrix_architect_core::{
    id::{Digest, TenantId},
    traits::ArtifactStore as _,
};
use matrix_architect_store::files::FileArtifacts;

const CHILD: &str = "files::crash::the_writer_that_is_killed";
const ROUNDS: u64 = 25;
/// A kill hits a writer at work by chance; so many that miss would be none.
const MOST_ROUNDS: u64 = 500;

/// Text and noise of about two chunks, different for every number.
fn body(number: u64) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = format!("artifact {number}\n").repeat(40_000).into_bytes();
    bytes.extend((0..80_000).flat_map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    }));
    bytes
}

/// Not a test of its own: the process that [`a_killed_writer_leaves_old_or_new`] kills. It says
/// each digest once it is told that the content is durable.
#[test]
#[ignore = "started by a_killed_writer_leaves_old_or_new"]
fn the_writer_that_is_killed() {
    #[expect(clippy::disallowed_methods, reason = "the parent test says where and what")]
    let var = |name| std::env::var(name);
    let Ok(root) = var("ARTIFACTS_ROOT") else { return };
    let from: u64 = var("ARTIFACTS_FROM").unwrap().parse().unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = FileArtifacts::open(root).await.unwrap();
        for number in from.. {
            let (digest, _) = store.put(&TenantId::default(), &body(number)).await.unwrap();
            println!("stored {number} {digest}");
        }
    });
}

#[tokio::test]
async fn a_killed_writer_leaves_old_or_new() {
    let folder = tempfile::tempdir().unwrap();
    let mut stored: Vec<(u64, Digest)> = Vec::new();
    let (mut leftovers, mut round) = (0, 0);
    while round < ROUNDS || (leftovers == 0 && round < MOST_ROUNDS) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", CHILD, "--ignored", "--nocapture"])
            .env("ARTIFACTS_ROOT", folder.path())
            .env("ARTIFACTS_FROM", (round * 1_000).to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Killed after the first put of a round, so that every moment of a put is hit in turn.
        stored.extend(lines.by_ref().map_while(Result::ok).find_map(|line| told(&line)));
        thread::sleep(Duration::from_micros(round % ROUNDS * 1_100));
        child.kill().unwrap();
        child.wait().unwrap();
        stored.extend(lines.map_while(Result::ok).filter_map(|line| told(&line)));
        leftovers += std::fs::read_dir(folder.path().join("incoming")).unwrap().count();
        round += 1;
    }

    let store = FileArtifacts::open(folder.path()).await.unwrap();
    assert_eq!(std::fs::read_dir(folder.path().join("incoming")).unwrap().count(), 0);
    let report = store.scrub().await.unwrap();
    assert_eq!(report.corrupt, []);
    // What was killed between its name and its answer is there and whole as well.
    let told = stored.len() as u64;
    assert!(told >= round && (told..=told + round).contains(&report.checked));
    assert!(leftovers > 0, "no kill hit a writer at work");
    for (number, digest) in stored {
        let stream = store.get(&TenantId::default(), &digest, None).await.unwrap();
        assert!(stream.collect(1 << 30).await.unwrap() == body(number), "artifact {number}");
    }
}

/// What a line of the child says, unless the kill cut it.
fn told(line: &str) -> Option<(u64, Digest)> {
    // The harness prints `test … ...` on the same line as the first of them.
    let (_, words) = line.split_once("stored ")?;
    let (number, digest) = words.split_once(' ')?;
    Some((number.parse().ok()?, digest.parse().ok()?))
}
