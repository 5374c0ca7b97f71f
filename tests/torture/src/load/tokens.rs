//! Bootstrap tokens for one use, shown by several machines.

use std::sync::Arc;

use npanel_linear::models::{Capped, Take, Taken};
use reqwest::Method;
use serde_json::json;

use super::{Client, Current, Stop};
use crate::{
    api::{Answer, Request},
    node::{Shown, enrol_once},
};

const CALLS: u32 = 4;

/// A token: its id, and what is shown.
#[derive(Clone)]
pub(super) struct Token {
    id: String,
    shown: String,
}

async fn make(client: &mut Client) -> Option<Token> {
    let body = json!({"role": "node", "uses": 1, "ttl_seconds": 86_400});
    let request = Request::write(Method::POST, "/v1/tokens", body);
    let answer = client.load.write(&mut client.chance, &request).await.filter(Answer::is_success)?;
    // The answer to a repetition does not show it.
    let shown = answer.body["token"].as_str()?.to_owned();
    client.load.tokens.begin(answer.id(), Capped(1));
    Some(Token { id: answer.id().to_owned(), shown })
}

pub(super) async fn run(mut client: Client, current: Arc<Current<Token>>, stop: Stop) {
    while !*stop.borrow() {
        let Some(token) = current.get(CALLS, make(&mut client)).await else { continue };
        let machine = format!("machine{}", client.load.number());
        let controller = format!("c{}", client.chance.usize(1..=client.load.api.controllers()));
        let called = client.load.tokens.now();
        let seen = match enrol_once(&client.load.fleet, &token.shown, &machine, &controller).await {
            Ok(Shown::Admitted) => Some(Taken::Given),
            Ok(Shown::Refused) => Some(Taken::NoneLeft),
            Ok(Shown::Lost) => None,
            Err(error) => {
                client.load.fault(format!("enrolling at {controller}: {error:#}"));
                None
            }
        };
        client.load.tokens.note(&token.id, client.number, called, Take, seen);
    }
}
