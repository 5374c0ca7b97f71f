//! Everything that is held on a tenant or an account, read out.

use std::{collections::BTreeMap, ops::ControlFlow, sync::mpsc};

use npanel_model::{DomainId, OperationId, UserId};
use npanel_proto::command::{CreateUser, DeleteDomain, ExportAccount, ExportTenant, envelope::Command};
use npanel_state::{ExportBegun, ExportEnd, ExportOf, ExportSink, RefusalCode};
use serde_json::Value;

use crate::support::{Reseller, World, by, key};

/// Keeps all of it; waits at the beginning for whoever holds it up.
#[derive(Default)]
struct Kept {
    begun: Option<ExportBegun>,
    rows: BTreeMap<&'static str, Vec<Value>>,
    current: &'static str,
    held_up: Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>,
}

impl ExportSink for Kept {
    fn begin(&mut self, begun: ExportBegun) -> ControlFlow<()> {
        self.begun = Some(begun);
        if let Some((began, go_on)) = &self.held_up {
            began.send(()).expect("somebody waits");
            go_on.recv().expect("a word");
        }
        ControlFlow::Continue(())
    }

    fn document(&mut self, name: &'static str, _: &'static str) -> ControlFlow<()> {
        self.current = name;
        self.rows.entry(name).or_default();
        ControlFlow::Continue(())
    }

    fn row(&mut self, row: &Value) -> ControlFlow<()> {
        self.rows.entry(self.current).or_default().push(row.clone());
        ControlFlow::Continue(())
    }
}

impl Kept {
    fn texts(&self, document: &str, field: &str) -> Vec<&str> {
        self.rows[document].iter().filter_map(|row| row[field].as_str()).collect()
    }

    fn all(&self) -> String {
        serde_json::to_string(&self.rows).expect("JSON")
    }
}

fn export(world: &World, of: ExportOf) -> Kept {
    let mut kept = Kept::default();
    assert_eq!(world.store.reader().export(of, &mut kept).expect("read"), ExportEnd::Whole);
    kept
}

async fn user(world: &mut World, of: &Reseller, login: &str, accounts: Vec<Vec<u8>>) -> UserId {
    let id = UserId::generate();
    let command = CreateUser {
        user_id: id.to_bytes(),
        tenant_id: of.tenant.to_bytes(),
        login: login.into(),
        name: format!("The one with {login}"),
        role: "owner".into(),
        actions: vec!["*".into()],
        accounts,
        password_hash: "$argon2id$v=19$m=19456,t=2,p=1$c2VjcmV0$MARKEDHASH".into(),
        identity: None,
    };
    world.accept(by(of.key), Command::CreateUser(command)).await;
    id
}

#[tokio::test]
async fn an_export_has_all_of_a_tenant_and_nothing_of_another() {
    let mut world = World::new().await;
    let (acme, other) = (world.reseller("acme", None).await, world.reseller("other", None).await);
    let beneath = world.reseller_beneath(acme.tenant, "beneath", None).await;
    world.new_account(&acme, "alice", Some("alice.example")).await;
    world.new_account(&beneath, "below", Some("below.example")).await;
    let foreign = world.new_account(&other, "mallory", Some("mallory.example")).await;
    user(&mut world, &other, "mallory@mallory.example", vec![foreign.to_bytes()]).await;
    let kept = export(&world, ExportOf::Tenant(acme.tenant));
    assert_eq!(kept.begun.as_ref().map(|begun| begun.name.as_str()), Some("acme"));
    assert_eq!(kept.begun.as_ref().map(|begun| begun.index), Some(world.index));
    assert_eq!(kept.texts("tenants", "name"), ["acme", "beneath"]);
    assert_eq!(kept.texts("accounts", "username"), ["alice", "below"]);
    assert_eq!(kept.texts("domains", "name"), ["alice.example", "below.example"]);
    assert_eq!(kept.texts("zones", "name"), ["alice.example", "below.example"]);
    assert_eq!(kept.rows["api_keys"].len(), 2);
    assert!(!kept.rows["record_sets"].is_empty() && !kept.rows["on_nodes"].is_empty());
    let audit = kept.texts("audit", "action");
    assert!(audit.contains(&"account.create") && audit.contains(&"plan.create"), "{audit:?}");
    let all = kept.all();
    for of_others in ["mallory", &other.tenant.to_string(), &foreign.to_string()] {
        assert!(!all.contains(of_others), "{of_others} is in it");
    }
}

