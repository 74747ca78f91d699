//! Taking out what a command prepared, by our collector and by one that knows no better.

use std::{
    path::{Component, Path},
    process::Command as Process,
    time::Duration,
};

use matrix_architect_core::{
    error::Error,
    traits::{Collect, Command, ExitVerdict, Session},
};

use crate::{
    attempt::Sign,
    beside,
    ground::{Ground, ran, roomy},
    probe::Told,
    world::SECRET,
};

/// Bytes and entries that are asked for.
const MOST_BYTES: u64 = 16 << 20;
const MOST_ENTRIES: u64 = 1000;

/// So often a race is tried; careless ones lose within a few hundred.
const RACES: usize = 20_000;
const RACES_INSIDE: usize = 4;

/// What was taken out.
#[derive(Debug)]
struct Taken {
    name: String,
    mode: u32,
    size: u64,
    text: String,
}

impl Sign {
    fn is_in(self, taken: &[Taken]) -> bool {
        let named = |word: &str| taken.iter().any(|taken| taken.name == word);
        match self {
            Self::Secret | Self::SecretInARace => {
                taken.iter().any(|taken| taken.text.contains(SECRET))
            }
            Self::SetUid => taken.iter().any(|taken| taken.mode & 0o6000 != 0),
            Self::Special => named("SPECIAL"),
            Self::Hung => named("HUNG"),
            Self::Broke => named("BROKE"),
            Self::TooMuch => {
                let bytes: u64 = taken.iter().map(|taken| taken.size).sum();
                bytes > MOST_BYTES || taken.len() as u64 > MOST_ENTRIES
            }
        }
    }
}

fn line_of(line: &str, secret: &Path) -> String {
    format!("SECRET={}; {line}", secret.display())
}

fn patterns_of(patterns: &[&str], secret: &Path) -> Vec<String> {
    let secret = secret.display().to_string();
    patterns.iter().map(|pattern| pattern.replace("$SECRET", &secret)).collect()
}

/// Prepares in a session and collects.
pub(crate) async fn ours(
    ground: &Ground,
    line: &str,
    patterns: &[&str],
    sign: Sign,
    secret: &Path,
) -> Told {
    let session = ground.open(roomy().file_size(2 << 30)).await;
    let (exit, output) = ran(&*session, &Command::shell(line_of(line, secret))).await;
    if exit.verdict != ExitVerdict::Exited(0) {
        return Told::broken(format!("{:?}: {output}", exit.verdict));
    }
    let mut what = Collect::new(patterns_of(patterns, secret));
    what.max_bytes = MOST_BYTES;
    what.max_entries = MOST_ENTRIES;
    let times = if sign == Sign::SecretInARace { RACES_INSIDE } else { 1 };
    let mut told = Told::stopped(String::new());
    for _ in 0..times {
        told = match tokio::time::timeout(Duration::from_secs(30), archive(&*session, &what)).await
        {
            Err(_) => Told::open("it never came back"),
            // Refusing all of it is an answer, too; what we say of ourselves is not.
            Ok(Err(error)) => Told::stopped(format!("refused: {error}")),
            Ok(Ok(taken)) if sign.is_in(&taken) || has_left(&taken) => {
                Told::open(format!("{taken:?}"))
            }
            Ok(Ok(taken)) => Told::stopped(format!("{} entries", taken.len())),
        };
        if told.outcome != crate::probe::Outcome::Stopped {
            break;
        }
    }
    let (after, _) = ran(&*session, &Command::shell("true")).await;
    assert_eq!(after.verdict, ExitVerdict::Exited(0), "the session goes on");
    session.close().await.unwrap();
    told
}

/// Whether a name or a link leads out of where it is unpacked.
fn has_left(taken: &[Taken]) -> bool {
    taken.iter().any(|taken| {
        let folder = Path::new(&taken.name).parent().unwrap_or(Path::new(""));
        let target = taken.text.strip_prefix("-> ");
        leads_out(Path::new(&taken.name))
            || target.is_some_and(|target| leads_out(&folder.join(target)))
    })
}

/// Whether a path, by its text, is not below where it starts.
fn leads_out(path: &Path) -> bool {
    let mut depth = 0_i32;
    path.components().any(|part| {
        match part {
            Component::Normal(_) => depth += 1,
            Component::ParentDir => depth -= 1,
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return true,
        }
        depth < 0
    })
}

async fn archive(session: &dyn Session, what: &Collect) -> Result<Vec<Taken>, Error> {
    let archive = session.collect(what).await?.collect(2 << 24).await?;
    let mut archive = tar::Archive::new(&archive[..]);
    let taken = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let target = entry.link_name().unwrap().map(|target| format!("-> {}", target.display()));
        let mut text = String::new();
        let _ = std::io::Read::read_to_string(&mut entry, &mut text);
        let kind = entry.header().entry_type();
        let is_plain = kind.is_file() || kind.is_symlink() || kind.is_dir();
        let name = entry.path().unwrap().display().to_string();
        Taken {
            name: if is_plain { name } else { "SPECIAL".to_owned() },
            mode: entry.header().mode().unwrap(),
            size: entry.header().size().unwrap(),
            text: target.unwrap_or(text),
        }
    });
    Ok(taken.collect())
}

/// Prepares in a folder beside the sandbox and collects as `naive.py` does.
pub(crate) fn careless(line: &str, patterns: &[&str], sign: Sign, secret: &Path) -> Told {
    let folder = tempfile::tempdir_in(secret.parent().unwrap()).unwrap();
    let line = line_of(line, secret);
    let shell = beside::shell(&line, folder.path(), secret).status().unwrap();
    assert!(shell.success(), "{line}");
    let mut python = Process::new("/usr/bin/python3");
    let times = if sign == Sign::SecretInARace { RACES } else { 1 };
    python.args(["-I", "-c", include_str!("naive.py"), &times.to_string()]);
    python.args(patterns_of(patterns, secret)).current_dir(folder.path());
    let output = python.output().unwrap();
    beside::end(folder.path());
    remove(folder.path());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let taken: Vec<_> = text.lines().map(taken).collect();
    if sign.is_in(&taken) {
        Told::open(format!("{sign:?}"))
    } else {
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        Told::stopped(format!("no {sign:?}: {errors}"))
    }
}

fn taken(line: &str) -> Taken {
    let (name, mode, size, text) = serde_json::from_str(line).unwrap();
    Taken { name, mode, size, text }
}

/// Removes it whatever its depth.
fn remove(folder: &Path) {
    let removed = Process::new("rm").arg("-rf").arg(folder).status().unwrap();
    assert!(removed.success());
}
