//! The command line of `npanel-controller`, as a child process.

use std::process::Command;

/// What somebody has at hand who takes an API key for a token.
const WRONG: &str = "npk_0190a5d2-0000-7000-8000-000000000001.c2VjcmV0LXNlY3JldA";

#[test]
fn a_token_that_cannot_be_read_is_not_repeated() {
    let given = |in_environment: bool| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_npanel-controller"));
        command.env_clear().args(["join", "--controller", "127.0.0.1:1"]);
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
    let file = place.path().join("controller.toml");
    std::fs::write(&file, "name = 7\ncolour = \"red\"\n").expect("written");
    let checked = Command::new(env!("CARGO_BIN_EXE_npanel-controller"))
        .args(["check", "--output", "json", "--config"])
        .arg(&file)
        .output()
        .expect("the program starts");
    assert_eq!(checked.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&checked.stdout).expect("JSON");
    let findings = report["findings"].as_array().expect("findings");
    let found = |text: &str| {
        findings.iter().any(|one| {
            one["about"] == "configuration"
                && one["verdict"] == "error"
                && one["found"].as_str().is_some_and(|found| found.contains(text))
        })
    };
    for text in ["name: a string", "colour: unknown key", "data_directory: missing", "api.listen: missing"] {
        assert!(found(text), "{text} is not in {report:#}");
    }
    assert!(findings.iter().any(|one| one["about"] == "clock"), "{report:#}");
}

#[test]
fn a_check_of_a_machine_that_is_no_controller_says_what_to_do() {
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("controller.toml");
    let text = format!(
        "data_directory = {:?}\nname = \"c1\"\n[api]\nlisten = \"127.0.0.1:0\"\nnames = [\"localhost\"]\n\
         [fleet]\nlisten = \"127.0.0.1:0\"\nadvertise = \"127.0.0.1:8444\"\n[telemetry]\nlisten = \"127.0.0.1:0\"\n",
        place.path()
    );
    std::fs::write(&file, text).expect("written");
    let checked = Command::new(env!("CARGO_BIN_EXE_npanel-controller"))
        .args(["check", "--config"])
        .arg(&file)
        .output()
        .expect("the program starts");
    assert_eq!(checked.status.code(), Some(1));
    let text = String::from_utf8(checked.stdout).expect("text");
    assert!(text.contains("-> make it a controller: npanel-controller init, or join"), "{text}");
}

#[test]
fn the_content_hash_is_that_of_the_state() {
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("controller.toml");
    let text = format!(
        "data_directory = {:?}\nname = \"c1\"\n[api]\nlisten = \"127.0.0.1:0\"\nnames = [\"localhost\"]\n\
         [fleet]\nlisten = \"127.0.0.1:0\"\nadvertise = \"127.0.0.1:8444\"\n[telemetry]\nlisten = \"127.0.0.1:0\"\n",
        place.path()
    );
    std::fs::write(&file, text).expect("written");
    let run = |arguments: &[&str]| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_npanel-controller"));
        program.args(arguments).arg("--config").arg(&file).output().expect("the program starts")
    };
    assert_eq!(run(&["content-hash"]).status.code(), Some(1), "there is no state yet");
    let made = run(&["init", "--output", "json"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let read = || -> serde_json::Value {
        serde_json::from_slice(&run(&["content-hash", "--output", "json"]).stdout).expect("JSON")
    };
    let first = read();
    assert!(first["index"].as_u64().is_some_and(|index| index > 0), "{first}");
    assert_eq!(first["sha256"].as_str().map(str::len), Some(64), "{first}");
    assert_eq!(read(), first);
}

#[test]
fn the_configuration_that_the_readme_shows_is_one() {
    npanel_documents::accepts_configuration(env!("CARGO_BIN_EXE_npanel-controller"), "controller.toml");
}
