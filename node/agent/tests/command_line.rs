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
