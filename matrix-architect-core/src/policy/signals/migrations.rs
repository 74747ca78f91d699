//! Changes of a database's schema, and whether there is a way back.

use super::{PathKind, Scene, Sightings, SignalKind};
use crate::{patch::ChangeKind, policy::diff::ChangedFile};

/// Where a file's way back begins.
const DOWN_MARKS: [&str; 8] = [
    "-- down",
    "--down",
    "-- migrate:down",
    "-- +goose down",
    "-- rollback",
    "def downgrade",
    "def down",
    "exports.down",
];

/// Statements that lose data or change what readers of the schema rely on.
const DESTRUCTIVE: [&str; 12] = [
    "drop table",
    "drop column",
    "drop index",
    "drop constraint",
    "drop schema",
    "drop database",
    "alter table",
    "alter column",
    "truncate ",
    "op.drop_",
    "op.alter_",
    "remove_column",
];

pub(super) fn look(scene: &Scene<'_>, seen: &mut Sightings) {
    let migrations: Vec<_> = scene
        .files()
        .filter(|(file, kinds)| is_migration(file, kinds))
        .map(|(file, _)| file)
        .collect();
    for file in &migrations {
        seen.note(SignalKind::Migration, file.path());
        if is_down(file.name()) || file.change.kind == ChangeKind::Deleted {
            continue;
        }
        let Some(statement) = destructive(file) else { continue };
        let has_twin = migrations.iter().any(|other| is_way_back(other.path(), file.path()));
        if !has_twin && !has_down_part(file) {
            seen.note(SignalKind::MigrationIrreversible, format!("{statement} in {}", file.path()));
        }
    }
}

fn is_migration(file: &ChangedFile<'_>, kinds: &[PathKind]) -> bool {
    let is_sql = file.name().to_ascii_lowercase().ends_with(".sql");
    let is_test = kinds.contains(&PathKind::Test);
    kinds.contains(&PathKind::Migration) || (is_sql && !is_test && destructive(file).is_some())
}

/// The first destructive statement before the file's way back begins.
fn destructive(file: &ChangedFile<'_>) -> Option<&'static str> {
    let lines = file.added().map(str::to_ascii_lowercase);
    let forward = lines.take_while(|line| !is_down_mark(line));
    forward.filter(|line| !line.trim_start().starts_with("--")).find_map(|line| {
        DESTRUCTIVE.into_iter().find(|statement| line.contains(statement)).map(str::trim)
    })
}

fn is_down_mark(line: &str) -> bool {
    DOWN_MARKS.iter().any(|mark| line.trim_start().starts_with(mark))
}

/// Whether something stands in the way back: `pass` alone leads nowhere.
fn has_down_part(file: &ChangedFile<'_>) -> bool {
    let lines: Vec<_> = file.after().map(str::to_ascii_lowercase).collect();
    let mut rest = lines.iter().skip_while(|line| !is_down_mark(line)).skip(1);
    rest.any(|line| {
        let text = line.trim();
        !text.is_empty() && !text.starts_with("--") && !text.starts_with('#') && text != "pass"
    })
}

fn is_down(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == "down.sql" || name.contains(".down.") || name.contains("_down.")
}

/// `1_a.down.sql` is the way back of `1_a.up.sql` and of `1_a.sql`; `down.sql` of its folder's
/// `up.sql`.
fn is_way_back(other: &str, path: &str) -> bool {
    let stem = |path: &str| {
        let lower = path.to_ascii_lowercase();
        ["down", "up"].iter().fold(lower, |text, word| {
            text.replace(&format!(".{word}."), ".")
                .replace(&format!("_{word}."), ".")
                .replace(&format!("/{word}.sql"), "/.sql")
        })
    };
    let name = other.rsplit('/').next().unwrap_or(other);
    is_down(name) && stem(other) == stem(path)
}
