//! Configuration files.

use crate::markdown::{code, documents};

/// The configuration of that name, such as `node.toml`, that the README has a reader write.
///
/// # Panics
/// If there is not exactly one.
pub fn configuration(name: &str) -> String {
    let readme = documents().into_iter().find(|(path, _)| path == "README.md").expect("a README").1;
    let is_it = |code: &crate::markdown::Code| {
        code.block.as_deref() == Some("toml") && code.before.contains(&format!("/{name}`"))
    };
    let mut found: Vec<_> = code(&readme).into_iter().filter(is_it).collect();
    assert_eq!(found.len(), 1, "the README shows {} files {name}", found.len());
    found.remove(0).text
}
