use super::*;

const GOOD: &str = r#"
data_directory = "/var/lib/npanel"
name = "n1"
address = "10.88.0.11"
controllers = ["10.88.0.1:8444", "10.88.0.2:8444"]
roles = ["web", "dns", "web"]
[telemetry]
listen = "127.0.0.1:9471"
"#;

fn config(text: &str) -> Result<Config, Problems> {
    Config::from_table(text.parse().expect("TOML"))
}

#[test]
fn what_is_no_ordinary_file_is_not_waited_for() {
    let error = Config::read(Path::new("/dev/null")).expect_err("a device");
    assert!(matches!(error, ConfigError::Read { .. }), "{error}");
}

#[test]
fn a_complete_file_is_read() {
    let config = config(GOOD).expect("a configuration");
    assert_eq!(config.controllers.len(), 2);
    assert_eq!(config.roles, [NodeRole::Web, NodeRole::Dns]);
    assert_eq!((config.user.as_str(), config.log), ("npanel", LogFormat::Text));
    assert_eq!(config.executor_socket, PathBuf::from("/run/npanel/executor.sock"));
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let Problems(problems) = config(
        r#"
        data_directory = "relative"
        name = "No Name"
        controllers = ["nowhere", "10.88.0.1:8444"]
        roles = ["cooking"]
        adress = "10.88.0.11"
        [telemetry]
        listen = 9471
        listens = "x"
        [log]
        format = "xml"
        "#,
    )
    .expect_err("problems");
    for expected in [
        "data_directory: an absolute path",
        "name: a node's name is",
        "address: missing",
        "controllers: an endpoint is HOST:PORT",
        "roles: unknown node role",
        "adress: unknown key",
        "telemetry.listen: a string is expected (got integer)",
        "telemetry.listens: unknown key",
        "log.format: text or json",
    ] {
        assert!(problems.iter().any(|problem| problem.starts_with(expected)), "{expected}: {problems:?}");
    }
    assert_eq!(problems.len(), 9);
}

#[test]
fn where_a_node_stands_may_be_said() {
    let text =
        GOOD.replace("[telemetry]", "availability_zone = \"a1\"\nlabels = [\"disk=nvme\"]\n[telemetry]");
    let place = config(&text).expect("a configuration").place;
    assert_eq!(place.availability_zone.expect("a zone").as_str(), "a1");
    assert_eq!(place.labels[0].as_str(), "disk=nvme");
    assert_eq!(config(GOOD).expect("a configuration").place, Place::default());
    let wrong = text.replace("disk=nvme", "disk");
    assert!(config(&wrong).expect_err("problems").0[0].starts_with("labels: a node's label is"));
}

#[test]
fn an_empty_list_is_no_list() {
    let text = GOOD.replace(r#"["web", "dns", "web"]"#, "[]");
    assert_eq!(config(&text).expect_err("problems").0, ["roles: at least one is expected"]);
}
