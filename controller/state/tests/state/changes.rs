//! Changes of what exists: plans and their accounts, suspension, and the conditions that callers put on a write.

use npanel_model::{AccountId, ApiKeyId, DomainId, OperationId, PlanId};
use npanel_proto::command::{
    AddRecordSet, CreateDatabaseUser, CreatePlan, Envelope, LimitChange, MissingCapability, Principal,
    SuspendAccount, SuspendDomain, UnsuspendAccount, UnsuspendDomain, UpdateAccount, UpdateApiKey,
    UpdateNodeFacts, UpdatePlan, UpdateRecordSet, envelope::Command, outcome::Outcome, principal::Who,
};
use npanel_state::{Account, IntentSource, ObjectKind, ObjectStatus, OwnedFilter, Page, RefusalCode};

use crate::support::{Reseller, World, by, key};

fn operation() -> Vec<u8> {
    OperationId::generate().to_bytes()
}

fn limit(limit: u64) -> Option<LimitChange> {
    Some(LimitChange { limit: Some(limit) })
}

fn with_plan(id: AccountId, plan: PlanId) -> Command {
    Command::UpdateAccount(UpdateAccount {
        account_id: id.to_bytes(),
        plan_id: Some(plan.to_bytes()),
        operation_id: operation(),
        ..UpdateAccount::default()
    })
}

fn with_php(id: AccountId, version: &str) -> Command {
    Command::UpdateAccount(UpdateAccount {
        account_id: id.to_bytes(),
        php_version: Some(version.to_owned()),
        operation_id: operation(),
        ..UpdateAccount::default()
    })
}

fn plan_with_php(plan: PlanId, version: &str) -> Command {
    Command::UpdatePlan(UpdatePlan {
        plan_id: plan.to_bytes(),
        php_version: Some(version.to_owned()),
        operation_id: operation(),
        ..UpdatePlan::default()
    })
}

async fn read(world: &World, id: AccountId) -> Account {
    world.store.reader().account(world.root, id).await.expect("a query").expect("the account")
}

async fn has_php(world: &mut World, versions: &[&str]) {
    let facts = UpdateNodeFacts {
        node_id: world.node.to_bytes(),
        roles: vec!["web".into(), "database".into(), "dns".into()],
        address: "192.0.2.11".into(),
        os_profile: "debian-12".into(),
        php_versions: versions.iter().map(|version| (*version).to_owned()).collect(),
        version: "0.1.0".into(),
        ..UpdateNodeFacts::default()
    };
    world.accept(Who::ControllerId(1), Command::UpdateNodeFacts(facts)).await;
}

async fn second_plan(world: &mut World, of: &Reseller, domains: u64, php: &str) -> PlanId {
    let plan = PlanId::generate();
    let create = CreatePlan {
        plan_id: plan.to_bytes(),
        tenant_id: of.tenant.to_bytes(),
        name: "other".into(),
        disk_mb: 1,
        domains: Some(domains),
        databases: Some(1),
        php_version: php.into(),
        ..CreatePlan::default()
    };
    world.accept(by(of.key), Command::CreatePlan(create)).await;
    plan
}

#[tokio::test]
async fn a_plan_that_allows_less_than_an_account_has_is_refused_for_it() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let id = world.new_account(&acme, "alice", Some("alice.example.com")).await;
    let small = second_plan(&mut world, &acme, 0, "8.2").await;
    assert_eq!(world.refuse(by(acme.key), with_plan(id, small)).await, RefusalCode::LimitReached);
    let alone = world.new_account(&acme, "bob", None).await;
    world.accept(by(acme.key), with_plan(alone, small)).await;
    assert_eq!(read(&world, alone).await.plan_id, small);
    let other = world.reseller("other", None).await;
    assert_eq!(world.refuse(by(acme.key), with_plan(alone, other.plan)).await, RefusalCode::NotFound);
}

#[tokio::test]
async fn a_plan_that_shrinks_takes_nothing_away_and_lets_nothing_be_added() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let id = world.new_account(&acme, "alice", Some("alice.example.com")).await;
    let shrink = UpdatePlan {
        plan_id: acme.plan.to_bytes(),
        domains: limit(0),
        operation_id: operation(),
        ..UpdatePlan::default()
    };
    world.accept(by(acme.key), Command::UpdatePlan(shrink)).await;
    let page = Page { limit: 10, ..Page::default() };
    let kept =
        world.store.reader().domains(acme.tenant, OwnedFilter::default(), &page).await.expect("a list");
    assert_eq!(kept.len(), 1);
    let one_more = Command::CreateDomain(world.domain(id, "two.example.org"));
    assert_eq!(world.refuse(by(acme.key), one_more).await, RefusalCode::LimitReached);
}

