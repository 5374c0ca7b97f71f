//! The audit through the API: who sees what of it, and proofs that whoever asks can check.

use npanel_audit::{
    Checkpoint, Entry, Frontier, Hash, SignedCheckpoint, VerifierKey, object_from_text, origin,
    verify_consistency, verify_inclusion,
};
use npanel_pki::AuditKey;
use npanel_proto::command::{CreateAuditKey, RecordCheckpoint, envelope::Command, principal::Who};
use npanel_sdk_types::AuditEntry;
use npanel_state::Reader;
use serde_json::{Value, json};

use crate::support::{Fleet, id};

/// What the leader does once a minute.
struct Leader(AuditKey);

impl Leader {
    async fn new(fleet: &Fleet) -> Self {
        let key = AuditKey::generate();
        let sealed_key = fleet.services.authorities.keys().now().wrap_audit_key(&key).expect("sealed");
        let create = CreateAuditKey { public_key: key.public().to_vec(), sealed_key };
        fleet.agreement.accept(Who::ControllerId(1), Command::CreateAuditKey(create)).await;
        Self(key)
    }

    fn verifier(&self) -> VerifierKey {
        VerifierKey::new(&origin("test"), &self.0.public()).expect("a key")
    }

    async fn vouch(&self, fleet: &Fleet) {
        let reader: &Reader = fleet.services.agreement.reader();
        let size = reader.audit_size().await.expect("a size");
        let root = reader.audit_root(size).await.expect("a root");
        let checkpoint = Checkpoint { origin: origin("test"), size, root };
        let signature = self.0.sign(checkpoint.text().as_bytes());
        let note = checkpoint.signed(&self.verifier(), &signature).to_string();
        let record = RecordCheckpoint { note };
        fleet.agreement.accept(Who::ControllerId(1), Command::RecordCheckpoint(record)).await;
    }
}

fn hash(value: &Value) -> Hash {
    value.as_str().expect("text").parse().expect("a hash")
}

fn hashes(value: &Value) -> Vec<Hash> {
    value.as_array().expect("hashes").iter().map(hash).collect()
}

fn checkpoint(value: &Value, key: &VerifierKey) -> Checkpoint {
    let note: SignedCheckpoint = value["note"].as_str().expect("a note").parse().expect("a checkpoint");
    note.verify(key).expect("signed").clone()
}

/// The entry that is shown so.
fn entry(shown: AuditEntry) -> Entry {
    let hash = |text: &String| text.parse().expect("a hash");
    Entry {
        log_index: shown.log_index,
        time_millis: shown.time.as_millis(),
        tenant: shown.tenant_id,
        actor: shown.actor,
        actor_tenant: shown.actor_tenant_id,
        source_address: shown.source_address,
        request_id: object_from_text("request", &shown.request_id).expect("an id"),
        action: shown.action,
        object: object_from_text(&shown.object_kind, &shown.object_id).expect("an id"),
        object_kind: shown.object_kind,
        command_digest: hash(&shown.command_digest),
        before: shown.before_digest.as_ref().map(hash),
        after: shown.after_digest.as_ref().map(hash),
    }
}

#[tokio::test]
async fn an_accepted_write_is_listed_with_who_asked_and_what_it_changed() {
    let fleet = Fleet::new().await;
    let (one, other) = (fleet.reseller("one").await, fleet.reseller("other").await);
    let account = id(&fleet.account(&one, "alice", None).await);
    let path = format!("/v1/audit?object_id={account}");
    let found = fleet.get(&path, &one.key).await.expect(200);
    let [entry] = &found["items"].as_array().expect("items")[..] else { panic!("{found}") };
    assert_eq!(entry["action"], "account.create");
    assert_eq!((&entry["object_kind"], &entry["object_id"]), (&"account".into(), &account.as_str().into()));
    assert_eq!(
        (&entry["tenant_id"], &entry["actor_tenant_id"]),
        (&one.tenant.as_str().into(), &one.tenant.as_str().into())
    );
    assert!(entry["actor"].as_str().is_some_and(|actor| actor.starts_with("api_key/")), "{entry}");
    assert!(entry["before_digest"].is_null() && entry["after_digest"].is_string(), "{entry}");
    assert_eq!(fleet.get(&path, &fleet.admin).await.expect(200)["items"][0], *entry);
    assert_eq!(fleet.get(&path, &other.key).await.expect(200)["items"], serde_json::json!([]));
}

