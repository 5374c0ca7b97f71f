//! A controller that keeps its key, its backups and the audit's checkpoints at AWS: the program itself, beside a stand-in for AWS.

use std::{
    fs,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use npanel_client::{Client, Config};
use npanel_cloud::Kms;
use npanel_model::Secret;
use npanel_moto::{KEYS, Moto, SECRET};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(90);

/// A machine for a controller.
struct Machine {
    place: tempfile::TempDir,
    port: u16,
    daemon: Option<Child>,
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            // One that has ended by itself is as good.
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|one| one.local_addr()).expect("a port").port()
}

impl Machine {
    fn new(moto: &Moto, key: &str) -> Self {
        npanel_pki::tls::install_provider();
        let place = tempfile::tempdir().expect("a directory");
        fs::write(place.path().join("keys"), KEYS).expect("written");
        let (port, fleet, telemetry) = (free_port(), free_port(), free_port());
        let data = place.path().join("data");
        let at_aws = format!(
            "region = \"us-east-1\"\nkeys_file = {:?}\nendpoint = {:?}\n",
            place.path().join("keys"),
            moto.endpoint()
        );
        let text = format!(
            "data_directory = {data:?}\nname = \"c1\"\n[api]\nlisten = \"127.0.0.1:{port}\"\nnames = [\"127.0.0.1\"]\n\
             [fleet]\nlisten = \"127.0.0.1:{fleet}\"\nadvertise = \"127.0.0.1:{fleet}\"\n\
             [telemetry]\nlisten = \"127.0.0.1:{telemetry}\"\n\
             [keys]\nkms = {key:?}\n{at_aws}\
             [backup]\nbucket = \"backups\"\nprefix = \"fleet-1/\"\n{at_aws}\
             [audit_anchor]\nbucket = \"audit\"\n{at_aws}"
        );
        fs::write(place.path().join("controller.toml"), text).expect("written");
        Self { place, port, daemon: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn program(&self, arguments: &[&str]) -> Command {
        let mut program = Command::new(env!("CARGO_BIN_EXE_npanel-controller"));
        program.args(arguments).arg("--config").arg(self.path("controller.toml"));
        program
    }

    fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        self.program(arguments).envs(environment.iter().copied()).output().expect("the program starts")
    }

    /// What a subcommand that succeeds prints.
    fn json(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Value {
        let done = self.run(&[arguments, &["--output", "json"]].concat(), environment);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        serde_json::from_slice(&done.stdout).expect("JSON")
    }

    /// Runs the daemon, which says all it can say.
    fn start(&mut self) {
        let log = fs::File::create(self.path("log")).expect("a file");
        let mut run = self.program(&["run"]);
        run.env("RUST_LOG", "trace").stdout(Stdio::null()).stderr(log);
        self.daemon = Some(run.spawn().expect("the program starts"));
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.path("log")).expect("a log")).into_owned()
    }