#[tokio::test]
async fn an_account_follows_its_plans_php_until_it_has_one_of_its_own() {
    let mut world = World::new().await;
    has_php(&mut world, &["8.2", "8.3", "8.4"]).await;
    let acme = world.reseller("acme", None).await;
    let follows = world.new_account(&acme, "alice", None).await;
    let chooses = world.new_account(&acme, "bob", None).await;
    world.accept(by(acme.key), with_php(chooses, "8.4")).await;
    let changed = world.accept(by(acme.key), plan_with_php(acme.plan, "8.3")).await;
    let (follower, chooser) = (read(&world, follows).await, read(&world, chooses).await);
    assert_eq!((follower.php_version.as_str(), follower.convergence.generation.0), ("8.3", 2));
    assert_eq!((chooser.php_version.as_str(), chooser.convergence.generation.0), ("8.4", 2));
    let operation = OperationId::from_bytes(&changed.operation_id).expect("the nodes have work");
    assert_eq!(world.store.reader().is_finished(operation).await.expect("a query"), Some(false));
    world.observe_all("converged").await;
    assert_eq!(world.store.reader().is_finished(operation).await.expect("a query"), Some(true));
    world.accept(by(acme.key), with_php(chooses, "")).await;
    assert_eq!(read(&world, chooses).await.php_version.as_str(), "8.3");
}

#[tokio::test]
async fn an_account_is_not_made_with_a_php_that_its_node_lacks() {
    let mut world = World::new().await;
    let of = world.reseller("acme", None).await;
    has_php(&mut world, &["8.4"]).await;
    let (_, create) = world.account(&of, "alice", None);
    let refused = world.refuse(by(of.key), Command::CreateAccount(create.clone())).await;
    assert_eq!(refused, RefusalCode::NoNode);
    has_php(&mut world, &["8.2", "8.4"]).await;
    world.accept(by(of.key), Command::CreateAccount(create)).await;
}

#[tokio::test]
async fn a_node_says_of_itself_only_what_can_be_read_back() {
    let mut world = World::new().await;
    let missing = |role: &str| MissingCapability { role: role.to_owned(), reason: "x\u{7}y".repeat(10_000) };
    let facts = |role: &str| UpdateNodeFacts {
        node_id: world.node.to_bytes(),
        address: "192.0.2.11".into(),
        missing: vec![missing(role)],
        ..UpdateNodeFacts::default()
    };
    let (good, bad) = (facts("web"), facts("mail/../x"));
    world.refuse(Who::ControllerId(1), Command::UpdateNodeFacts(bad)).await;
    world.accept(Who::ControllerId(1), Command::UpdateNodeFacts(good)).await;
    let node = world.store.reader().node(world.node).await.expect("a query").expect("the node");
    assert!(node.missing[0].1.len() < 10_000 && !node.missing[0].1.contains('\u{7}'));
}

#[tokio::test]
async fn a_php_that_a_node_lacks_is_given_to_none_of_a_plans_accounts() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let id = world.new_account(&acme, "alice", None).await;
    assert_eq!(world.refuse(by(acme.key), with_php(id, "8.3")).await, RefusalCode::NoNode);
    assert_eq!(world.refuse(by(acme.key), plan_with_php(acme.plan, "8.3")).await, RefusalCode::NoNode);
    let other = second_plan(&mut world, &acme, 5, "8.3").await;
    assert_eq!(world.refuse(by(acme.key), with_plan(id, other)).await, RefusalCode::NoNode);
}

/// Whether each of the account, its sites by name, and its database users is told to nodes as suspended.
pub(crate) async fn suspended(world: &World) -> Vec<(ObjectKind, String, bool)> {
    let reader = world.store.reader();
    let mut found = Vec::new();
    for object in reader.wanted_on(world.node).await.expect("a list") {
        match reader.intent(object.kind, &object.id).await.expect("a query") {
            Some(IntentSource::Account { username, is_suspended, .. }) => {
                found.push((object.kind, username.to_string(), is_suspended));
            }
            Some(IntentSource::Site { domain, is_suspended, .. }) => {
                found.push((object.kind, domain.to_string(), is_suspended));
            }
            Some(IntentSource::DatabaseUser { name, is_locked, .. }) => {
                found.push((object.kind, name.to_string(), is_locked));
            }
            _ => {}
        }
    }
    found.sort();
    found
}

