//! Configuration files.

use std::process::Command;

use serde_json::Value;

use crate::markdown::{code, documents};

/// The configuration of that name, such as `node.toml`, that the README has a reader write.
///
/// # Panics
/// If there is not exactly one.
fn configuration(name: &str) -> String {
    let readme = documents().into_iter().find(|(path, _)| path == "README.md").expect("a README").1;
    let is_it = |code: &crate::markdown::Code| {
        code.block.as_deref() == Some("toml") && code.before.contains(&format!("/{name}`"))
    };
    let mut found: Vec<_> = code(&readme).into_iter().filter(is_it).collect();
    assert_eq!(found.len(), 1, "the README shows {} files {name}", found.len());
    found.remove(0).text
}

/// Has a program check the configuration of that name that the README shows.
///
/// # Panics
/// If it finds fault with it.
pub fn accepts_configuration(program: &str, name: &str) {
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join(name);
    std::fs::write(&file, configuration(name)).expect("written");
    let checked = Command::new(program)
        .args(["check", "--output", "json", "--config"])
        .arg(&file)
        .output()
        .expect("the program starts");
    let report: Value = serde_json::from_slice(&checked.stdout).expect("JSON");
    let said = report["findings"].as_array().expect("findings").iter();
    let of_file: Vec<_> = said.filter(|one| one["about"] == "configuration").collect();
    assert!(of_file.len() == 1 && of_file[0]["verdict"] == "ok", "{report:#}");
}
