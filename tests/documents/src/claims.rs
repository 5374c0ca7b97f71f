//! Tests that documents name.

use std::{fs, path::Path};

use crate::markdown::{code, documents, root};

/// The document whose every code in the last column of its table is a test's name.
const SECURITY: &str = "docs/security.md";

/// The names in the last column of a document's table.
fn named(document: &str) -> Vec<String> {
    let rows = document.lines().filter(|line| line.starts_with('|'));
    let last = rows.filter_map(|row| row.trim_end_matches('|').rsplit_once('|'));
    last.flat_map(|(_, cell)| code(cell)).map(|code| code.text).collect()
}

fn sources(folder: &Path, all: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') && name != "node_modules" {
            sources(&path, all);
        } else if name.ends_with(".rs") {
            all.push_str(&fs::read_to_string(&path).expect("a source"));
        }
    }
}

#[test]
fn every_test_that_the_page_on_security_names_is_there() {
    let (_, document) = documents().into_iter().find(|(path, _)| path == SECURITY).expect("the page");
    let (names, mut all) = (named(&document), String::new());
    sources(&root(), &mut all);
    assert!(names.len() > 40, "{names:?}");
    let missing: Vec<_> = names.iter().filter(|name| !all.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn names_are_read_from_the_last_column_only() {
    assert_eq!(named("`x`\n| a | b |\n|---|---|\n| `no` | `one`, `two` |\n"), ["one", "two"]);
}