#[tokio::test]
async fn an_accounts_export_has_what_concerns_it_also_what_is_gone_and_no_secret() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let alice = world.new_account(&acme, "alice", Some("alice.example")).await;
    let bob = world.new_account(&acme, "bob", Some("bob.example")).await;
    user(&mut world, &acme, "alice@alice.example", vec![alice.to_bytes()]).await;
    user(&mut world, &acme, "both@both.example", vec![alice.to_bytes(), bob.to_bytes()]).await;
    user(&mut world, &acme, "bob@bob.example", vec![bob.to_bytes()]).await;
    let domain = world.domain(alice, "second.example");
    let gone = DomainId::from_bytes(&domain.domain_id).expect("an id");
    world.accept(by(acme.key), Command::CreateDomain(domain)).await;
    let delete =
        DeleteDomain { domain_id: gone.to_bytes(), operation_id: OperationId::generate().to_bytes() };
    world.accept(by(acme.key), Command::DeleteDomain(delete)).await;
    world.observe_all("removed").await;

    let kept = export(&world, ExportOf::Account(alice));
    assert_eq!(kept.texts("accounts", "username"), ["alice"]);
    assert_eq!(kept.texts("domains", "name"), ["alice.example"], "the other has gone");
    assert_eq!(kept.texts("plans", "name"), ["basic"]);
    assert_eq!(kept.texts("users", "login"), ["alice@alice.example"]);
    assert_eq!(kept.rows["users"][0]["has_password"], true);
    assert_eq!(kept.texts("users_of_several_accounts", "login"), ["both@both.example"]);
    assert_eq!(kept.rows["users_of_several_accounts"][0].get("accounts"), None);
    let of_gone = |row: &&Value| row["object_id"] == gone.to_string();
    let audit: Vec<_> = kept.rows["audit"].iter().filter(of_gone).map(|row| row["action"].clone()).collect();
    assert_eq!(audit, ["domain.create", "domain.delete"], "what was done to what has gone is in it");
    let all = kept.all();
    for absent in ["bob", &bob.to_string(), "MARKEDHASH", "argon2"] {
        assert!(!all.contains(absent), "{absent} is in it");
    }
    assert!(!kept.rows.contains_key("tenants") && !kept.rows.contains_key("webhooks"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_is_of_one_moment_however_long_it_takes() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    world.new_account(&acme, "alice", None).await;
    let ((began, has_begun), (word, go_on)) = (mpsc::channel(), mpsc::channel());
    let (reader, tenant) = (world.store.reader().clone(), acme.tenant);
    let exporting = tokio::task::spawn_blocking(move || {
        let mut kept = Kept { held_up: Some((began, go_on)), ..Kept::default() };
        reader.export(ExportOf::Tenant(tenant), &mut kept).expect("read");
        kept
    });
    tokio::task::block_in_place(|| has_begun.recv()).expect("it begins");
    world.new_account(&acme, "late", None).await;
    word.send(()).expect("it waits");
    let kept = exporting.await.expect("made");
    assert_eq!(kept.texts("accounts", "username"), ["alice"]);
    assert_eq!(export(&world, ExportOf::Tenant(acme.tenant)).rows["accounts"].len(), 2);
}

#[tokio::test]
async fn an_export_is_on_record_and_for_who_may() {
    let mut world = World::new().await;
    let (acme, other) = (world.reseller("acme", None).await, world.reseller("other", None).await);
    let alice = world.new_account(&acme, "alice", None).await;
    let of_tenant = || Command::ExportTenant(ExportTenant { tenant_id: acme.tenant.to_bytes() });
    let of_account = || Command::ExportAccount(ExportAccount { account_id: alice.to_bytes() });
    for command in [of_tenant(), of_account()] {
        assert_eq!(world.refuse(by(other.key), command).await, RefusalCode::NotFound);
    }
    let looks = npanel_model::ApiKeyId::generate();
    world
        .accept(by(acme.key), Command::CreateApiKey(key(looks, acme.tenant, &["account.get", "tenant.get"])))
        .await;
    for command in [of_tenant(), of_account()] {
        assert_eq!(world.refuse(by(looks), command).await, RefusalCode::Forbidden);
    }
    let before = world.rows(&["SELECT count(*) FROM audit"]).await;
    world.accept(by(acme.key), of_tenant()).await;
    world.accept(by(acme.key), of_account()).await;
    let kept = export(&world, ExportOf::Tenant(acme.tenant));
    let actions = kept.texts("audit", "action");
    assert_eq!(actions[actions.len() - 2..], ["tenant.export", "account.export"], "after {before:?}");
    let gone = Kept::default();
    let mut sink = gone;
    let nobody = ExportOf::Account(npanel_model::AccountId::generate());
    assert_eq!(world.store.reader().export(nobody, &mut sink).expect("read"), ExportEnd::NotThere);
}
