//! Text that would mean something to a shell, an option parser or a configuration file, in every field that takes
//! text.

use anyhow::{Result, ensure};
use npanel_e2e::{Site, World};
use npanel_sdk_types::{
    Account, ApiKey, Database, DatabaseUser, Domain, Operation, Plan, Tenant, Token, Zone,
};
use serde_json::{Value, json};

/// Refused wherever it is sent.
const NEVER: [&str; 6] = ["x\nreturn 200 \"x\";", "x\r\nX-Y: z", "x\n", "\nx", "x\u{0}y", "x\u{1b}[2J"];
/// Refused where a name is expected.
const NO_NAME: [&str; 16] = [
    "-oProxyCommand=id",
    "--",
    "--pre-hook 'id'",
    "-x",
    "$(id)",
    "`id`",
    "a;id>/tmp/x",
    "old=test|cat /etc/passwd",
    "'];system(1);#",
    "\" onload=x",
    "../x",
    "/etc/shadow",
    "$INCLUDE /etc/shadow",
    "{{ 7*7 }}",
    "<script>alert(1)</script>",
    "\u{202e}x",
];

/// A request that is good, and the fields of it that take text.
struct Request {
    path: String,
    body: Value,
    names: &'static [&'static str],
    /// Texts in which only control characters are refused.
    free: &'static [&'static str],
}

fn requests(world: &World, site: &Site) -> Result<Vec<Request>> {
    let (tenant, plan) = world.platform()?;
    let account = site.account.id;
    let zones = world.block_on(world.client.list_all::<Zone>(&[("account_id", account.to_string())]))?;
    ensure!(zones.len() == 1, "the site has {} zones", zones.len());
    let records = format!("/v1/zones/{}/record-sets", zones[0].id);
    let request = |path: &str, body: Value, names, free| Request { path: path.to_owned(), body, names, free };
    Ok(vec![
        request(
            "/v1/accounts",
            json!({ "tenant_id": tenant, "plan_id": plan, "username": "proper", "contact": "a@proper.example",
                "domain": "proper.example", "document_root": "web/proper" }),
            &["/tenant_id", "/plan_id", "/username", "/contact", "/domain", "/document_root"],
            &[],
        ),
        request(
            "/v1/domains",
            json!({ "account_id": account, "name": "proper-too.example", "document_root": "web/too" }),
            &["/account_id", "/name", "/document_root"],
            &[],
        ),
        request(
            "/v1/databases",
            json!({ "account_id": account, "name": "proper" }),
            &["/account_id", "/name"],
            &[],
        ),
        request(
            "/v1/database-users",
            json!({ "account_id": account, "name": "proper", "password": "long enough 1" }),
            &["/account_id", "/name"],
            &["/password"],
        ),
        request(
            "/v1/zones",
            json!({ "account_id": account, "name": "proper-zone.example" }),
            &["/account_id", "/name"],
            &[],
        ),
        request(
            &records,
            json!({ "name": "proper", "type": "A", "records": ["192.0.2.1"] }),
            &["/name", "/type", "/records/0"],
            &[],
        ),
        request(
            &records,
            json!({ "name": "text", "type": "TXT", "records": ["v=spf1 -all"] }),
            &["/name"],
            &["/records/0"],
        ),
        request(
            &records,
            json!({ "name": "mail", "type": "MX", "records": ["10 mx.proper.example"] }),
            &["/records/0"],
            &[],
        ),
        request("/v1/tenants", json!({ "name": "proper" }), &["/name"], &[]),
        request(
            "/v1/plans",
            json!({ "tenant_id": tenant, "name": "proper", "disk_mb": 1024, "php_version": "8.2" }),
            &["/tenant_id", "/name", "/php_version"],
            &[],
        ),
        request(
            "/v1/api-keys",
            json!({ "name": "proper", "actions": ["account.list"], "expires_at": "2100-01-01T00:00:00Z" }),
            &["/name", "/actions/0", "/expires_at"],
            &[],
        ),
        request(
            "/v1/tokens",
            json!({ "role": "node", "uses": 1, "ttl_seconds": 900, "pool": "proper" }),
            &["/role", "/pool"],
            &[],
        ),
    ])
}

