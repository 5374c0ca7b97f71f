//! What must be refused is, with the right code, and nothing changes.

use anyhow::{Context, Result, ensure};
use npanel_client::Wait;
use npanel_e2e::{Answer, World};
use npanel_sdk_types::{Account, ApiKey, CreateApiKey, Domain, Tenant};
use serde_json::{Value, json};

/// Sends the body as the administrator and expects this status and one of these codes.
fn refused(world: &World, path: &str, body: &Value, status: u16, codes: &[&str]) -> Result<Answer> {
    let key = world.administrator_key()?;
    let answer = world.raw("c1", "POST", path, Some(&key), Some(&body.to_string()))?;
    let as_expected = answer.status == status && codes.contains(&answer.code());
    ensure!(as_expected, "{path} {body}: {} {} instead of {status} {codes:?}", answer.status, answer.body);
    Ok(answer)
}

/// How many accounts, domains and tenants there are.
fn census(world: &World) -> Result<[usize; 3]> {
    world.block_on(async {
        let accounts = world.client.list_all::<Account>(&[]).await?.len();
        let domains = world.client.list_all::<Domain>(&[]).await?.len();
        Ok([accounts, domains, world.client.list_all::<Tenant>(&[]).await?.len()])
    })
}

fn account(world: &World, username: &str) -> Result<Value> {
    let (tenant, plan) = world.platform()?;
    Ok(json!({ "tenant_id": tenant, "plan_id": plan, "username": username }))
}

pub(crate) fn a_domain_of_another_tenant_is_refused(world: &World) -> Result<()> {
    world.host("first", "contested.example")?;
    let (tenant, before) = (world.tenant("rival")?, census(world)?);
    let plan = world.plan(tenant, "rival-plan")?;
    for twin in ["contested.example", "CONTESTED.example", "contested.example."] {
        let body = json!({ "tenant_id": tenant, "plan_id": plan, "username": "second", "domain": twin });
        let answer = refused(world, "/v1/accounts", &body, 409, &["name_taken"]);
        // A trailing dot may also be refused as a name.
        if twin.ends_with('.') {
            answer.or_else(|_| refused(world, "/v1/accounts", &body, 422, &["invalid_body", "invalid"]))?;
        } else {
            answer?;
        }
    }
    let body = json!({ "tenant_id": tenant, "plan_id": plan, "username": "second", "domain": "shop.contested.example" });
    refused(world, "/v1/accounts", &body, 409, &["name_taken", "name_overlaps"])?;
    ensure!(census(world)? == before, "a refusal changed something");
    Ok(())
}

pub(crate) fn malformed_and_reserved_names_are_refused(world: &World) -> Result<()> {
    let before = census(world)?;
    for username in ["root", "a;id>/tmp/x", "$(id)", "`id`", "-oProxyCommand=x", "../x", "a\nb", "", "A", "ä"] {
        refused(world, "/v1/accounts", &account(world, username)?, 422, &["invalid_body", "invalid"])?;
    }
    for domain in ["-a.example", "a..example", "a b.example", "../sites/x", "a'.example", "a\n.example", ""] {
        let mut body = account(world, "innocent")?;
        body["domain"] = json!(domain);
        refused(world, "/v1/accounts", &body, 422, &["invalid_body", "invalid"])?;
    }
    ensure!(census(world)? == before, "a refusal changed something");
    Ok(())
}

pub(crate) fn a_document_root_outside_the_home_is_refused(world: &World) -> Result<()> {
    let before = census(world)?;
    for root in ["/etc", "../other/web/x", "web/../../x", "web", "", "web/.", "tmp/x", "web/a\n"] {
        let mut body = account(world, "outside")?;
        body["domain"] = json!("outside.example");
        body["document_root"] = json!(root);
        refused(world, "/v1/accounts", &body, 422, &["invalid_body", "invalid"])?;
    }
    ensure!(census(world)? == before, "a refusal changed something");
    Ok(())
}

pub(crate) fn what_is_no_request_is_refused(world: &World) -> Result<()> {
    let (key, before) = (world.administrator_key()?, census(world)?);
    for broken in ["{", "", "[1", "nul", "{\"username\": }"] {
        let answer = world.raw("c1", "POST", "/v1/accounts", Some(&key), Some(broken))?;
        ensure!(answer.status == 400 && answer.code() == "malformed_body", "{broken:?}: {answer:?}");
    }
    let mut body = account(world, "unknown")?;
    body["is_admin"] = json!(true);
    refused(world, "/v1/accounts", &body, 422, &["invalid_body"])?;
    ensure!(census(world)? == before, "a refusal changed something");
    Ok(())
}

pub(crate) fn another_tenants_objects_do_not_exist_for_a_key(world: &World) -> Result<()> {
    let site = world.host("hidden", "hidden.example")?;
    let stranger = world.tenant("stranger")?;
    let made = CreateApiKey {
        tenant_id: Some(stranger),
        name: "all".parse()?,
        actions: vec!["*".parse()?],
        role: None,
        accounts: Vec::new(),
        networks: Vec::new(),
        expires_at: None,
    };
    let made = world.block_on(world.client.create::<ApiKey>(&made, Wait::No))?.object;
    let key = made.key.as_ref().context("no key in the answer")?.expose();
    let path = format!("/v1/accounts/{}", site.account.id);
    for method in ["GET", "DELETE"] {
        let answer = world.raw("c2", method, &path, Some(key), None)?;
        ensure!(answer.status == 404 && answer.code() == "not_found", "{method}: {answer:?}");
    }
    let body = json!({ "account_id": site.account.id, "name": "theirs.example" }).to_string();
    let answer = world.raw("c2", "POST", "/v1/domains", Some(key), Some(&body))?;
    ensure!([404, 422].contains(&answer.status) && answer.code() == "not_found", "{answer:?}");
    let listed = world.raw("c2", "GET", "/v1/accounts", Some(key), None)?;
    ensure!(listed.body["items"] == json!([]), "{listed:?}");
    Ok(())
}

pub(crate) fn only_an_api_key_opens_the_api(world: &World) -> Result<()> {
    let token = world.fleet.npanel(&["token", "create", "--role", "node", "--uses", "1", "--ttl", "15m"])?;
    let token = token["token"].as_str().context("no token")?;
    let key = world.administrator_key()?;
    let mut altered = key.clone();
    altered.pop();
    for wrong in [None, Some(token), Some(altered.as_str()), Some("npk_"), Some("x")] {
        let answer = world.raw("c3", "GET", "/v1/accounts", wrong, None)?;
        ensure!(answer.status == 401 && answer.code() == "unauthenticated", "{answer:?}");
    }
    Ok(())
}