    async fn until_logged(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.log().contains(text) {
            let ended = self.daemon.as_mut().and_then(|daemon| daemon.try_wait().expect("a child"));
            assert!(ended.is_none() && Instant::now() < deadline, "{text} is not in {}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn client(&self, key: &Value, ca_file: &Value) -> Client {
        let key = Secret::new(key.as_str().expect("a key"));
        let ca = fs::read(ca_file.as_str().expect("a path")).expect("the CA");
        Client::new(Config::new(vec![format!("https://127.0.0.1:{}", self.port)], key).with_ca(ca))
            .expect("a client")
    }

    async fn machine_key(&self, moto: &Moto, key: &str) -> Vec<u8> {
        let kms = Kms::new(&moto.endpoint(), "us-east-1", key, self.path("keys")).expect("a service");
        let sealed = fs::read(self.path("data/controller/machine.kms")).expect("a sealed key");
        kms.decrypt(&sealed).await.expect("opened").to_vec()
    }
}

fn contains(text: &[u8], sought: &[u8]) -> bool {
    text.windows(sought.len()).any(|part| part == sought)
}

#[tokio::test]
async fn a_fleet_is_made_backed_up_and_restored_with_all_that_it_keeps_at_aws() {
    let Some(moto) = Moto::start() else { return };
    moto.make_bucket("backups", false);
    moto.make_bucket("audit", true);
    let key = moto.make_key();
    let mut first = Machine::new(&moto, &key);
    let made = first.json(&["init"], &[]);
    assert!(!first.path("data/controller/machine.key").exists());
    let machine_key = first.machine_key(&moto, &key).await;
    let checked = String::from_utf8_lossy(&first.run(&["check"], &[]).stdout).into_owned();
    assert!(checked.contains("key management service  it opens what it seals"), "{checked}");

    first.start();
    first.until_logged("running").await;
    let client = first.client(&made["api_key"], &made["ca_file"]);
    let backup = client.backup_to_bucket().await.expect("a backup");
    assert!(backup.object.starts_with("fleet-1/npanel-"), "{backup:?}");
    let bytes = moto.object("backups", &backup.object);
    assert_eq!(bytes.len() as u64, backup.bytes);
    let deadline = Instant::now() + PATIENCE;
    let checkpoints = loop {
        let listed = moto.ask("s3", "GET", "/audit?list-type=2", &[], b"").text();
        if listed.contains(".checkpoint</Key>") {
            break listed;
        }
        assert!(Instant::now() < deadline, "no checkpoint is kept: {}", first.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let name = checkpoints.split("<Key>").nth(1).and_then(|rest| rest.split('<').next()).expect("a name");
    let version = moto.versions("audit").pop().expect("a version");
    let removed = moto.ask("s3", "DELETE", &format!("/audit/{name}?versionId={version}"), &[], b"");
    assert_eq!(removed.status, 403, "{}", removed.text());
    drop(client);
    for (what, secret) in [
        ("the machine's key", machine_key.clone()),
        ("the machine's key", STANDARD.encode(&machine_key).into_bytes()),
        ("the service's key", SECRET.as_bytes().to_vec()),
        ("a signature", b"X-Amz-Signature=".to_vec()),
    ] {
        assert!(!contains(first.log().as_bytes(), &secret), "{what} is in the log");
    }

    // On another machine, with a key of its own.
    let second = Machine::new(&moto, &key);
    let file = second.path("fleet.tar");
    fs::write(&file, bytes).expect("written");
    let file = file.to_string_lossy().into_owned();
    let recovery = [("NPANEL_RECOVERY_KEY", made["recovery_key"].as_str().expect("a key"))];
    let pin = made["ca_pin"].as_str().expect("a pin");
    let opened = second.json(&["restore", "--backup", &file, "--check", "--ca-pin", pin], &recovery);
    assert!(opened["key_opens_it"] == true && opened["is_pinned"] == true, "{opened}");
    let restored = second.json(&["restore", "--backup", &file, "--ca-pin", pin], &recovery);
    assert_eq!(restored["cluster_id"], made["cluster_id"]);
    assert_ne!(second.machine_key(&moto, &key).await, machine_key);
    let mut second = second;
    second.start();
    second.until_logged("running").await;
    let status = second.client(&made["api_key"], &restored["ca_file"]).cluster_status().await;
    assert_eq!(status.expect("a status").cluster_id, made["cluster_id"].as_str().expect("an id"));
}

#[tokio::test]
async fn a_daemon_waits_for_the_service_says_what_to_do_and_starts_when_it_is_there() {
    let Some(moto) = Moto::start() else { return };
    let key = moto.make_key();
    let mut machine = Machine::new(&moto, &key);
    machine.json(&["init"], &[]);
    let configuration = fs::read_to_string(machine.path("controller.toml")).expect("read");
    let keys = machine.path("keys");
    fs::rename(&keys, machine.path("elsewhere")).expect("moved");
    let checked = String::from_utf8_lossy(&machine.run(&["check"], &[]).stdout).into_owned();
    assert!(checked.contains("may use its key to encrypt and decrypt"), "{checked}");
    machine.start();
    machine.until_logged("this controller cannot start before the key management service opens").await;
    let log = machine.log();
    assert!(log.contains("cannot be read") && log.contains("npanel-controller check"), "{log}");
    fs::rename(machine.path("elsewhere"), &keys).expect("moved back");
    machine.until_logged("running").await;

    // Back to a file.
    drop(machine.daemon.take().map(|mut daemon| (daemon.kill(), daemon.wait())));
    let back = configuration.replace("[keys]\n", "[keys]\nback_to_file = true\n");
    fs::write(machine.path("controller.toml"), back).expect("written");
    machine.start();
    machine.until_logged("running").await;
    assert!(machine.path("data/controller/machine.key").exists());
    assert!(!machine.path("data/controller/machine.kms").exists());
    drop(machine.daemon.take().map(|mut daemon| (daemon.kill(), daemon.wait())));
    let without = configuration.split("[keys]").next().expect("a beginning");
    fs::write(machine.path("controller.toml"), without).expect("written");
    machine.start();
    machine.until_logged("running").await;
}
