//! Changes of a database's schema, and whether there is a way back.

use std::collections::BTreeSet;

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

/// Where a file's way there begins, in those formats that have both in one.
const UP_MARKS: [&str; 4] = ["-- up", "--up", "-- migrate:up", "-- +goose up"];

/// Calls and statements that lose data or change what readers of the schema rely on.
const DESTRUCTIVE: [&str; 27] = [
    "drop table",
    "drop column",
    "drop index",
    "drop constraint",
    "drop schema",
    "drop database",
    "drop view",
    "drop materialized",
    "drop type",
    "drop policy",
    "drop function",
    "drop trigger",
    "truncate ",
    "delete from",
    "alter column",
    "op.drop_",
    "op.alter_",
    "remove_column",
    "rename_column",
    "rename_table",
    "change_column",
    "drop_table",
    "droptable(",
    "dropcolumn(",
    "removefield(",
    "deletemodel(",
    "renamefield(",
];

/// What an `alter table` may do without taking anything away.
const ADDITIONS: [&str; 3] = [" add ", " validate constraint ", " enable row level security"];

pub(super) fn look(scene: &Scene<'_>, seen: &mut Sightings) {
    let migrations: Vec<_> = scene
        .files()
        .filter(|(file, kinds)| is_migration(file, kinds))
        .map(|(file, _)| file)
        .collect();
    let ways_back: BTreeSet<_> = migrations
        .iter()
        .filter(|file| is_down(file.name()))
        .map(|file| without_direction(file.path()))
        .collect();
    for file in &migrations {
        seen.note(SignalKind::Migration, file.path());
        if is_down(file.name()) || file.change.kind == ChangeKind::Deleted {
            continue;
        }
        let Some(statement) = destructive(file) else { continue };
        let has_twin = ways_back.contains(&without_direction(file.path()));
        if !has_twin && !has_down_part(file) {
            seen.note(SignalKind::MigrationIrreversible, format!("{statement} in {}", file.path()));
        }
    }
}

fn is_migration(file: &ChangedFile<'_>, kinds: &[PathKind]) -> bool {
    let is_test = kinds.contains(&PathKind::Test);
    kinds.contains(&PathKind::Migration)
        || (is_sql(file.name()) && !is_test && destructive(file).is_some())
}

/// The first destructive statement before the file's way back begins.
fn destructive(file: &ChangedFile<'_>) -> Option<String> {
    let lines = file.added().map(str::to_ascii_lowercase);
    let has_marks = has_marks(file);
    let forward = lines.take_while(|line| !(has_marks && is_down_mark(line)));
    let code = forward.map(|line| line.split("--").next().unwrap_or_default().to_owned());
    let text = code.collect::<Vec<_>>().join(" ");
    without_comments(&text).split(';').find_map(|statement| {
        let words = format!(" {} ", statement.split_whitespace().collect::<Vec<_>>().join(" "));
        let found = DESTRUCTIVE.into_iter().find(|what| words.contains(what)).map(str::trim);
        let is_alter = words.contains(" alter table ")
            && (!ADDITIONS.iter().any(|addition| words.contains(addition))
                || words.contains(" drop "));
        found.or(is_alter.then_some("alter table")).map(str::to_owned)
    })
}

/// Whether marks divide the file: a way back is one only beside a way there, and to a runner that
/// knows no marks they are comments. A hunk may not show the first mark.
fn has_marks(file: &ChangedFile<'_>) -> bool {
    let is_up = |line: &str| {
        let line = line.trim_start().to_ascii_lowercase();
        UP_MARKS.iter().any(|mark| line.starts_with(mark))
    };
    file.change.kind != ChangeKind::Added || !is_sql(file.name()) || file.after().any(is_up)
}

/// `drop/* */table` is `drop table` to a database.
fn without_comments(text: &str) -> String {
    let mut parts = text.split("/*");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |mut kept, part| {
        kept.push(' ');
        kept.push_str(part.split_once("*/").map_or("", |(_, rest)| rest));
        kept
    })
}

fn is_sql(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with(".sql")
}

/// A mark stands alone: `-- down with it` is a comment.
fn is_down_mark(line: &str) -> bool {
    DOWN_MARKS.iter().any(|mark| {
        let rest = line.trim_start().strip_prefix(mark);
        rest.is_some_and(|rest| {
            mark.starts_with("def ") || !rest.trim().starts_with(char::is_alphanumeric)
        })
    })
}

/// Whether something stands in the way back: `pass` alone leads nowhere.
fn has_down_part(file: &ChangedFile<'_>) -> bool {
    let lines: Vec<_> = file.after().map(str::to_ascii_lowercase).collect();
    let is_divided = has_marks(file);
    let mut rest =
        lines.iter().filter(|_| is_divided).skip_while(|line| !is_down_mark(line)).skip(1);
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
fn without_direction(path: &str) -> String {
    ["down", "up"].iter().fold(path.to_ascii_lowercase(), |text, word| {
        text.replace(&format!(".{word}."), ".")
            .replace(&format!("_{word}."), ".")
            .replace(&format!("/{word}.sql"), "/.sql")
    })
}
