//! Whose is what: names, tenants, keys, limits.

use crate::support::{World, by, key};
use npanel_model::{ApiKeyId, DatabaseUserId, OperationId};
use npanel_proto::command::{
    CreateDatabaseUser, CreateToken, DatabaseGrant, DeleteAccount, Envelope, Principal, envelope::Command,
    outcome,
};
use npanel_state::{Page, RefusalCode};

#[tokio::test]
async fn a_domain_belongs_to_one_account_with_everything_beneath_and_above() {
    let mut world = World::new().await;
    let (acme, rival) = (world.reseller("acme", None).await, world.reseller("rival", None).await);
    world.new_account(&acme, "alice", Some("shop.example.com")).await;
    let mallory = world.new_account(&rival, "mallory", None).await;
    for (name, code) in [
        ("shop.example.com", RefusalCode::NameTaken),
        ("SHOP.example.com.", RefusalCode::NameTaken),
        ("mail.shop.example.com", RefusalCode::NameOverlaps),
        ("example.com", RefusalCode::NameOverlaps),
    ] {
        let command = Command::CreateDomain(world.domain(mallory, name));
        assert_eq!(world.refuse(by(rival.key), command).await, code, "{name}");
    }
    world.accept(by(rival.key), Command::CreateDomain(world.domain(mallory, "badshop.example.com"))).await;
}

#[tokio::test]
async fn another_tenants_object_does_not_exist() {
    let mut world = World::new().await;
    let (acme, rival) = (world.reseller("acme", None).await, world.reseller("rival", None).await);
    let alice = world.new_account(&acme, "alice", None).await;
    let delete = Command::DeleteAccount(DeleteAccount {
        account_id: alice.to_bytes(),
        operation_id: OperationId::generate().to_bytes(),
        retention_seconds: None,
    });
    assert_eq!(world.refuse(by(rival.key), delete.clone()).await, RefusalCode::NotFound);
    assert_eq!(
        world.refuse(by(rival.key), Command::CreateDomain(world.domain(alice, "a.example.com"))).await,
        RefusalCode::NotFound
    );
    let (_, in_their_name) = world.account(&acme, "bob", None);
    assert_eq!(
        world.refuse(by(rival.key), Command::CreateAccount(in_their_name)).await,
        RefusalCode::NotFound
    );
    assert!(world.store.reader().account(rival.tenant, alice).await.expect("a query").is_none());
    world.accept(world.by_admin(), delete).await;
}

#[tokio::test]
async fn a_database_user_gets_rights_on_its_own_accounts_databases_only() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let (alice, bob) =
        (world.new_account(&acme, "alice", None).await, world.new_account(&acme, "bob", None).await);
    let of_alice = world.new_database(&acme, alice, "alice_shop").await;
    let grant = |account: npanel_model::AccountId, name: &str| {
        Command::CreateDatabaseUser(CreateDatabaseUser {
            database_user_id: DatabaseUserId::generate().to_bytes(),
            account_id: account.to_bytes(),
            name: name.into(),
            sealed_password_hash: vec![1],
            grants: vec![DatabaseGrant { database_id: of_alice.to_bytes(), privileges: "all".into() }],
            operation_id: OperationId::generate().to_bytes(),
        })
    };
    assert_eq!(world.refuse(by(acme.key), grant(bob, "bob_x")).await, RefusalCode::NotFound);
    assert_eq!(world.refuse(by(acme.key), grant(bob, "alice_x")).await, RefusalCode::Invalid);
    world.accept(by(acme.key), grant(alice, "alice_x")).await;
}

#[tokio::test]
async fn a_key_does_what_its_patterns_cover_and_hands_on_no_more() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let narrow = ApiKeyId::generate();
    world
        .accept(
            by(acme.key),
            Command::CreateApiKey(key(narrow, acme.tenant, &["domain.*", "api_key.create"])),
        )
        .await;
    let (_, account) = world.account(&acme, "alice", None);
    assert_eq!(world.refuse(by(narrow), Command::CreateAccount(account)).await, RefusalCode::Forbidden);
    let wider = Command::CreateApiKey(key(ApiKeyId::generate(), acme.tenant, &["account.create"]));
    assert_eq!(world.refuse(by(narrow), wider).await, RefusalCode::Forbidden);
    let upward = Command::CreateApiKey(key(ApiKeyId::generate(), world.root, &["domain.create"]));
    assert_eq!(world.refuse(by(narrow), upward).await, RefusalCode::NotFound);
    let unknown = ApiKeyId::generate();
    let (_, account) = world.account(&acme, "alice", None);
    assert_eq!(
        world.refuse(by(unknown), Command::CreateAccount(account)).await,
        RefusalCode::Unauthenticated
    );
}

#[tokio::test]
async fn only_the_platform_makes_bootstrap_tokens() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let token = Command::CreateToken(CreateToken {
        token_id: npanel_model::TokenId::generate().to_bytes(),
        role: "node".into(),
        secret_hash: crate::support::HASH.to_vec(),
        uses: 1,
        expires_millis: world.now + 1000,
        pool: "default".into(),
        ..CreateToken::default()
    });
    assert_eq!(world.refuse(by(acme.key), token).await, RefusalCode::Forbidden);
}