fn suspend(id: AccountId) -> Command {
    Command::SuspendAccount(SuspendAccount {
        account_id: id.to_bytes(),
        reason: "unpaid".into(),
        operation_id: operation(),
        ..SuspendAccount::default()
    })
}

#[tokio::test]
async fn lifting_an_accounts_suspension_restores_exactly_what_was() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let id = world.new_account(&acme, "alice", Some("one.example.com")).await;
    let second = world.domain(id, "two.example.org");
    let second_id = DomainId::from_bytes(&second.domain_id).expect("an id");
    world.accept(by(acme.key), Command::CreateDomain(second)).await;
    let user = CreateDatabaseUser {
        database_user_id: npanel_model::DatabaseUserId::generate().to_bytes(),
        account_id: id.to_bytes(),
        name: "alice_app".into(),
        sealed_password_hash: vec![1],
        operation_id: operation(),
        ..CreateDatabaseUser::default()
    };
    world.accept(by(acme.key), Command::CreateDatabaseUser(user)).await;
    let by_itself = Command::SuspendDomain(SuspendDomain {
        domain_id: second_id.to_bytes(),
        reason: String::new(),
        operation_id: operation(),
        ..SuspendDomain::default()
    });
    world.accept(by(acme.key), by_itself).await;
    world.observe_all("converged").await;
    let before = suspended(&world).await;
    let flags = |found: &[(ObjectKind, String, bool)]| found.iter().map(|(_, _, is)| *is).collect::<Vec<_>>();
    assert_eq!(flags(&before), [false, false, true, false], "{before:?}");

    let accepted = world.accept(by(acme.key), suspend(id)).await;
    assert!(!accepted.operation_id.is_empty());
    assert_eq!(flags(&suspended(&world).await), [true; 4]);
    let wanted = world.store.reader().wanted_on(world.node).await.expect("a list");
    for object in wanted {
        let is_told = object.generation != object.observed.generation;
        let is_served = !matches!(object.kind, ObjectKind::Zone | ObjectKind::Database);
        assert_eq!(is_told, is_served, "{object:?}");
    }
    let again = world.accept(by(acme.key), suspend(id)).await;
    assert!(again.operation_id.is_empty(), "it is suspended already: nodes have nothing to do");

    let lift =
        Command::UnsuspendAccount(UnsuspendAccount { account_id: id.to_bytes(), operation_id: operation() });
    world.accept(by(acme.key), lift).await;
    assert_eq!(suspended(&world).await, before);
    let lift = Command::UnsuspendDomain(UnsuspendDomain {
        domain_id: second_id.to_bytes(),
        operation_id: operation(),
    });
    world.accept(by(acme.key), lift).await;
    assert_eq!(flags(&suspended(&world).await), [false; 4]);
}

#[tokio::test]
async fn what_comes_to_a_suspended_account_is_not_served_either() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let id = world.new_account(&acme, "alice", None).await;
    world.accept(by(acme.key), suspend(id)).await;
    let domain = world.domain(id, "late.example.com");
    world.accept(by(acme.key), Command::CreateDomain(domain)).await;
    assert!(suspended(&world).await.iter().all(|(_, _, is)| *is));
}

#[tokio::test]
async fn only_one_of_two_writes_that_expect_the_same_revision_goes_through() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let id = world.new_account(&acme, "alice", None).await;
    let read = read(&world, id).await.convergence.revision.0;
    let mut results = Vec::new();
    for contact in ["a@example.com", "b@example.com"] {
        let body = UpdateAccount {
            account_id: id.to_bytes(),
            contact: Some(contact.into()),
            operation_id: operation(),
            ..UpdateAccount::default()
        };
        let envelope = Envelope {
            principal: Some(Principal { who: Some(by(acme.key)) }),
            feature_level: npanel_state::FEATURE_LEVEL,
            time_millis: world.now,
            if_match: vec![read],
            command: Some(Command::UpdateAccount(body)),
            ..Envelope::default()
        };
        results.push(world.apply_envelope(envelope).await.outcome.expect("an outcome"));
    }
    assert!(matches!(results[0], Outcome::Accepted(_)), "{results:?}");
    let Outcome::Refused(refused) = &results[1] else { panic!("both went through") };
    assert_eq!(refused.code, "revision_mismatch");
}

