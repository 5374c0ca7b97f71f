//! A tenant's limit of accounts as a register: read, written, and written on condition of its revision.

use std::sync::Arc;

use npanel_linear::models::{Register, RegisterAnswer, RegisterCall};
use reqwest::Method;
use serde_json::json;

use super::{Client, Current, Stop};
use crate::api::{Answer, Request};

/// So many calls of one, then of the next.
const CALLS: u32 = 60;

fn path(id: &str) -> String {
    format!("/v1/tenants/{id}")
}

async fn make(client: &mut Client) -> Option<String> {
    let name = format!("register{}", client.load.number());
    let body = json!({"name": name, "account_limit": 0});
    let request = Request::write(Method::POST, "/v1/tenants", body);
    let answer = client.load.write(&mut client.chance, &request).await.filter(Answer::is_success)?;
    let (value, revision) = value_of(&answer)?;
    client.load.registers.begin(answer.id(), Register { value, revision });
    Some(answer.id().to_owned())
}

fn value_of(answer: &Answer) -> Option<(u64, u64)> {
    answer.body["account_limit"].as_u64().zip(answer.revision)
}

/// Reads, and notes what was read.
async fn read(client: &mut Client, id: &str) -> Option<u64> {
    let called = client.load.registers.now();
    let answer = client.load.read(&mut client.chance, &path(id)).await?;
    let Some((value, revision)) = value_of(&answer) else {
        client
            .load
            .fault(format!("a read of tenant {id} was answered with {} {}", answer.status, answer.body));
        return None;
    };
    let seen = RegisterAnswer::Is { value, revision };
    client.load.registers.note(id, client.number, called, RegisterCall::Read, Some(seen));
    Some(revision)
}

async fn write(client: &mut Client, id: &str, condition: Option<u64>) {
    let value = client.load.number();
    let mut request = Request::write(Method::PATCH, path(id), json!({"account_limit": value}));
    let call = match condition {
        None => RegisterCall::Write(value),
        Some(revision) => {
            request = request.on_revision(revision);
            RegisterCall::WriteIf { revision, value }
        }
    };
    let called = client.load.registers.now();
    let answer = client.load.write(&mut client.chance, &request).await;
    let seen = answer.and_then(|answer| match answer.code() {
        "revision_mismatch" if condition.is_some() => Some(RegisterAnswer::Stale),
        _ if answer.is_success() => {
            // What is shown is what it is by now: another may have written since.
            let own = value_of(&answer).filter(|(shown, _)| *shown == value);
            Some(RegisterAnswer::Written(own.map(|(_, revision)| revision)))
        }
        _ => {
            client.load.surprising("a write of a tenant", &answer);
            None
        }
    });
    client.load.registers.note(id, client.number, called, call, seen);
}

pub(super) async fn run(mut client: Client, current: Arc<Current<String>>, stop: Stop) {
    while !*stop.borrow() {
        let Some(id) = current.get(CALLS, make(&mut client)).await else { continue };
        match client.chance.u8(0..10) {
            0..4 => drop(read(&mut client, &id).await),
            4..7 => write(&mut client, &id, None).await,
            _ => {
                if let Some(revision) = read(&mut client, &id).await {
                    write(&mut client, &id, Some(revision)).await;
                }
            }
        }
    }
}

pub(super) async fn look_at_all(client: &mut Client) {
    for id in client.load.registers.ids() {
        read(client, &id).await;
    }
}
