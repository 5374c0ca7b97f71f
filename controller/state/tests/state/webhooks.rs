//! Webhooks: who may have them, and what is written down of them.

use npanel_model::WebhookId;
use npanel_proto::command::{
    CreateWebhook, DeleteTenant, DeleteWebhook, Delivery, EventPatterns, RecordDeliveries, UpdateWebhook,
    envelope::Command, principal::Who,
};
use npanel_state::{RefusalCode, Webhook};

use crate::support::{Reseller, World, by, key};

const LEADER: Who = Who::ControllerId(1);

fn webhook(of: &Reseller) -> (WebhookId, CreateWebhook) {
    let id = WebhookId::generate();
    let command = CreateWebhook {
        webhook_id: id.to_bytes(),
        tenant_id: of.tenant.to_bytes(),
        url: "https://example.com/hook".into(),
        events: vec!["account.*".into()],
        sealed_secret: vec![1],
    };
    (id, command)
}

async fn make(world: &mut World, of: &Reseller) -> WebhookId {
    let (id, command) = webhook(of);
    world.accept(by(of.key), Command::CreateWebhook(command)).await;
    id
}

async fn read(world: &World, id: WebhookId) -> Webhook {
    world.store.reader().webhook(world.root, id).await.expect("a query").expect("the webhook")
}

fn told(webhook: &Webhook, next_index: u64) -> Delivery {
    Delivery {
        webhook_id: webhook.id.to_bytes(),
        revision: webhook.revision.0,
        next_index,
        delivered_millis: 5,
        ..Delivery::default()
    }
}

fn failed(webhook: &Webhook) -> Delivery {
    Delivery {
        failures: 3,
        failing_since_millis: 7,
        next_attempt_millis: 9,
        error: "it answers 500".into(),
        ..told(webhook, webhook.next_index)
    }
}

async fn record(world: &mut World, delivery: Delivery) {
    world.accept(LEADER, Command::RecordDeliveries(RecordDeliveries { deliveries: vec![delivery] })).await;
}

#[tokio::test]
async fn a_webhook_is_told_what_comes_after_it() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let id = make(&mut world, &acme).await;
    let made = read(&world, id).await;
    assert_eq!((made.next_index, made.next_position), (world.index + 1, 0));
    assert!(made.disabled.is_none() && made.delivered_at.is_none());
    assert_eq!(world.store.reader().webhooks_to_call().await.expect("a query").len(), 1);
}

#[tokio::test]
async fn a_webhook_is_its_tenants_and_those_above_it() {
    let mut world = World::new().await;
    let (acme, other) = (world.reseller("acme", None).await, world.reseller("other", None).await);
    let id = make(&mut world, &acme).await;
    let remove = || Command::DeleteWebhook(DeleteWebhook { webhook_id: id.to_bytes() });
    let update = || {
        Command::UpdateWebhook(UpdateWebhook {
            webhook_id: id.to_bytes(),
            enabled: Some(false),
            ..Default::default()
        })
    };
    for command in [remove(), update()] {
        assert_eq!(world.refuse(by(other.key), command).await, RefusalCode::NotFound);
    }
    let foreign = Command::CreateWebhook(webhook(&acme).1);
    assert_eq!(world.refuse(by(other.key), foreign).await, RefusalCode::NotFound);
    world.accept(world.by_admin(), remove()).await;
}

#[tokio::test]
async fn what_no_webhook_can_be_is_refused() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let good = || webhook(&acme).1;
    for bad in [
        CreateWebhook { url: "http://example.com/".into(), ..good() },
        CreateWebhook { events: vec![], ..good() },
        CreateWebhook { events: vec!["accounts.*".into()], ..good() },
        CreateWebhook { events: vec!["*".into(); 51], ..good() },
        CreateWebhook { sealed_secret: vec![], ..good() },
    ] {
        assert_eq!(world.refuse(by(acme.key), Command::CreateWebhook(bad)).await, RefusalCode::Invalid);
    }
    for _ in 0..20 {
        make(&mut world, &acme).await;
    }
    assert_eq!(world.refuse(by(acme.key), Command::CreateWebhook(good())).await, RefusalCode::LimitReached);
}

