//! How secrets get into the fleet and out of it.

use anyhow::{Context, Result, ensure};
use npanel_client::Wait;
use npanel_e2e::World;
use npanel_fleet::Kind as Member;
use npanel_model::Secret;
use npanel_pki::{ClusterSecrets, MachineKey};
use npanel_sdk_types::{
    Account, ApiKey, CreateApiKey, CreateDatabaseUser, CreateToken, CreateWebhook, DatabaseUser, SetPassword, Token,
    Webhook,
};
use serde_json::{Value, json};

use super::marks::{Kind, Mark, password};

/// What is in the fleet from here on.
pub(super) struct Planted {
    pub(super) marks: Vec<Mark>,
    pub(super) account: Account,
    /// What is no secret, and of which something is to be found in every place: the account's name and its id, and an API key's id.
    pub(super) canary: Vec<Vec<u8>>,
}

/// A secret into every field that takes one, and one out of every field that shows one; each is then used.
pub(super) fn plant(world: &World) -> Result<Planted> {
    let account = world.host("plantedcanary", "plantedcanary.example")?.account;
    let mut marks = passwords(world, &account)?;
    let (shown, api_key_id) = shown_once(world, &account)?;
    marks.extend(shown);
    marks.extend(people(world)?);
    marks.extend(by_others(world)?);
    marks.push(Mark::of_text("the administrator's key", &world.administrator_key()?));
    marks.push(Mark::of_text("the recovery key", world.fleet.recovery_key()?));
    let id = account.id.to_string();
    let canary = vec![b"plantedcanary".to_vec(), id.into_bytes(), account.id.to_bytes(), api_key_id.into_bytes()];
    Ok(Planted { marks, account, canary })
}

fn passwords(world: &World, account: &Account) -> Result<Vec<Mark>> {
    let [given, other, again] = ["given", "other", "again"].map(password);
    let user = |name: &str, password: Option<&str>| CreateDatabaseUser {
        account_id: account.id,
        name: name.to_owned(),
        password: password.map(Secret::new),
        grants: Vec::new(),
    };
    let made = world.create::<DatabaseUser>(&user("given", Some(&given)))?;
    ensure!(made.password.is_none(), "what was given is not shown");
    let made = world.create::<DatabaseUser>(&user("shown", None))?;
    let shown = made.password.as_ref().context("a password")?.expose().to_owned();
    let set = SetPassword { password: Some(Secret::new(other.as_str())) };
    world.block_on(world.client.set_database_password(made.id, &set, Wait::Converged(World::PATIENCE)))?;
    // The same request twice: the answer to the second is what is kept of the first.
    let body = json!({"account_id": account.id, "name": "again", "password": again}).to_string();
    let first = repeatable(world, "/v1/database-users", &body)?;
    ensure!(first["id"].is_string() && first["id"] == repeatable(world, "/v1/database-users", &body)?["id"], "{first}");
    let of = |name: &str, password: &str| Mark::of_password(name, password);
    Ok([
        of("CreateDatabaseUser.password", &given),
        of("DatabaseUser.password", &shown),
        of("SetPassword.password", &other),
        of("the password of a repeated request", &again),
    ]
    .concat())
}

/// A request with an idempotency key, as the administrator.
fn repeatable(world: &World, path: &str, body: &str) -> Result<Value> {
    let (url, ca) = (format!("{}{path}", world.fleet.api_url("c2")?), world.fleet.ca_file()?);
    let bearer = format!("Authorization: Bearer {}", world.administrator_key()?);
    let arguments = ["--silent", "--show-error", "--cacert", &ca.to_string_lossy(), "--header", &bearer];
    let headers = ["--header", "Content-Type: application/json", "--header", "Idempotency-Key: planted-again"];
    let rest = ["--data-binary", body, "--", &url];
    let said = world.fleet.hub("/usr/bin/curl", [arguments.as_slice(), &headers, &rest].concat())?;
    serde_json::from_str(&said).with_context(|| said.clone())
}

