//! `schemathesis` (PyPI) asks whatever the document says can be asked, and looks whether each answer is one that it tells of.

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use npanel_server::http::IDLE;
use tokio::process::Command;

use crate::{documented::operations, filled::Filled, served::Served};

/// What it looks for: an answer of 5xx; a status, a media type or a header that is not in the document; a body that is not as that
/// says; a method that is not there and is answered, or whose answer names others than those that are; and an answer without a key.
const CHECKS: [&str; 8] = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
];

/// How many requests for each operation, beyond the document's own examples: with ninety operations, a minute's work.
const REQUESTS: &str = "12";

/// What would make it wait: for nodes that do nothing here, and for a place in the log that nobody has come to, which is 503 in the
/// end. And a revision that nothing is at would keep most changes from being tried.
const PINNED: &str =
    "parameters = { timeout = 0, min_index = 0, npanel-min-index = \"0\", if-match = \"*\" }\n\n";

/// What is tried elsewhere.
const LEFT_OUT: [&str; 5] =
    ["event.list", "cluster.backup", "tenant.export", "account.export", "explain.placement"];

/// A run that takes longer hangs.
const LONGEST: Duration = Duration::from_secs(300);

fn program() -> Option<PathBuf> {
    let cache = env::var_os("NPANEL_CACHE").map(PathBuf::from);
    let cache = cache.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/npanel")));
    let program = cache?.join("schemathesis/bin/st");
    program.exists().then_some(program)
}

/// What it is told beside the document: objects that are there for the reads and changes of them. Removals get ids of nothing, for
/// what they removed would be gone for the others.
fn configuration(filled: &Filled) -> String {
    let mut text = PINNED.to_owned();
    for (path, _, operation) in
        operations().filter(|(path, method, _)| path.contains('{') && *method != "DELETE")
    {
        let zone = format!("zone_id = \"{}\", ", filled.zone);
        let noun = path.split('/').take_while(|part| *part != "{id}").last().unwrap_or_default();
        let id = filled.ids.get(noun).map(|id| format!("id = \"{id}\"")).unwrap_or_default();
        let parameters = format!("{}{id}", if path.contains("{zone_id}") { &zone } else { "" });
        text += &format!(
            "[[operations]]\ninclude-operation-id = {}\nparameters = {{ {} }}\n\n",
            operation["operationId"],
            parameters.trim_end_matches(", ")
        );
    }
    text
}

fn command(program: &Path, served: &Served, at: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", at)
        .current_dir(at)
        .args(["--config-file", "schemathesis.toml", "run"])
        .arg(format!("https://{}/v1/openapi.json", served.address))
        .args(["--header", &format!("Authorization: Bearer {}", served.fleet.admin)])
        .args(["--tls-verify", "ca.pem", "--checks", &CHECKS.join(","), "--max-examples", REQUESTS])
        .args(["--phases", "examples,coverage,fuzzing", "--workers", "1", "--request-timeout", "40"])
        .args(["--seed", &env::var("NPANEL_SEED").unwrap_or_else(|_| "4711".to_owned())])
        // A stream without an end; the whole state as a body; and what only a leader that knows its nodes answers.
        .args(LEFT_OUT.map(|id| ["--exclude-operation-id", id]).as_flattened())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_answers_only_what_its_document_tells_of() {
    let Some(program) = program() else {
        let why = "SKIPPED: schemathesis is not in $NPANEL_CACHE/schemathesis, where tests/setup installs it";
        let _ = writeln!(std::io::stderr(), "{why}");
        return;
    };
    let mut filled = Filled::new().await;
    filled.let_all_go().await;
    let configuration = configuration(&filled);
    let served = Served::of(filled.fleet, IDLE).await;
    let place = tempfile::tempdir().expect("a directory");
    fs::write(place.path().join("ca.pem"), &served.ca).expect("written");
    fs::write(place.path().join("schemathesis.toml"), configuration).expect("written");
    let run = command(&program, &served, place.path()).output();
    let output = tokio::time::timeout(LONGEST, run).await.expect("it ends in time").expect("it runs");
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    let tried = said.lines().rev().find(|line| line.contains("generated"));
    println!("schemathesis: {}", tried.unwrap_or_default().trim());
}
