//! The content of a database as an earlier version hashed it: what later versions' migrations have added is taken out of it.

use std::{collections::BTreeMap, fs, path::Path};

use npanel_state::Store;
use rusqlite::Connection;

/// `table: column, column, ...`, all sorted.
pub(super) fn tables(database: &Path) -> Vec<String> {
    let db = Connection::open(database).expect("it opens");
    let line = |(table, columns): (String, Vec<String>)| format!("{table}: {}", columns.join(", "));
    columns(&db).into_iter().map(line).collect()
}

fn texts(db: &Connection, query: &str) -> Vec<String> {
    let mut statement = db.prepare(query).expect("a query");
    let rows = statement.query_map([], |row| row.get(0)).expect("rows");
    rows.collect::<Result<_, _>>().expect("texts")
}

fn columns(db: &Connection) -> BTreeMap<String, Vec<String>> {
    let tables = texts(
        db,
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name != '_sqlx_migrations'",
    );
    let of = |table: String| {
        let columns = texts(db, &format!("SELECT name FROM pragma_table_info('{table}') ORDER BY name"));
        (table, columns)
    };
    tables.into_iter().map(of).collect()
}

/// The content hash of nothing but these tables and columns, which are taken out of the database.
pub(super) fn hash(database: &Path, tables: &[String]) -> String {
    let known: BTreeMap<&str, Vec<&str>> = tables
        .iter()
        .map(|line| line.split_once(": ").expect("a table"))
        .map(|(table, columns)| (table, columns.split(", ").collect()))
        .collect();
    let db = Connection::open(database).expect("it opens");
    for (kind, statement) in [("view", "VIEW"), ("trigger", "TRIGGER"), ("index", "INDEX")] {
        let query = format!("SELECT name FROM sqlite_schema WHERE type = '{kind}' AND sql IS NOT NULL");
        for name in texts(&db, &query) {
            db.execute_batch(&format!("DROP {statement} \"{name}\"")).expect("dropped");
        }
    }
    for (table, columns) in columns(&db) {
        let Some(kept) = known.get(table.as_str()) else {
            db.execute_batch(&format!("DROP TABLE \"{table}\"")).expect("dropped");
            continue;
        };
        // What is made of other columns is not hashed, and may be made of one that goes.
        let made = format!("SELECT name FROM pragma_table_xinfo('{table}') WHERE hidden IN (2, 3)");
        for column in texts(&db, &made) {
            db.execute_batch(&format!("ALTER TABLE \"{table}\" DROP COLUMN \"{column}\"")).expect("dropped");
        }
        for column in columns.iter().filter(|column| !kept.contains(&column.as_str())) {
            db.execute_batch(&format!("ALTER TABLE \"{table}\" DROP COLUMN \"{column}\"")).expect("dropped");
        }
    }
    drop(db);
    let directory = database.parent().expect("a directory");
    let name = database.file_name().and_then(|name| name.to_str()).expect("a name");
    fs::write(directory.join("CURRENT"), name).expect("written");
    let content = Store::content_hash_in(directory).expect("a hash");
    content.hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