/// What the fleet makes, and the id of the API key that is among it.
fn shown_once(world: &World, account: &Account) -> Result<(Vec<Mark>, String)> {
    let tenant = account.tenant_id;
    let hook = CreateWebhook {
        tenant_id: Some(tenant),
        // Whoever is there is not trusted; the message is signed before that is seen.
        url: "https://10.88.0.1:8443/planted".parse()?,
        events: vec!["*".parse()?],
    };
    let hook = world.block_on(world.client.create::<Webhook>(&hook, Wait::No))?.object;
    let key = CreateApiKey {
        tenant_id: Some(tenant),
        name: "planted".parse()?,
        actions: vec!["*".parse()?],
        role: None,
        accounts: Vec::new(),
        networks: Vec::new(),
        expires_at: None,
    };
    let key = world.block_on(world.client.create::<ApiKey>(&key, Wait::No))?.object;
    let (key_id, key) = (key.id.to_string(), key.key.context("a key")?);
    for controller in world.fleet.of_kind(Member::Controller) {
        ensure!(world.raw(&controller.name, "GET", "/v1/accounts", Some(key.expose()), None)?.status == 200);
    }
    let token = |role: &str| -> Result<Secret> {
        let (name, networks, role) = (None, Vec::new(), role.parse()?);
        let token = CreateToken { role, uses: 1, ttl_seconds: 600, pool: None, name, networks };
        world.block_on(world.client.create::<Token>(&token, Wait::No))?.object.token.context("a token")
    };
    let (used, unused) = (token("node")?, token("controller")?);
    crate::enrolment::enroll(world, "planted", used.expose())?.ok().context("the token is good")?;
    world.fleet.npanel(&["node", "delete", "planted"])?;
    let marks = vec![
        Mark::of_text("Webhook.secret", hook.secret.context("a secret")?.expose()),
        Mark::of_text("ApiKey.key", key.expose()),
        of_token("Token.token of a node", used.expose())?,
        of_token("Token.token of a controller", unused.expose())?,
    ];
    Ok((marks, key_id))
}

/// Somebody who signs in, gets other passwords, and shows what no authenticator has.
fn people(world: &World) -> Result<Vec<Mark>> {
    let [first, set, own, code, confirmed, shown] =
        ["first", "set", "own", "code", "confirmed", "shown"].map(password);
    let login = "planted@planted.example";
    let user = json!({"login": login, "name": "Planted", "role": "administrator", "password": first});
    let ask = |method: &str, path: &str, by: Option<&str>, body: &Value, status: u16| -> Result<Value> {
        let answer = world.raw("c2", method, path, by, Some(&body.to_string()))?;
        ensure!(answer.status == status, "{method} {path} was answered {}: {}", answer.status, answer.body);
        Ok(answer.body)
    };
    let text = |answer: &Value, field: &str| -> Result<String> {
        Ok(answer[field].as_str().with_context(|| format!("no {field}"))?.to_owned())
    };
    let admin = world.administrator_key()?;
    let id = text(&ask("POST", "/v1/users", Some(&admin), &user, 201)?, "id")?;
    let password = json!({"password": set});
    ask("PUT", &format!("/v1/users/{id}/password"), Some(&admin), &password, 200)?;
    // Without an authenticator no code is looked at.
    let session = json!({"login": login, "password": set, "code": code});
    let session = text(&ask("POST", "/v1/sessions", None, &session, 201)?, "token")?;
    let change = json!({"current": set, "new": own});
    ask("PUT", "/v1/me/password", Some(&session), &change, 200)?;
    ask("POST", "/v1/me/totp", Some(&session), &json!({"code": shown}), 422)?;
    let offer = ask("POST", "/v1/me/totp", Some(&session), &json!({"password": own}), 200)?;
    ask("POST", "/v1/me/totp/confirm", Some(&session), &json!({"code": confirmed}), 422)?;
    let (key, secret) = admin.strip_prefix("npk_").and_then(|key| key.split_once('.')).context("a key")?;
    let token = world.block_on(world.client.access_token(key.parse()?, &Secret::new(secret), None))?;
    let marks = [
        ("CreateUser.password", first.as_str()),
        ("SetUserPassword.password", &set),
        ("ChangePassword.new", &own),
        ("CreateSession.code", &code),
        ("ConfirmTotp.code", &confirmed),
        ("ShowAgain.code", &shown),
        ("Session.token", &session),
        ("TotpOffer.key", &text(&offer, "key")?),
        ("AccessToken.access_token", token.access_token.expose()),
    ];
    Ok(marks.map(|(name, secret)| Mark::of_text(name, secret)).to_vec())
}

