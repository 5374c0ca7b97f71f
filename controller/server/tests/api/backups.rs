//! Backups through the API.

use axum::body::Body;
use http::{Method, header};
use http_body_util::BodyExt;
use npanel_backup::{Backup, FORMAT, Manifest, Vouched, head, tail};
use npanel_model::Timestamp;
use npanel_pki::{
    CertificateAuthority, ClusterId, ClusterKey, ClusterKeys, ClusterSecrets, RecoveryKey, backup_vouched_by,
};
use npanel_proto::command::{HoldClusterKey, OfferClusterKey, envelope::Command, principal::Who};
use npanel_server::{
    config::Config,
    daemon::{check_backup, restore},
};
use npanel_state::Store;
use serde_json::json;

use crate::support::{Fleet, JSON};

const ROUTE: &str = "/v1/cluster/backup";

async fn with_key(fleet: &Fleet) -> RecoveryKey {
    let key = RecoveryKey::generate().expect("a key");
    let request =
        Fleet::request(Method::PATCH, "/v1/cluster", &fleet.admin).header(header::CONTENT_TYPE, JSON);
    let body = json!({"recovery_key": key.public().to_string()}).to_string();
    let shown = fleet.send(request.body(Body::from(body)).expect("a request")).await.expect(200);
    assert_eq!(shown["recovery_key"], key.public().to_string());
    key
}

async fn download(fleet: &Fleet, to: &std::path::Path) {
    let request = Fleet::request(Method::POST, ROUTE, &fleet.admin).header(header::CONTENT_TYPE, JSON);
    let response = fleet.open(request.body(Body::from("{}")).expect("a request")).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/x-tar");
    let said: usize = response.headers()["content-length"].to_str().expect("text").parse().expect("a number");
    let bytes = response.into_body().collect().await.expect("a body").to_bytes();
    assert_eq!(bytes.len(), said);
    std::fs::write(to, bytes).expect("written");
}

#[tokio::test]
async fn a_backup_is_made_without_a_leader_and_holds_what_a_controller_needs() {
    let fleet = Fleet::new().await;
    let key = with_key(&fleet).await;
    fleet.agreement.lose_leader();
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("fleet.tar");
    download(&fleet, &file).await;
    let backup = Backup::open(&file).expect("a backup");
    backup.check().expect("whole");
    let secrets = key.open(&backup.manifest_digest(), backup.secrets()).expect("opened");
    assert_eq!(secrets, fleet.services.authorities.secrets());
    let signed_by = backup_vouched_by(
        backup.authority(),
        &backup.manifest_digest(),
        backup.secrets(),
        backup.signature(),
    );
    assert_eq!(signed_by.expect("signed"), fleet.services.authorities.pin());
    let state = directory.path().join("state.db");
    backup.extract_state(&state).expect("written");
    let hash = Store::content_hash_of(&state).expect("a state").hash;
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(backup.manifest().content_sha256, hash);
    assert_eq!(backup.manifest().index, fleet.agreement.applied_now());
    // Another can be made afterwards: nothing is held on to, nor left.
    download(&fleet, &directory.path().join("again.tar")).await;
}

/// A machine on which a backup is looked at.
struct Machine {
    directory: tempfile::TempDir,
    config: Config,
}

impl Machine {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("controller.toml");
        let text = format!(
            "data_directory = {:?}\nname = \"c1\"\n[api]\nlisten = \"127.0.0.1:0\"\nnames = [\"localhost\"]\n\
             [fleet]\nlisten = \"127.0.0.1:0\"\nadvertise = \"127.0.0.1:8444\"\n[telemetry]\nlisten = \"127.0.0.1:0\"\n",
            directory.path()
        );
        std::fs::write(&file, text).expect("written");
        let config = Config::load(&file).expect("a configuration");
        Self { directory, config }
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }
}

/// What a backup is made of.
struct Parts {
    manifest: Manifest,
    secrets: Vec<u8>,
    authority: Vec<u8>,
    signature: Vec<u8>,
    state: Vec<u8>,
}

impl Parts {
    fn of(file: &std::path::Path) -> Self {
        let backup = Backup::open(file).expect("a backup");
        let directory = tempfile::tempdir().expect("a directory");
        let state = directory.path().join("state.db");
        backup.extract_state(&state).expect("written");
        Self {
            manifest: backup.manifest().clone(),
            secrets: backup.secrets().to_vec(),
            authority: backup.authority().to_vec(),
            signature: backup.signature().to_vec(),
            state: std::fs::read(state).expect("read"),
        }
    }

    fn digest(&self) -> [u8; 32] {
        Manifest::digest(&self.manifest.to_bytes())
    }