#[tokio::test]
async fn a_tenants_limit_counts_its_accounts() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", Some(1)).await;
    world.new_account(&acme, "alice", None).await;
    let (_, second) = world.account(&acme, "bob", None);
    assert_eq!(world.refuse(by(acme.key), Command::CreateAccount(second)).await, RefusalCode::LimitReached);
}

#[tokio::test]
async fn uids_are_given_out_once() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let alice = world.new_account(&acme, "alice", None).await;
    let first = world.store.reader().account(world.root, alice).await.expect("a query").expect("alice").uid;
    let delete = Command::DeleteAccount(DeleteAccount {
        account_id: alice.to_bytes(),
        operation_id: OperationId::generate().to_bytes(),
        retention_seconds: Some(0),
    });
    world.accept(by(acme.key), delete).await;
    world.observe_all("removed").await;
    assert!(world.store.reader().account(world.root, alice).await.expect("a query").is_none());
    let again = world.new_account(&acme, "alice", None).await;
    let second = world.store.reader().account(world.root, again).await.expect("a query").expect("alice").uid;
    assert!(second > first);
}

#[tokio::test]
async fn the_same_idempotency_key_does_it_once() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let mut envelope = Envelope {
        principal: Some(Principal { who: Some(by(acme.key)) }),
        idempotency_key: "k1".into(),
        request_digest: vec![1],
        feature_level: npanel_state::FEATURE_LEVEL,
        time_millis: world.now,
        command: Some(Command::CreateAccount(world.account(&acme, "alice", None).1)),
        ..Envelope::default()
    };
    let first = world.apply_envelope(envelope.clone()).await;
    envelope.command = Some(Command::CreateAccount(world.account(&acme, "alice", None).1));
    let second = world.apply_envelope(envelope.clone()).await;
    let object = |outcome: npanel_proto::command::Outcome| match outcome.outcome {
        Some(outcome::Outcome::Accepted(accepted)) => (accepted.object_id, accepted.replayed),
        other => panic!("not accepted: {other:?}"),
    };
    let (id, replayed) = object(first);
    assert!(!replayed);
    assert_eq!(object(second), (id, true));
    envelope.request_digest = vec![2];
    let third = world.apply_envelope(envelope).await.outcome;
    assert!(
        matches!(third, Some(outcome::Outcome::Refused(refused)) if refused.code == "idempotency_key_reused")
    );
    let page = Page { limit: 9, ..Page::default() };
    let accounts = world.store.reader().accounts(acme.tenant, Default::default(), &page);
    assert_eq!(accounts.await.expect("a list").len(), 1);
}

#[tokio::test]
async fn the_fleets_own_names_are_nobodys() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let alice = world.new_account(&acme, "alice", None).await;
    for name in ["ns.example", "n1.ns.example", "a.n1.ns.example"] {
        let command = Command::CreateDomain(world.domain(alice, name));
        assert_eq!(world.refuse(by(acme.key), command).await, RefusalCode::NameTaken, "{name}");
    }
}

#[tokio::test]
async fn no_number_in_a_command_stops_a_replica() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    for extreme in [u64::MAX, 1 << 63] {
        let plan = Command::CreatePlan(npanel_proto::command::CreatePlan {
            plan_id: npanel_model::PlanId::generate().to_bytes(),
            tenant_id: acme.tenant.to_bytes(),
            name: "boom".into(),
            disk_mb: extreme,
            domains: Some(extreme),
            databases: Some(extreme),
            php_version: "8.2".into(),
            ..npanel_proto::command::CreatePlan::default()
        });
        assert_eq!(world.refuse(by(acme.key), plan).await, RefusalCode::Invalid);
        let alice = world.account(&acme, "alice", None).0;
        let delete = Command::DeleteAccount(DeleteAccount {
            account_id: alice.to_bytes(),
            operation_id: OperationId::generate().to_bytes(),
            retention_seconds: Some(extreme),
        });
        assert_eq!(world.refuse(by(acme.key), delete).await, RefusalCode::NotFound);
    }
    let live = world.new_account(&acme, "alice", None).await;
    let delete = Command::DeleteAccount(DeleteAccount {
        account_id: live.to_bytes(),
        operation_id: OperationId::generate().to_bytes(),
        retention_seconds: Some(u64::MAX),
    });
    assert_eq!(world.refuse(by(acme.key), delete).await, RefusalCode::Invalid);
    world.new_account(&acme, "bob", None).await;
}

#[tokio::test]
async fn a_plan_is_seen_by_those_it_is_handed_down_to() {
    let mut world = World::new().await;
    let (acme, rival) = (world.reseller("acme", None).await, world.reseller("rival", None).await);
    let plans = async |scope| {
        let page = Page { limit: 9, ..Page::default() };
        let found = world.store.reader().plans(scope, Default::default(), &page).await.expect("a list");
        found.into_iter().map(|plan| plan.id).collect::<Vec<_>>()
    };
    assert_eq!(plans(acme.tenant).await, [acme.plan]);
    assert!(!plans(rival.tenant).await.contains(&acme.plan));
    assert_eq!(plans(world.root).await.len(), 2);
}
