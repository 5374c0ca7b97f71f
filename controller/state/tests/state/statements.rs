//! Every statement that applying a command may run finds its rows by an index: none looks through a table that grows with
//! accounts, and nor do those by which the feed is read. The statements are those that stand in the sources, so that a new one is
//! tried without a word here.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use npanel_state::Store;
use rusqlite::{Connection, config::DbConfig};

/// Tables that do not grow with accounts: looking through one is as good as a search.
const SMALL: [&str; 12] = [
    "raft",
    "cluster",
    "change_feed",
    "audit_key",
    "cluster_keys",
    "secret_rotation",
    "controllers",
    "authorities",
    "json_each",
    "webhooks",
    "identity_providers",
    // Some thousands, of which a statement that looks through them finds the one in passing.
    "nodes",
];

/// Statements that do look through a table, by a part of them, and why they may.
const EXCEPTIONS: [(&str, &str); 7] = [
    (
        "SELECT time_millis FROM changes ORDER BY log_index, position LIMIT 1",
        "the first in the order of the key",
    ),
    ("SELECT log_index, time_millis FROM changes ORDER BY log_index", "in the order of the key, and limited"),
    ("SELECT count(*) FROM identities i WHERE i.authority", "once in years: an authority is retired by hand"),
    (
        "SET generation = max(generation + 1, ?1)",
        "once in the life of a cluster: after a restore all is told anew",
    ),
    ("SELECT (SELECT count(*) FROM tenants)", "when keys are to be changed: how much there is to do"),
    ("WHERE ?1 IS NULL", "when keys are to be changed: how much there is to do"),
    ("FROM former_data_keys f ORDER BY", "while keys are changed: they are those that go"),
];

/// What stands for a part of a statement that is put in when it runs.
const PARTS: [(&str, &[&str]); 15] = [
    (
        "{seen}",
        &["AND EXISTS (SELECT 1 FROM former_tenant_tree WHERE ancestor_id = ?3 AND tenant_id = c.tenant_id)"],
    ),
    ("{place}", &["id = ?1"]),
    ("{} ORDER BY f.tenant_id", &["SELECT f.tenant_id, f.name FROM former_data_keys f ORDER BY f.tenant_id"]),
    ("{table}", &["accounts", "domains", "databases", "database_users", "zones", "cron_tables"]),
    ("{what}", &["domains", "databases"]),
    ("{column}", &["pool", "user_id", "api_key_id"]),
    ("{account}", &["id", "account_id", "NULL"]),
    ("{condition}", &["totp_millis IS NULL"]),
    ("{parts}", &["part != 'dns'"]),
    ("{is_same}", &["id = ?1"]),
    ("{own}", &["own = 1", "own = 0"]),
    ("{owner}", &["tenant_id"]),
    ("{key}", &["id"]),
    ("{found}", &["FROM accounts a JOIN unmet u ON u.account_id = a.id WHERE a.plan_id = ?1"]),
    ("LIMIT {}", &["LIMIT 50"]),
];

fn sources() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let own = [
        "access.rs",
        "apply.rs",
        "context.rs",
        "foresight.rs",
        "memory.rs",
        "intent.rs",
        "repetition.rs",
        "revision.rs",
        "wanted.rs",
        "writer.rs",
        "query/feed.rs",
        "query/webhook.rs",
    ];
    let mut all = own.map(|name| root.join(name)).to_vec();
    for folder in ["rules", "audit"] {
        add_within(&root.join(folder), &mut all);
    }
    all.sort();
    all
}

fn add_within(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { add_within(&path, all) } else { all.push(path) }
    }
}

/// The texts in quotation marks, as the compiler reads them; none of these sources has raw ones.
fn texts(source: &str) -> Vec<String> {
    let (mut found, mut rest) = (Vec::new(), source.chars().peekable());
    while let Some(char) = rest.next() {
        match char {
            '/' if rest.peek() == Some(&'/') => while rest.next().is_some_and(|next| next != '\n') {},
            '\'' if rest.peek() == Some(&'"') => drop(rest.next()),
            '"' => {
                let mut text = String::new();
                while let Some(char) = rest.next().filter(|char| *char != '"') {
                    match char {
                        '\\' => match rest.next() {
                            Some('\n') => while rest.next_if(|next| next.is_whitespace()).is_some() {},
                            Some(escaped) => text.push(escaped),
                            None => {}
                        },
                        other => text.push(other),
                    }
                }
                found.push(text);
            }
            _ => {}
        }
    }
    found
}

