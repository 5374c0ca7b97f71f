//! The command line of `npanel-node`, as a child process.

use std::process::Command;

/// What somebody has at hand who takes an API key for a token.
const WRONG: &str = "npk_0190a5d2-0000-7000-8000-000000000001.c2VjcmV0LXNlY3JldA";

#[test]
fn a_token_that_cannot_be_read_is_not_repeated() {
    let given = |in_environment: bool| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_npanel-node"));
        command.env_clear().args(["enroll"]);
        if in_environment {
            command.env("NPANEL_TOKEN", WRONG)
        } else {
            command.args(["--token", WRONG])
        };
        command.output().expect("the program starts")
    };
    for output in [given(true), given(false)] {
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(!output.status.success(), "{text}");
        assert!(text.contains("bootstrap token"), "{text}");
        assert!(!text.contains("npk_") && !text.contains("c2VjcmV0"), "{text}");
    }
}

#[test]
fn a_check_names_every_error_at_once_and_fails() {
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("node.toml");
    std::fs::write(&file, "name = \"N 1\"\ncolour = \"red\"\nroles = [\"cook\"]\n").expect("written");
    let checked = Command::new(env!("CARGO_BIN_EXE_npanel-node"))
        .args(["check", "--output", "json", "--config"])
        .arg(&file)
        .output()
        .expect("the program starts");
    assert_eq!(checked.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&checked.stdout).expect("JSON");
    let text = report.to_string();
    for wanted in ["name: ", "colour: unknown key", "roles: ", "data_directory: missing", "control groups"] {
        assert!(text.contains(wanted), "{wanted} is not in {report:#}");
    }
}

#[test]
fn the_configuration_that_the_readme_shows_is_one() {
    npanel_documents::accepts_configuration(env!("CARGO_BIN_EXE_npanel-node"), "node.toml");
}
