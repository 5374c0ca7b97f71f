//! Passwords on their way.

use npanel_model::{DatabaseUserId, TenantId};
use npanel_pki::Field;
use npanel_proto::command::envelope::Command;
use serde_json::json;

use crate::support::{Fleet, id};

#[tokio::test]
async fn a_given_password_reaches_the_log_sealed_only() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let account = id(&fleet.account(&of, "alice", None).await);
    let body = json!({"account_id": account, "name": "shop", "password": "marked-password"});
    let made = fleet.post("/v1/database-users", &of.key, &body).await;
    assert!(!made.text.contains("marked-password") && made.expect(201).get("password").is_none());

    let log = fleet.agreement.log.lock().await;
    let create = log.iter().find_map(|envelope| match &envelope.command {
        Some(Command::CreateDatabaseUser(create)) => Some(create),
        _ => None,
    });
    let create = create.expect("it was proposed");
    // SELECT PASSWORD('marked-password')
    let tenant: TenantId = of.tenant.parse().expect("an id");
    let stored = fleet.services.agreement.reader().data_key(tenant).await.expect("a query").expect("a key");
    let keys = fleet.services.authorities.keys().now();
    let key = keys.unwrap(tenant, &stored.name, &stored.wrapped).expect("unwrapped");
    let user = id(&made).parse::<DatabaseUserId>().expect("an id").to_bytes();
    let hash =
        key.open(Field::database_password(tenant, &user), &create.sealed_password_hash).expect("opened");
    assert!(hash.starts_with(b"*") && hash.len() == 41);
    let text = format!("{log:?}");
    assert!(
        !text.contains("marked-password") && !text.contains(&String::from_utf8_lossy(&hash).into_owned())
    );
}

#[tokio::test]
async fn a_password_is_made_where_none_is_given_and_shown_once() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let account = id(&fleet.account(&of, "alice", None).await);
    let database =
        id(&fleet.post("/v1/databases", &of.key, &json!({"account_id": account, "name": "shop"})).await);
    let body = json!({"account_id": account, "name": "shop",
        "grants": [{"database_id": database, "privileges": "read_only"}]});
    let made = fleet.post("/v1/database-users", &of.key, &body).await;
    let user = made.expect(201);
    assert_eq!(user["name"], "alice_shop");
    assert_eq!(user["grants"], body["grants"]);
    assert_eq!(user["password"].as_str().map(str::len), Some(24));
    assert!(fleet.get(made.header("location"), &of.key).await.expect(200).get("password").is_none());
}

#[tokio::test]
async fn a_weak_or_strange_password_is_refused_without_repeating_it() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let account = id(&fleet.account(&of, "alice", None).await);
    for password in ["short", "line\nbreak-in-it", "pässwörd-pässwörd"] {
        let body = json!({"account_id": account, "name": "shop", "password": password});
        let answer = fleet.post("/v1/database-users", &of.key, &body).await;
        assert_eq!(answer.problem(422, "invalid").as_deref(), Some("password"));
        assert!(!answer.text.contains(password), "{}", answer.text);
    }
}