#[tokio::test]
async fn a_list_of_the_audit_goes_on_and_is_filtered() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    for name in ["alice", "bob", "carol"] {
        id(&fleet.account(&of, name, None).await);
    }
    let first = fleet.get("/v1/audit?action=account.create&limit=2", &of.key).await.expect(200);
    let next = first["next"].as_str().expect("there is more");
    let second = fleet
        .get(&format!("/v1/audit?action=account.create&limit=2&after={next}"), &of.key)
        .await
        .expect(200);
    assert_eq!(first["items"].as_array().map(Vec::len), Some(2));
    assert_eq!((second["items"].as_array().map(Vec::len), &second["next"]), (Some(1), &Value::Null));
    let none = fleet.get("/v1/audit?until=2000-01-01T00:00:00Z", &of.key).await.expect(200);
    assert_eq!((&none["items"], &none["next"]), (&serde_json::json!([]), &Value::Null));
    for (query, field) in [("action=nothing", "action"), ("object_id=!", "object_id"), ("since=x", "since")] {
        let answer = fleet.get(&format!("/v1/audit?{query}"), &of.key).await;
        assert_eq!(answer.problem(422, "invalid_query").as_deref(), Some(field), "{query}");
    }
}

#[tokio::test]
async fn every_entry_is_proved_to_be_in_the_signed_tree() {
    let fleet = Fleet::new().await;
    fleet.get("/v1/audit/key", &fleet.admin).await.problem(404, "not_found");
    fleet.get("/v1/audit/checkpoint", &fleet.admin).await.problem(404, "not_found");
    let leader = Leader::new(&fleet).await;
    let (one, other) = (fleet.reseller("one").await, fleet.reseller("other").await);
    leader.vouch(&fleet).await;
    let key = fleet.get("/v1/audit/key", &one.key).await.expect(200);
    let key: VerifierKey = key["key"].as_str().expect("a key").parse().expect("a key");
    assert_eq!(key, leader.verifier());
    let newest = checkpoint(&fleet.get("/v1/audit/checkpoint", &one.key).await.expect(200), &key);
    for position in 0..newest.size {
        let path = format!("/v1/audit/proof/inclusion?position={position}");
        let proof = fleet.get(&path, &fleet.admin).await.expect(200);
        assert_eq!(checkpoint(&proof["checkpoint"], &key), newest);
        let leaf = entry(serde_json::from_value(proof["entry"].clone()).expect("an entry"));
        let shown =
            verify_inclusion(leaf.leaf_hash(), position, newest.size, &hashes(&proof["hashes"]), newest.root);
        assert_eq!(shown, Ok(()), "{position}");
    }
    // Only what one may see is shown, and only in a tree that has it.
    let own = fleet.get("/v1/audit?limit=1", &other.key).await.expect(200)["items"][0]["position"].clone();
    let path = format!("/v1/audit/proof/inclusion?position={own}");
    fleet.get(&path, &other.key).await.expect(200);
    fleet.get(&path, &one.key).await.problem(404, "not_found");
    for size in [own.as_u64().expect("a number"), newest.size + 1] {
        let answer = fleet.get(&format!("{path}&tree_size={size}"), &other.key).await;
        assert_eq!(answer.problem(422, "invalid_query").as_deref(), Some("tree_size"), "{size}");
    }
}

