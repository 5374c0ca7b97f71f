//! What breaks into panels, in every field that takes text: refused by name, or kept as what it is where any text is.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::filled::{Filled, writes};

/// Each has opened a panel, in a name, a mode, a path, a label or a record.
const HOSTILE: [&str; 22] = [
    "a;id>/tmp/x",
    "$(id)",
    "`id`",
    "644;id",
    "old=test|cat /etc/passwd",
    "x.sql';id;'.gz",
    "-oProxyCommand=x",
    "x --pre-hook 'id'",
    "--",
    ".bash_logout'$(id)'",
    "../x",
    "../../config",
    "/etc",
    "a'b",
    "'];system(1);#",
    "$INCLUDE /etc/shadow",
    "http://u%0areturn 200 \"x\";%0a@evil/",
    "a\nb",
    "a\rb",
    "a\u{0}",
    "<script>alert(1)</script>",
    "admin@victim.example\u{202e}",
];

/// Fields of any text of one line: they are for people, for the account's own shell, for what somebody else calls something, or secret.
const FREE: [&str; 23] = [
    "account.suspend /reason",
    "cron.set_jobs /jobs/0/command",
    "database.create_user /password",
    "database.set_password /password",
    "domain.suspend /reason",
    "identity_provider.create /client_id",
    "identity_provider.create /client_secret",
    "identity_provider.create /groups_claim",
    "identity_provider.create /login_claim",
    "identity_provider.create /name_claim",
    "identity_provider.create /scopes/0",
    "identity_provider.update /client_id",
    "identity_provider.update /client_secret",
    "identity_provider.update /groups_claim",
    "identity_provider.update /login_claim",
    "identity_provider.update /name_claim",
    "identity_provider.update /scopes/0",
    "node.revoke /reason",
    "tenant.suspend /reason",
    "user.create /name",
    "user.create /password",
    "user.set_password /password",
    "user.update /name",
];
/// Of those, the ones that also take what is no line: people's passwords are hashed, whatever they are.
const OF_ANY_BYTES: [&str; 0] = [];

/// Every text within a value, as the way to it.
fn texts(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::String(_) => found.push(at.to_owned()),
        Value::Array(items) => items.iter().take(1).for_each(|item| texts(item, &format!("{at}/0"), found)),
        Value::Object(fields) => {
            fields.iter().for_each(|(name, field)| texts(field, &format!("{at}/{name}"), found));
        }
        _ => {}
    }
}

/// The document's example of an operation's request.
fn example(document: &Value, operation: &str) -> Option<Map<String, Value>> {
    let items = document["paths"].as_object()?.values().filter_map(Value::as_object);
    let found = items.flat_map(Map::values).find(|one| one["operationId"] == operation)?;
    let schema = found["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str()?;
    let name = schema.rsplit('/').next()?;
    document["components"]["examples"][name]["value"].as_object().cloned()
}

#[tokio::test]
async fn what_breaks_into_panels_is_refused_in_every_field_or_is_only_text() {
    let filled = Filled::new().await;
    let (state, log) =
        (filled.fleet.agreement.content().await, filled.fleet.agreement.log.lock().await.len());
    let document: Value = serde_json::from_str(npanel_server::openapi::document()).expect("JSON");
    let (mut taken, mut taken_unprintable, mut asked) = (BTreeSet::new(), BTreeSet::new(), 0);
    for (method, route, operation) in writes() {
        let Some(example) = example(&document, &operation) else { continue };
        let path = format!("{}?dry_run=true", filled.path(&route));
        let mut places = Vec::new();
        texts(&Value::Object(example.clone()), "", &mut places);
        for place in places {
            let field = place.split('/').nth(1).expect("a field");
            let mut body = filled.body(&operation);
            body[field] = example[field].clone();
            for value in HOSTILE {
                *body.pointer_mut(&place).expect("the field") = value.into();
                let answer = filled.ask(&method, &path, &body).await;
                asked += 1;
                match answer.status.as_u16() {
                    200 if value.contains(char::is_control) => {
                        taken_unprintable.insert(format!("{operation} {place}"));
                    }
                    200 => drop(taken.insert(format!("{operation} {place}"))),
                    status @ 400..500 => {
                        let code = answer.json()["code"].as_str().expect("a code").to_owned();
                        let named = answer.problem(status, &code).unwrap_or_default();
                        assert!(named.starts_with(field), "{operation} {place} {value:?}: {}", answer.text);
                    }
                    _ => panic!("{operation} {place} {value:?}: {}", answer.text),
                }
            }
        }
    }
    assert!(asked > 1000, "{asked}");
    assert_eq!(taken, FREE.map(str::to_owned).into());
    assert_eq!(taken_unprintable, OF_ANY_BYTES.map(str::to_owned).into());
    assert_eq!(filled.fleet.agreement.content().await, state, "something changed");
    assert_eq!(filled.fleet.agreement.log.lock().await.len(), log, "something was proposed");
}