fn is_statement(text: &str) -> bool {
    let first = text.split_whitespace().next().unwrap_or_default();
    // One word is a column's or an action's.
    ["SELECT", "UPDATE", "INSERT", "DELETE", "WITH"].contains(&first) && text.contains(' ')
}

/// The statement with every choice of its parts.
fn spelled_out(statement: &str) -> Vec<String> {
    let mut all = vec![statement.split_whitespace().collect::<Vec<_>>().join(" ")];
    for (part, choices) in PARTS {
        let spell = |text: String| match text.contains(part) {
            true => choices.iter().map(|choice| text.replace(part, choice)).collect(),
            false => vec![text],
        };
        all = all.into_iter().flat_map(spell).collect();
    }
    // The first nameless part is a table's name, another one a column's.
    let tables = |text: String| {
        text.replace("FROM {}", "FROM domains").replace("UPDATE {}", "UPDATE domains").replace("{}", "id")
    };
    all.into_iter().map(tables).collect()
}

/// The tables of a statement by the names that it gives them.
fn aliases(statement: &str) -> BTreeMap<String, String> {
    let words: Vec<&str> =
        statement.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty()).collect();
    let mut found = BTreeMap::new();
    for (at, word) in words.iter().enumerate() {
        if ["FROM", "JOIN", "UPDATE", "INTO"].contains(word)
            && let Some(table) = words.get(at + 1)
        {
            found.insert((*table).to_owned(), (*table).to_owned());
            if let Some(alias) = words.get(at + 2).filter(|alias| alias.chars().all(char::is_lowercase)) {
                found.insert((*alias).to_owned(), (*table).to_owned());
            }
        }
    }
    found
}

/// What of a plan looks through a table that grows.
fn scans(db: &Connection, statement: &str) -> Result<Vec<String>, rusqlite::Error> {
    let aliases = aliases(statement);
    let mut explain = db.prepare(&format!("EXPLAIN QUERY PLAN {statement}"))?;
    // Of no values: the plan does not depend on them.
    let (mut rows, mut steps) = (explain.raw_query(), Vec::<String>::new());
    while let Some(row) = rows.next()? {
        steps.push(row.get(3)?);
    }
    let is_of_a_growing_table = |step: &String| {
        let Some(name) = step.strip_prefix("SCAN ").and_then(|rest| rest.split(' ').next()) else {
            return false;
        };
        let table = aliases.get(name).map_or(name, String::as_str);
        let is_none = ["CONSTANT", "has", "label", "said", "own"].contains(&table) || table.starts_with('(');
        !is_none && !SMALL.contains(&table)
    };
    Ok(steps.into_iter().filter(is_of_a_growing_table).collect())
}

#[tokio::test]
async fn no_statement_of_the_rules_looks_through_a_table_that_grows() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(directory.path()).await.expect("opened");
    let db = Connection::open(directory.path().join("state-1.db")).expect("opened");
    // As the writer's: planned without a look at the values.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).expect("set");
    let (mut tried, mut wrong) = (0, Vec::new());
    for path in sources() {
        let source = fs::read_to_string(&path).expect("a source");
        let source = source.split("#[cfg(test)]").next().unwrap_or_default();
        for statement in
            texts(source).iter().filter(|text| is_statement(text)).flat_map(|text| spelled_out(text))
        {
            if EXCEPTIONS.iter().any(|(part, _)| statement.contains(part)) {
                continue;
            }
            match scans(&db, &statement) {
                Ok(scans) if scans.is_empty() => tried += 1,
                Ok(scans) => {
                    wrong.push(format!("{}: {statement}\n    {}", path.display(), scans.join("\n    ")));
                }
                // A part that one of the tables does not have.
                Err(error) if error.to_string().contains("no such column") => {}
                Err(error) => wrong.push(format!("{}: {statement}\n    {error}", path.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        tried > 250,
        "only {tried} statements were found: what stands in the sources is not read any more"
    );
    drop(store);
}

#[test]
fn a_statement_without_an_index_is_found() {
    let db = Connection::open_in_memory().expect("opened");
    db.execute_batch("CREATE TABLE things (id BLOB PRIMARY KEY, name TEXT) STRICT, WITHOUT ROWID")
        .expect("made");
    assert!(scans(&db, "SELECT id FROM things t WHERE t.id = ?1").expect("planned").is_empty());
    assert_eq!(scans(&db, "SELECT id FROM things t WHERE t.name = ?1").expect("planned"), ["SCAN t"]);
}