#[tokio::test]
async fn what_was_done_in_a_tenant_that_has_gone_is_listed_and_proved() {
    let fleet = Fleet::new().await;
    let leader = Leader::new(&fleet).await;
    let (one, other) = (fleet.reseller("one").await, fleet.reseller("other").await);
    let sub = id(&fleet.post("/v1/tenants", &one.key, &json!({"name": "sub"})).await);
    let plan = json!({"tenant_id": sub, "name": "basic", "disk_mb": 1000, "php_version": "8.2"});
    let plan = id(&fleet.post("/v1/plans", &one.key, &plan).await);
    fleet.delete(&format!("/v1/plans/{plan}"), &one.key).await.expect(204);
    fleet.delete(&format!("/v1/tenants/{sub}"), &one.key).await.expect(204);
    leader.vouch(&fleet).await;
    let path = format!("/v1/audit?tenant_id={sub}");
    let mut positions = Vec::new();
    for key in [&fleet.admin, &one.key] {
        let found = fleet.get(&path, key).await.expect(200);
        let items = found["items"].as_array().expect("items");
        let actions: Vec<_> = items.iter().map(|item| item["action"].as_str().expect("text")).collect();
        assert_eq!(actions, ["tenant.delete", "plan.delete", "plan.create"]);
        positions = items.iter().map(|item| item["position"].as_u64().expect("a place")).collect();
    }
    assert_eq!(fleet.get(&path, &other.key).await.expect(200)["items"], json!([]));
    for position in positions {
        let path = format!("/v1/audit/proof/inclusion?position={position}");
        fleet.get(&path, &one.key).await.expect(200);
        fleet.get(&path, &other.key).await.problem(404, "not_found");
    }
    // Whoever verifies the entries reads all of them, and finds none missing.
    let newest =
        checkpoint(&fleet.get("/v1/audit/checkpoint", &fleet.admin).await.expect(200), &leader.verifier());
    let mut tree = Frontier::default();
    for position in 0..newest.size {
        let path = format!("/v1/audit/proof/inclusion?position={position}");
        let proof = fleet.get(&path, &fleet.admin).await.expect(200);
        let leaf = entry(serde_json::from_value(proof["entry"].clone()).expect("an entry"));
        tree.append(leaf.leaf_hash());
    }
    assert_eq!(tree.root(), newest.root);
}

#[tokio::test]
async fn the_tree_is_proved_to_go_on_from_every_checkpoint() {
    let fleet = Fleet::new().await;
    let leader = Leader::new(&fleet).await;
    for name in ["one", "two", "three"] {
        fleet.reseller(name).await;
        leader.vouch(&fleet).await;
    }
    let listed = fleet.get("/v1/audit/checkpoints", &fleet.admin).await.expect(200);
    let all: Vec<_> = listed["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| checkpoint(item, &leader.verifier()))
        .collect();
    assert_eq!(all.len(), 3);
    assert!(all.is_sorted_by(|newer, older| newer.size > older.size));
    for first in &all {
        let path = format!("/v1/audit/proof/consistency?first_size={}", first.size);
        let proof = fleet.get(&path, &fleet.admin).await.expect(200);
        let second = (proof["second_size"].as_u64().expect("a size"), hash(&proof["root_hash"]));
        assert_eq!(second, (all[0].size, all[0].root));
        assert_eq!(verify_consistency((first.size, first.root), second, &hashes(&proof["hashes"])), Ok(()));
    }
    let path = format!("/v1/audit/proof/consistency?first_size={}", all[0].size + 9);
    let answer = fleet.get(&path, &fleet.admin).await;
    assert_eq!(answer.problem(422, "invalid_query").as_deref(), Some("first_size"));
    let path = format!("/v1/audit/proof/consistency?first_size=0&second_size={}", all[0].size + 9);
    let answer = fleet.get(&path, &fleet.admin).await;
    assert_eq!(answer.problem(422, "invalid_query").as_deref(), Some("second_size"));
}

#[tokio::test]
async fn a_position_that_no_tree_has_is_not_found() {
    let fleet = Fleet::new().await;
    for position in [u64::MAX, 1 << 63, (1 << 63) - 1, 1_000_000] {
        let path = format!("/v1/audit/proof/inclusion?position={position}");
        fleet.get(&path, &fleet.admin).await.problem(404, "not_found");
    }
}