/// How many objects of each kind there are.
fn census(world: &World, zone_path: &str) -> Result<Vec<usize>> {
    let key = world.administrator_key()?;
    let records = world.raw("c1", "GET", &format!("{zone_path}?limit=200"), Some(&key), None)?;
    let records = records.body["items"].as_array().map_or(0, Vec::len);
    world.block_on(async {
        let client = &world.client;
        Ok(vec![
            client.list_all::<Account>(&[]).await?.len(),
            client.list_all::<Domain>(&[]).await?.len(),
            client.list_all::<Database>(&[]).await?.len(),
            client.list_all::<DatabaseUser>(&[]).await?.len(),
            client.list_all::<Zone>(&[]).await?.len(),
            client.list_all::<Tenant>(&[]).await?.len(),
            client.list_all::<Plan>(&[]).await?.len(),
            client.list_all::<ApiKey>(&[]).await?.len(),
            client.list_all::<Token>(&[]).await?.len(),
            client.list_all::<Operation>(&[]).await?.len(),
            records,
        ])
    })
}

pub(crate) fn no_field_takes_text_that_means_something_elsewhere(world: &World) -> Result<()> {
    let site = world.host("fields", "fields.example")?;
    let requests = requests(world, &site)?;
    let zone_path =
        requests.iter().find(|request| request.path.contains("record-sets")).map(|r| r.path.clone());
    let zone_path = zone_path.unwrap_or_default();
    let before = census(world, &zone_path)?;
    let mut accepted = Vec::new();
    for request in &requests {
        let names = request
            .names
            .iter()
            .flat_map(|field| NEVER.iter().chain(&NO_NAME).map(move |text| (field, text)));
        let free = request.free.iter().flat_map(|field| NEVER.iter().map(move |text| (field, text)));
        for (field, text) in names.chain(free) {
            accepted.extend(not_refused(world, request, field, text)?);
        }
    }
    ensure!(accepted.is_empty(), "not refused as they should be:\n{}", accepted.join("\n"));
    ensure!(census(world, &zone_path)? == before, "a refusal changed something");
    // But for the one field, every request was good.
    let key = world.administrator_key()?;
    for request in &requests {
        let answer = world.raw("c1", "POST", &request.path, Some(&key), Some(&request.body.to_string()))?;
        ensure!([201, 202].contains(&answer.status), "{} {}: {answer:?}", request.path, request.body);
    }
    Ok(())
}

/// Sends the request with this text in the field; what is wrong with the answer.
fn not_refused(world: &World, request: &Request, field: &str, text: &str) -> Result<Option<String>> {
    let key = world.administrator_key()?;
    let mut body = request.body.clone();
    if let Some(value) = body.pointer_mut(field) {
        *value = json!(text);
    }
    ensure!(body != request.body, "{} has no field {field}", request.path);
    let answer = world.raw("c1", "POST", &request.path, Some(&key), Some(&body.to_string()))?;
    let text_of = |name: &str| answer.body[name].as_str().is_some_and(|said| !said.is_empty());
    let is_problem = ["type", "title", "code", "detail", "request_id"].into_iter().all(text_of)
        && answer.body["status"] == answer.status;
    let refused = answer.status == 422 && ["invalid_body", "invalid"].contains(&answer.code());
    Ok((!refused || !is_problem).then(|| format!("{} {field} {text:?}: {answer:?}", request.path)))
}

pub(crate) fn no_path_takes_an_id_that_is_none(world: &World) -> Result<()> {
    let (key, nouns) =
        (world.administrator_key()?, ["accounts", "domains", "zones", "databases", "nodes", "tokens"]);
    for noun in nouns {
        for id in ["..%2f..%2fetc%2fpasswd", "%0aid", "-rf", "%24(id)", "0", "%00"] {
            for method in ["GET", "DELETE"] {
                let answer = world.raw("c1", method, &format!("/v1/{noun}/{id}"), Some(&key), None)?;
                let refused = [400, 404, 422].contains(&answer.status) && !answer.code().is_empty();
                ensure!(refused, "{method} /v1/{noun}/{id}: {answer:?}");
            }
        }
    }
    Ok(())
}