/// An identity provider that knows us by a secret, and then by another; and a program that waits for somebody to confirm it.
fn by_others(world: &World) -> Result<Vec<Mark>> {
    let [given, other] = ["client", "another"].map(password);
    let admin = world.administrator_key()?;
    let provider = json!({"name": "planted", "issuer": "https://10.88.0.1:8443", "client_id": "planted",
        "client_secret": given, "mappings": [{"group": "*", "role": "support"}]});
    let made = world.raw("c2", "POST", "/v1/identity-providers", Some(&admin), Some(&provider.to_string()))?;
    ensure!(made.status == 201, "{}", made.body);
    let path = format!("/v1/identity-providers/{}", made.body["id"].as_str().context("an id")?);
    let change = json!({"client_secret": other}).to_string();
    let changed = world.raw("c1", "PATCH", &path, Some(&admin), Some(&change))?;
    ensure!(changed.status == 200, "{}", changed.body);
    let waiting = world.block_on(world.client.begin_device_login("planted"))?;
    ensure!(world.block_on(world.client.collect_device_login(&waiting)).is_err(), "nobody has confirmed it");
    // Whoever is there is no issuer; the secret is opened before that is seen.
    let page = format!("/device/provider/{}?user_code={}", made.body["id"].as_str().context("an id")?, waiting.user_code);
    world.raw("c3", "GET", &page, None, None)?;
    Ok(vec![
        Mark::of_text("CreateIdentityProvider.client_secret", &given),
        Mark::of_text("UpdateIdentityProvider.client_secret", &other),
        Mark::of_text("DeviceAuthorization.device_code", waiting.device_code.expose()),
    ])
}

/// A token ends with the CA's pin, which everybody may know.
fn of_token(name: &str, text: &str) -> Result<Mark> {
    let (secret, _) = text.rsplit_once('.').context("a token has a pin")?;
    Ok(Mark { typed: Some(text.to_owned()), ..Mark::of_text(name, secret) })
}

/// What no API shows: the keys of the CA, of the cluster and of the machines, as they are now.
pub(super) fn own_keys(world: &World) -> Result<Vec<Mark>> {
    let mut marks = Vec::new();
    for controller in world.fleet.of_kind(Member::Controller) {
        let root = world.fleet.controller_data(&controller.name)?.join("controller");
        let name = &controller.name;
        let machine = MachineKey::load(&root.join("machine.key"))?.context("a machine key")?;
        let secrets = ClusterSecrets::load(&root.join("secrets.sealed"), &machine)?.context("secrets")?;
        let secrets: Value = serde_json::to_value(&secrets)?;
        let ca = secrets["ca_key_pem"].as_str().context("a key")?;
        marks.push(Mark::of_pem(&format!("the CA's key on {name}"), Kind::Secret, ca)?);
        let key = secrets["cluster_key"].as_str().context("a key")?.trim_start_matches("named:");
        marks.push(Mark::of_base64(&format!("the cluster key on {name}"), Kind::Secret, key)?);
        let about = format!("the machine key of {name}");
        marks.push(Mark::of_bytes(&about, Kind::MachinesOwn, machine.expose()));
        let identity = std::fs::read_to_string(root.join("identity/identity.pem"))?;
        marks.push(Mark::of_pem(&format!("the key of {name}'s certificate"), Kind::MachinesOwn, &identity)?);
    }
    for node in world.fleet.of_kind(Member::Node) {
        let file = world.fleet.node_path(&node.name, "/var/lib/npanel/identity/identity.pem")?;
        let identity = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let name = &node.name;
        marks.push(Mark::of_pem(&format!("the key of {name}'s certificate"), Kind::MachinesOwn, &identity)?);
    }
    Ok(marks)
}

/// Requests that are wrong in every way around a secret, and what they are answered.
pub(super) fn provoke(world: &World, marks: &[Mark], account: &Account) -> Result<String> {
    let admin = world.administrator_key()?;
    let mut answers = String::new();
    for secret in marks.iter().filter_map(|mark| mark.typed.as_deref()) {
        let quoted = serde_json::to_string(secret)?;
        let id = account.id;
        let bodies = [
            format!("{{\"account_id\": \"{id}\", \"name\": \"x y\", \"password\": {quoted}}}"),
            format!("{{\"account_id\": \"{id}\", \"password\": {quoted}, \"colour\": {quoted}}}"),
            format!("{{\"password\": [{quoted}]}}"),
            format!("{{\"password\": {quoted}"),
            format!("{{\"account_id\": \"{id}\", \"name\": \"x\", \"password\": {}}}", json!(format!("{secret}\n"))),
            quoted.clone(),
        ];
        let of_cluster = json!({"recovery_key": secret}).to_string();
        let wrong = bodies.iter().map(|body| ("POST", "/v1/database-users", body));
        for (method, path, body) in wrong.chain([("PATCH", "/v1/cluster", &of_cluster)]) {
            let answer = world.raw("c1", method, path, Some(&admin), Some(body))?;
            ensure!((400..500).contains(&answer.status), "a bad request was answered {}", answer.status);
            answers.push_str(&answer.body.to_string());
        }
        for path in ["/v1/accounts", "/v1/nothing"] {
            answers.push_str(&world.raw("c2", "GET", path, Some(&format!("{secret}x")), None)?.body.to_string());
        }
    }
    Ok(answers)
}
