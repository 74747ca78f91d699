//! Migrations, and what is taken away from public interfaces.

use super::case::{Case, case};

pub(crate) fn cases() -> Vec<Case> {
    [migrations(), interfaces()].concat()
}

fn migrations() -> Vec<Case> {
    let one_way: &[_] = &["migration", "migration_irreversible"];
    vec![
        case("a new table").add("migrations/1.sql", "create table a (b int);\n").expects(&["migration"]),
        case("a table that goes").add("migrations/2.sql", "DROP TABLE a;\n").expects(one_way),
        case("a column that goes").add("db/migrate/3.sql", "ALTER TABLE a\n  DROP COLUMN b;\n").expects(one_way),
        case("a way back in a file of its own")
            .add("migrations/4.up.sql", "drop table a;\n")
            .add("migrations/4.down.sql", "create table a (b int);\n")
            .expects(&["migration"]),
        case("the way back of another migration")
            .add("migrations/4.up.sql", "drop table a;\n")
            .add("migrations/5.down.sql", "create table a (b int);\n")
            .expects(one_way),
        case("a way back in the same file")
            .add("migrations/6.sql", "-- migrate:up\ndrop table a;\n-- migrate:down\ncreate table a (b int);\n")
            .expects(&["migration"]),
        case("a way back that leads nowhere")
            .add("alembic/versions/7.py", "def upgrade():\n    op.drop_table('a')\ndef downgrade():\n    pass\n")
            .expects(one_way),
        case("a way back of alembic")
            .add("alembic/versions/8.py", "def upgrade():\n    op.drop_table('a')\ndef downgrade():\n    op.create_table('a')\n")
            .expects(&["migration"]),
        case("a drop outside the migrations").add("tools/clean.sql", "drop table a;\n").expects(one_way),
        case("a drop in a comment").add("migrations/9.sql", "-- drop table a\ncreate table b (c int);\n").expects(&["migration"]),
    ]
}

fn interfaces() -> Vec<Case> {
    let broken: &[_] = &["breaking_change"];
    let mut allowed = case("a public function goes, and may")
        .edit("src/lib.rs", "pub fn a() {}\nx();\n", "x();\n")
        .expects(broken);
    allowed.constraints.allow_breaking_changes = true;
    vec![
        case("a public function goes")
            .edit("src/lib.rs", "pub fn a() {}\nx();\n", "x();\n")
            .expects(broken),
        case("an asynchronous one goes")
            .edit("src/lib.rs", "    pub async fn a(&self) {}\nx();\n", "x();\n")
            .expects(broken),
        case("a public constant goes")
            .edit("src/lib.rs", "pub const A: u8 = 1;\nx();\n", "x();\n")
            .expects(broken),
        case("a public type is renamed")
            .edit("src/lib.rs", "pub struct A;\n", "pub struct B;\n")
            .expects(broken),
        case("a public file goes").delete("src/a.rs", "pub trait A {}\n").expects(broken),
        case("a Python function goes")
            .edit("app/x.py", "def a():\n    return 1\nx = 1\n", "x = 1\n")
            .expects(broken),
        case("a Python class goes")
            .edit("app/x.py", "class A(B):\n    y = 1\nx = 1\n", "x = 1\n")
            .expects(broken),
        case("another body of the same function").edit(
            "src/lib.rs",
            "pub fn a() { 1 }\n",
            "pub fn a() { 2 }\n",
        ),
        allowed,
    ]
}
