//! The documents, taken apart.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// Something in code's letters.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Code {
    /// A block's language; none for code within a sentence.
    pub(crate) block: Option<String>,
    pub(crate) text: String,
    /// The paragraph before a block.
    pub(crate) before: String,
}

/// Every document of the repository, by its path in it.
pub(crate) fn documents() -> Vec<(String, String)> {
    let root = root();
    let mut paths = vec!["README.md".to_owned()];
    for folder in ["docs", "docs/operations", "docs/decisions"] {
        let entries = fs::read_dir(root.join(folder)).expect("the folder of the documents");
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        paths.extend(names.filter(|name| name.ends_with(".md")).map(|name| format!("{folder}/{name}")));
    }
    paths.sort();
    let read = |path: String| {
        let text = fs::read_to_string(root.join(&path)).expect("a document");
        (path, text)
    };
    paths.into_iter().map(read).collect()
}

/// The repository in which the tests are run: checkouts that share a target directory share what was built in one of them.
pub(crate) fn root() -> PathBuf {
    let package = env::var_os("CARGO_MANIFEST_DIR").expect("cargo names the package whose tests it runs");
    let root = Path::new(&package).ancestors().find(|folder| folder.join("Cargo.lock").is_file());
    root.expect("the package is in the workspace").to_owned()
}

/// All code of a document, in order.
pub(crate) fn code(document: &str) -> Vec<Code> {
    let (mut found, mut before) = (Vec::new(), String::new());
    for (number, part) in document.split("```").enumerate() {
        if number % 2 == 1 {
            let (language, text) = part.split_once('\n').unwrap_or((part, ""));
            let before = std::mem::take(&mut before);
            found.push(Code { block: Some(language.trim().to_owned()), text: text.to_owned(), before });
            continue;
        }
        let paragraph = part.trim_end().rsplit("\n\n").next().unwrap_or_default().to_owned();
        let pieces = part.split('`').skip(1).step_by(2);
        found.extend(pieces.map(|piece| Code { block: None, text: piece.to_owned(), before: String::new() }));
        before = paragraph;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_and_code_within_sentences_are_told_apart() {
        let found = code("First `a b`, in\n`/etc/x.toml`:\n\n```toml\nk = 1\n```\nThen `c`.");
        let texts: Vec<_> = found.iter().map(|code| (code.block.as_deref(), code.text.as_str())).collect();
        assert_eq!(texts, [(None, "a b"), (None, "/etc/x.toml"), (Some("toml"), "k = 1\n"), (None, "c")]);
        assert!(found[2].before.contains("/etc/x.toml"));
    }
}