#[tokio::test]
async fn an_api_keys_life_is_lengthened_only_by_who_may_do_as_much() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let narrow = ApiKeyId::generate();
    world.accept(by(acme.key), Command::CreateApiKey(key(narrow, acme.tenant, &["api_key.*"]))).await;
    let end = world.now + 1000;
    let longer = |id: ApiKeyId| {
        Command::UpdateApiKey(UpdateApiKey {
            api_key_id: id.to_bytes(),
            expires_millis: Some(end),
            ..UpdateApiKey::default()
        })
    };
    assert_eq!(world.refuse(by(narrow), longer(acme.key)).await, RefusalCode::Forbidden);
    world.accept(by(acme.key), longer(narrow)).await;
    world.now = end + 1;
    assert_eq!(world.refuse(by(narrow), longer(narrow)).await, RefusalCode::Unauthenticated);
}

#[tokio::test]
async fn an_address_that_was_given_by_hand_outlives_its_domain() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let id = world.new_account(&acme, "alice", None).await;
    let domain = world.domain(id, "example.com");
    world.accept(by(acme.key), Command::CreateDomain(domain.clone())).await;
    let zone = domain.zone.expect("a zone").zone_id;
    let zone_id = npanel_model::ZoneId::from_bytes(&zone).expect("an id");
    let page = Page { limit: 10, ..Page::default() };
    let reader = world.store.reader().clone();
    let sets =
        async || reader.record_sets(acme.tenant, zone_id, Default::default(), &page).await.expect("a list");
    let address = sets().await[0].id;
    let change = |ttl: Option<u32>, records: &[&str]| {
        Command::UpdateRecordSet(UpdateRecordSet {
            record_set_id: address.to_bytes(),
            ttl_seconds: ttl,
            records: records.iter().map(|record| (*record).to_owned()).collect(),
            operation_id: operation(),
        })
    };
    world.accept(by(acme.key), change(Some(60), &[])).await;
    assert_eq!(world.refuse(by(acme.key), change(Some(1), &[])).await, RefusalCode::Invalid);
    assert_eq!(world.refuse(by(acme.key), change(None, &["not an address"])).await, RefusalCode::Invalid);
    world.accept(by(acme.key), change(None, &["198.51.100.7"])).await;
    let unchanged = world.accept(by(acme.key), change(Some(60), &["198.51.100.7"])).await;
    assert!(unchanged.operation_id.is_empty());
    world
        .accept(
            by(acme.key),
            Command::AddRecordSet(AddRecordSet {
                record_set_id: npanel_model::RecordSetId::generate().to_bytes(),
                zone_id: zone.clone(),
                name: "www".into(),
                r#type: "A".into(),
                ttl_seconds: 60,
                records: vec!["192.0.2.1".into()],
                operation_id: operation(),
            }),
        )
        .await;
    let delete =
        npanel_proto::command::DeleteDomain { domain_id: domain.domain_id, operation_id: operation() };
    world.accept(by(acme.key), Command::DeleteDomain(delete)).await;
    let left: Vec<Vec<String>> = sets().await.into_iter().map(|set| set.records).collect();
    assert!(left.contains(&vec!["198.51.100.7".to_owned()]), "{left:?}");
}

#[tokio::test]
async fn a_failure_of_what_was_asked_before_is_none_of_what_is_asked_now() {
    let mut world = World::new().await;
    has_php(&mut world, &["8.2", "8.3"]).await;
    let acme = world.reseller("acme", None).await;
    let id = world.new_account(&acme, "alice", None).await;
    world.observe_all("failed").await;
    assert_eq!(read(&world, id).await.convergence.status, ObjectStatus::Failed);
    world.accept(by(acme.key), with_php(id, "8.3")).await;
    assert_eq!(read(&world, id).await.convergence.status, ObjectStatus::Converging);
    world.observe_all("failed").await;
    assert_eq!(read(&world, id).await.convergence.status, ObjectStatus::Failed);
}
