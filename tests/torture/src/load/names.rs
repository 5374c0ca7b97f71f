//! Domains, which several accounts want at once.

use std::sync::Arc;

use npanel_linear::models::{Unique, UniqueAnswer, UniqueCall};
use reqwest::Method;
use serde_json::json;

use super::{Client, Current, Stop};
use crate::api::Request;

const CALLS: u32 = 8;

async fn make(client: &mut Client) -> Option<String> {
    let name = format!("d{}.example", client.load.number());
    client.load.domains.begin(&name, Unique);
    Some(name)
}

async fn claim(client: &mut Client, name: &str) {
    let owner = client.chance.usize(..client.load.owners.len());
    let body = json!({"account_id": client.load.owners[owner], "name": name, "create_zone": false});
    let call = UniqueCall::Claim(owner as u64);
    let called = client.load.domains.now();
    let request = Request::write(Method::POST, "/v1/domains", body);
    let answer = client.load.write(&mut client.chance, &request).await;
    let seen = answer.and_then(|answer| match answer.code() {
        "name_taken" | "name_overlaps" => Some(UniqueAnswer::Taken),
        _ if answer.is_success() => Some(UniqueAnswer::Won),
        _ => {
            client.load.surprising("the claim of a domain", &answer);
            None
        }
    });
    client.load.domains.note(name, client.number, called, call, seen);
}

async fn look(client: &mut Client, name: &str) {
    let called = client.load.domains.now();
    let Some(answer) = client.load.read(&mut client.chance, &format!("/v1/domains?name={name}")).await else {
        return;
    };
    let Some(items) = answer.body["items"].as_array() else {
        client.load.fault(format!("a list of domains was answered with {} {}", answer.status, answer.body));
        return;
    };
    if items.len() > 1 {
        client.load.fault(format!("the domain {name} is there {} times: {items:?}", items.len()));
    }
    let owner = items
        .first()
        .and_then(|item| client.load.owners.iter().position(|owner| item["account_id"] == owner.as_str()));
    let seen = UniqueAnswer::Has(owner.map(|owner| owner as u64));
    client.load.domains.note(name, client.number, called, UniqueCall::Look, Some(seen));
}

pub(super) async fn run(mut client: Client, current: Arc<Current<String>>, stop: Stop) {
    while !*stop.borrow() {
        let Some(name) = current.get(CALLS, make(&mut client)).await else { continue };
        if client.chance.u8(0..3) == 0 {
            look(&mut client, &name).await;
        } else {
            claim(&mut client, &name).await;
        }
    }
}

pub(super) async fn look_at_all(client: &mut Client) {
    for name in client.load.domains.ids() {
        look(client, &name).await;
    }
}
