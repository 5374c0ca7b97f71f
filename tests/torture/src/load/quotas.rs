//! Tenants that may have three accounts, and are asked for more.

use std::{collections::BTreeSet, sync::Arc};

use npanel_linear::models::{Capped, Take, Taken};
use reqwest::Method;
use serde_json::json;

use super::{Client, Current, Stop};
use crate::api::{Answer, Request};

const LIMIT: u32 = 3;
const CALLS: u32 = 7;

async fn make(client: &mut Client) -> Option<String> {
    let name = format!("quota{}", client.load.number());
    let body = json!({"name": name, "account_limit": LIMIT});
    let request = Request::write(Method::POST, "/v1/tenants", body);
    let answer = client.load.write(&mut client.chance, &request).await.filter(Answer::is_success)?;
    client.load.quotas.begin(answer.id(), Capped(LIMIT));
    Some(answer.id().to_owned())
}

async fn take(client: &mut Client, tenant: &str) {
    let username = format!("u{}", client.load.number());
    let body = json!({"tenant_id": tenant, "plan_id": client.load.plan, "username": username});
    let called = client.load.quotas.now();
    let request = Request::write(Method::POST, "/v1/accounts", body);
    let answer = client.load.write(&mut client.chance, &request).await;
    let seen = answer.and_then(|answer| match answer.code() {
        "limit_reached" => Some(Taken::NoneLeft),
        _ if answer.is_success() => {
            client.load.bought(tenant, answer.id());
            Some(Taken::Given)
        }
        _ => {
            client.load.surprising("an account", &answer);
            None
        }
    });
    client.load.quotas.note(tenant, client.number, called, Take, seen);
}

pub(super) async fn run(mut client: Client, current: Arc<Current<String>>, stop: Stop) {
    while !*stop.borrow() {
        let Some(tenant) = current.get(CALLS, make(&mut client)).await else { continue };
        take(&mut client, &tenant).await;
    }
}

/// No tenant has more than it may, and whatever was acknowledged is there.
pub(super) async fn look_at_all(client: &mut Client) {
    let bought = client.load.all_bought();
    for tenant in client.load.quotas.ids() {
        let path = format!("/v1/accounts?tenant_id={tenant}");
        let Some(answer) = client.load.read(&mut client.chance, &path).await else {
            client.load.fault(format!("the accounts of {tenant} cannot be listed in the end"));
            continue;
        };
        let items = answer.body["items"].as_array().cloned().unwrap_or_default();
        let there: BTreeSet<&str> = items.iter().filter_map(|item| item["id"].as_str()).collect();
        if there.len() > LIMIT as usize {
            client
                .load
                .fault(format!("the tenant {tenant} may have {LIMIT} accounts and has {}", there.len()));
        }
        let of_tenant = bought.iter().filter(|(of, _)| *of == tenant);
        for (_, account) in of_tenant.filter(|(_, account)| !there.contains(account.as_str())) {
            client.load.fault(format!("the account {account} of {tenant} was acknowledged, and is missing"));
        }
    }
}