    fn write(&self, to: &std::path::Path) {
        let manifest = self.manifest.to_bytes();
        let vouched = Vouched {
            manifest: &manifest,
            secrets: &self.secrets,
            authority: &self.authority,
            signature: &self.signature,
        };
        let length = self.state.len() as u64;
        let bytes = [head(vouched, length, 1), self.state.clone(), tail(length)].concat();
        std::fs::write(to, bytes).expect("written");
    }
}

#[tokio::test]
async fn a_backup_that_somebody_else_made_is_not_restored() {
    let fleet = Fleet::new().await;
    let key = with_key(&fleet).await;
    let machine = Machine::new();
    let genuine = machine.file("genuine.tar");
    download(&fleet, &genuine).await;
    let own_pin = fleet.services.authorities.pin();
    let checked = check_backup(&machine.config, &genuine, Some(&key), Some(own_pin)).expect("whole");
    assert!(checked.signed_by == own_pin && checked.is_pinned && checked.is_opened);

    // All of it another's: an authority, a cluster key, and any state. The key to seal to stands in the manifest.
    let authority =
        CertificateAuthority::create(ClusterId::generate(), Timestamp::now()).expect("an authority");
    let secrets = ClusterSecrets::new(&authority, ClusterKey::generate());
    let mut forged = Parts::of(&genuine);
    let public = forged.manifest.recovery_key.parse::<npanel_pki::RecoveryPublicKey>().expect("a key");
    forged.manifest.epoch += 1;
    forged.secrets = public.seal(&secrets, &forged.digest()).expect("sealed");
    forged.authority = authority.certificate_pem().into_bytes();
    forged.signature = authority.vouch_for_backup(&forged.digest(), &forged.secrets).expect("signed");
    let file = machine.file("forged.tar");
    forged.write(&file);
    let checked = check_backup(&machine.config, &file, Some(&key), None).expect("it is whole");
    assert!(checked.signed_by == authority.pin() && !checked.is_pinned, "whose it is, is told");
    let refused =
        check_backup(&machine.config, &file, Some(&key), Some(own_pin)).expect_err("forged").to_string();
    assert!(refused.contains(&own_pin.to_string()), "{refused}");
    assert!(refused.contains(&authority.pin().to_string()), "{refused}");
    let refused = restore(&machine.config, &file, &key, Some(own_pin)).await.expect_err("forged").to_string();
    assert!(refused.contains("forged"), "{refused}");
    // Whoever does not know the pin is told what to do.
    for file in [&file, &genuine] {
        let refused = restore(&machine.config, file, &key, None).await.expect_err("no pin").to_string();
        assert!(refused.contains("--ca-pin") && refused.contains("bootstrap token"), "{refused}");
    }
    assert!(!machine.file("controller").exists(), "nothing is made of it");

    // A part of it another's.
    let mut changed = Parts::of(&genuine);
    changed.manifest.epoch += 1;
    let mut with_secrets = Parts::of(&genuine);
    with_secrets.secrets = public.seal(&secrets, &with_secrets.digest()).expect("sealed");
    let mut signed = Parts::of(&genuine);
    signed.signature = authority.vouch_for_backup(&signed.digest(), &signed.secrets).expect("signed");
    for (what, parts) in [("manifest", changed), ("secrets", with_secrets), ("signature", signed)] {
        parts.write(&file);
        for pin in [Some(own_pin), None] {
            let refused = check_backup(&machine.config, &file, Some(&key), pin).expect_err(what).to_string();
            assert!(refused.contains("it was changed"), "{what}: {refused}");
        }
    }
    // Signed by whom it does not have inside.
    let mut adopted = Parts::of(&genuine);
    adopted.authority = authority.certificate_pem().into_bytes();
    adopted.signature = authority.vouch_for_backup(&adopted.digest(), &adopted.secrets).expect("signed");
    adopted.write(&file);
    let refused =
        check_backup(&machine.config, &file, Some(&key), Some(authority.pin())).expect_err("adopted");
    assert!(refused.to_string().contains("not one that a controller made"), "{refused}");
    // From before backups were signed.
    let mut older = Parts::of(&genuine);
    older.manifest.format = FORMAT - 1;
    older.write(&file);
    let refused = check_backup(&machine.config, &file, None, None).expect_err("older");
    assert!(format!("{refused:#}").contains("nobody signed"), "{refused:#}");
}