#[tokio::test]
async fn how_far_one_was_told_never_goes_back() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let id = make(&mut world, &acme).await;
    let made = read(&world, id).await;
    record(&mut world, told(&made, 100)).await;
    record(&mut world, Delivery { next_position: 2, ..told(&made, 100) }).await;
    record(&mut world, Delivery { next_position: 1, ..told(&made, 100) }).await;
    record(&mut world, told(&made, 50)).await;
    let now = read(&world, id).await;
    assert_eq!((now.next_index, now.next_position), (100, 2));
    assert_eq!(now.revision, made.revision, "what is delivered is no change");
    let gone = Delivery { webhook_id: WebhookId::generate().to_bytes(), ..told(&made, 1) };
    record(&mut world, gone).await;
    let record = Command::RecordDeliveries(RecordDeliveries::default());
    assert_eq!(world.refuse(by(acme.key), record).await, RefusalCode::Forbidden);
}

#[tokio::test]
async fn why_one_is_disabled_can_be_read_and_it_is_forgiven_when_it_is_changed() {
    let mut world = World::new().await;
    let acme = world.reseller("acme", None).await;
    let id = make(&mut world, &acme).await;
    let made = read(&world, id).await;
    record(&mut world, failed(&made)).await;
    let failing = read(&world, id).await;
    assert_eq!((failing.failures, failing.last_error.as_str()), (3, "it answers 500"));
    record(&mut world, Delivery { disable: "too long".into(), ..failed(&made) }).await;
    let disabled = read(&world, id).await;
    assert_eq!(disabled.disabled.map(|(_, reason)| reason).as_deref(), Some("too long"));
    assert!(disabled.revision > made.revision);
    assert!(world.store.reader().webhooks_to_call().await.expect("a query").is_empty());
    let enable = UpdateWebhook { webhook_id: id.to_bytes(), enabled: Some(true), ..UpdateWebhook::default() };
    world.accept(by(acme.key), Command::UpdateWebhook(enable)).await;
    let enabled = read(&world, id).await;
    assert!(enabled.disabled.is_none() && enabled.failures == 0 && enabled.failing_since.is_none());
    assert_eq!(enabled.next_index, made.next_index);
    // What was tried before it was changed says nothing of what it is now.
    record(&mut world, Delivery { disable: "too long".into(), ..failed(&made) }).await;
    assert!(read(&world, id).await.disabled.is_none());
}

#[tokio::test]
async fn a_webhook_goes_with_its_tenant() {
    let mut world = World::new().await;
    let empty = npanel_model::TenantId::generate();
    let create = npanel_proto::command::CreateTenant {
        tenant_id: empty.to_bytes(),
        parent_id: world.root.to_bytes(),
        name: "empty".into(),
        wrapped_data_key: vec![2],
        ..Default::default()
    };
    world.accept(world.by_admin(), Command::CreateTenant(create)).await;
    let made = npanel_model::ApiKeyId::generate();
    world.accept(world.by_admin(), Command::CreateApiKey(key(made, empty, &["webhook.*"]))).await;
    let of = Reseller { tenant: empty, key: made, plan: npanel_model::PlanId::generate() };
    let id = make(&mut world, &of).await;
    let other = EventPatterns { patterns: vec!["domain.*".into()] };
    let update = UpdateWebhook { webhook_id: id.to_bytes(), events: Some(other), ..UpdateWebhook::default() };
    world.accept(by(made), Command::UpdateWebhook(update)).await;
    assert_eq!(read(&world, id).await.events[0].as_str(), "domain.*");
    world.accept(world.by_admin(), Command::DeleteTenant(DeleteTenant { tenant_id: empty.to_bytes() })).await;
    assert!(world.store.reader().webhooks_to_call().await.expect("a query").is_empty());
    // Those above hear that the tenant has gone.
    let part = world.store.reader().feed(Some(world.root), world.index - 1, 10).await.expect("a query");
    let told = part.expect("it is kept").events;
    assert_eq!((told[0].kind.as_str(), told[0].change.as_str()), ("tenant", "deleted"));
}