#[tokio::test]
async fn no_secret_of_the_cluster_is_to_be_read_in_a_backup() {
    let fleet = Fleet::new().await;
    let key = with_key(&fleet).await;
    let reseller = fleet.reseller("acme").await;
    let account = crate::support::id(&fleet.account(&reseller, "alice", Some("example.com")).await);
    let database = json!({"account_id": account, "name": "shop"});
    fleet.post("/v1/databases", &reseller.key, &database).await.expect(201);
    let user = json!({"account_id": account, "name": "shop", "password": "marked-password-1"});
    fleet.post("/v1/database-users", &reseller.key, &user).await.expect(201);
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("fleet.tar");
    download(&fleet, &file).await;
    let bytes = std::fs::read(file).expect("read");
    let secret = |key: &str| key.split_once('.').expect("two parts").1.to_owned();
    for marked in [
        "marked-password-1".to_owned(),
        "PRIVATE KEY".to_owned(),
        secret(&fleet.admin),
        secret(&reseller.key),
        key.reveal().expose()[4..].to_owned(),
    ] {
        assert!(!bytes.windows(marked.len()).any(|window| window == marked.as_bytes()), "{marked}");
    }
}

#[tokio::test]
async fn without_a_recovery_key_or_a_bucket_there_is_none_and_it_says_what_to_do() {
    let fleet = Fleet::new().await;
    let refused = fleet.post(ROUTE, &fleet.admin, &json!({})).await;
    refused.problem(422, "unavailable");
    assert!(refused.text.contains("npanel-controller recovery-key"), "{}", refused.text);
    with_key(&fleet).await;
    let refused = fleet.post(ROUTE, &fleet.admin, &json!({"to": "bucket"})).await;
    assert_eq!(refused.problem(422, "unavailable").as_deref(), Some("to"));
    fleet.post(ROUTE, &fleet.admin, &json!({"to": "nowhere"})).await.problem(422, "invalid_body");
    let looked_at = fleet.post(&format!("{ROUTE}?dry_run=true"), &fleet.admin, &json!({})).await.expect(200);
    assert!(
        looked_at["warnings"][0].as_str().is_some_and(|text| text.contains("none was made")),
        "{looked_at}"
    );
    let wrong = json!({"recovery_key": "npr_x"}).to_string();
    let request =
        Fleet::request(Method::PATCH, "/v1/cluster", &fleet.admin).header(header::CONTENT_TYPE, JSON);
    let refused = fleet.send(request.body(Body::from(wrong)).expect("a request")).await;
    assert_eq!(refused.problem(422, "invalid").as_deref(), Some("recovery_key"));
}

#[tokio::test]
async fn a_controller_that_lacks_the_cluster_key_makes_no_backup_until_it_has_it() {
    let fleet = Fleet::new().await;
    with_key(&fleet).await;
    let next = ClusterKey::successor();
    let machine = Who::ControllerId(1);
    fleet.post("/v1/secrets/rotate", &fleet.admin, &json!({})).await.expect(202);
    let name = next.name_bytes();
    fleet
        .agreement
        .accept(machine.clone(), Command::OfferClusterKey(OfferClusterKey { name: name.clone() }))
        .await;
    // Nothing is sealed by what is only offered.
    let directory = tempfile::tempdir().expect("a directory");
    download(&fleet, &directory.path().join("before.tar")).await;
    fleet.agreement.accept(machine, Command::HoldClusterKey(HoldClusterKey { name })).await;

    let refused = fleet.post(ROUTE, &fleet.admin, &json!({})).await;
    refused.problem(503, "key_missing");
    assert!(refused.text.contains("the cluster key of version 2"), "{}", refused.text);
    assert!(refused.text.contains("ask another controller"), "{}", refused.text);
    assert!(!refused.header("retry-after").is_empty());

    // It takes the key over; the old one is needed still.
    let authorities = &fleet.services.authorities;
    let mut keys = authorities.secrets().cluster_keys();
    keys.add(next.clone());
    authorities.replace(authorities.secrets().with_cluster_keys(keys)).expect("replaced");
    download(&fleet, &directory.path().join("after.tar")).await;
    let only_new = authorities.secrets().with_cluster_keys(ClusterKeys::new(next));
    authorities.replace(only_new).expect("replaced");
    let refused = fleet.post(ROUTE, &fleet.admin, &json!({})).await;
    refused.problem(503, "key_missing");
    assert!(refused.text.contains("the cluster key of version 1"), "{}", refused.text);
}

#[tokio::test]
async fn a_backup_is_for_the_platform_with_that_very_right() {
    let fleet = Fleet::new().await;
    with_key(&fleet).await;
    let root = fleet.root.to_string();
    let reads = fleet.key(&fleet.admin, &root, &["cluster.status", "audit.*", "node.*"]).await;
    let reseller = fleet.reseller("acme").await;
    for key in [&reads, &reseller.key] {
        fleet.post(ROUTE, key, &json!({})).await.problem(403, "forbidden");
    }
}
