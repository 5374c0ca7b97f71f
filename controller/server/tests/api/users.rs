//! People who sign in: passwords, second factors, sessions, roles, and acting as somebody else.

use axum::body::Body;
use http::{Method, Request, header};
use serde_json::{Value, json};
use totp_rs::{Algorithm, Secret, TOTP};

use crate::support::{Answer, Fleet, JSON, Reseller, id};

pub(crate) const PASSWORD: &str = "correct horse battery";

async fn sign_in(fleet: &Fleet, login: &str, password: &str, code: Option<&str>) -> Answer {
    let mut body = json!({"login": login, "password": password});
    if let Some(code) = code {
        body["code"] = json!(code);
    }
    let request = Request::post("/v1/sessions").header(header::CONTENT_TYPE, JSON);
    fleet.send(request.body(Body::from(body.to_string())).expect("a request")).await
}

/// A user of the tenant; its id, and what it is signed in by.
pub(crate) async fn signed_in(
    fleet: &Fleet,
    maker: &str,
    login: &str,
    role: &str,
    more: Value,
) -> (String, String) {
    let mut body = json!({"login": login, "name": login, "role": role, "password": PASSWORD});
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    let user = id(&fleet.post("/v1/users", maker, &body).await);
    (user, token(&sign_in(fleet, login, PASSWORD, None).await))
}

#[track_caller]
fn token(answer: &Answer) -> String {
    answer.expect(201)["token"].as_str().expect("a token").to_owned()
}

async fn send(fleet: &Fleet, method: Method, path: &str, key: &str, body: &Value) -> Answer {
    let request = Fleet::request(method, path, key).header(header::CONTENT_TYPE, JSON);
    fleet.send(request.body(Body::from(body.to_string())).expect("a request")).await
}

/// An owner of one of a reseller's two accounts.
struct Owned {
    of: Reseller,
    own: String,
    other: String,
    token: String,
}

async fn owned(fleet: &Fleet) -> Owned {
    let of = fleet.reseller("acme").await;
    let own = id(&fleet.account(&of, "alice", Some("alice.example")).await);
    let other = id(&fleet.account(&of, "bob", Some("bob.example")).await);
    let (_, token) =
        signed_in(fleet, &of.key, "alice@alice.example", "owner", json!({"accounts": [own]})).await;
    Owned { of, own, other, token }
}

#[tokio::test]
async fn who_shows_the_password_is_in_and_nobody_learns_what_was_wrong() {
    let fleet = Fleet::new().await;
    let (user, token) = signed_in(&fleet, &fleet.admin, "Ann@Example.com", "administrator", json!({})).await;
    let me = fleet.get("/v1/me", &token).await.expect(200);
    assert_eq!((&me["actor"], &me["platform"]), (&json!(format!("user/{user}")), &json!(true)));
    assert_eq!(me["user"]["login"], "ann@example.com");
    fleet.get("/v1/nodes", &token).await.expect(200);

    let unknown = sign_in(&fleet, "nobody@example.com", PASSWORD, None).await;
    let wrong = sign_in(&fleet, "ann@example.com", "incorrect horse battery", None).await;
    assert_eq!(unknown.problem(401, "unauthenticated"), wrong.problem(401, "unauthenticated"));
    assert_eq!(unknown.json()["detail"], wrong.json()["detail"]);

    let disabled = json!({"enabled": false});
    send(&fleet, Method::PATCH, &format!("/v1/users/{user}"), &fleet.admin, &disabled).await.expect(200);
    fleet.get("/v1/me", &token).await.problem(401, "unauthenticated");
    let shut_out = sign_in(&fleet, "ann@example.com", PASSWORD, None).await;
    assert_eq!(shut_out.json()["detail"], wrong.json()["detail"]);
}

#[tokio::test]
async fn a_session_ends_by_itself_and_when_it_is_told_to() {
    let fleet = Fleet::new().await;
    let (user, first) = signed_in(&fleet, &fleet.admin, "ann@example.com", "administrator", json!({})).await;
    let second = token(&sign_in(&fleet, "ann@example.com", PASSWORD, None).await);
    let sessions = fleet.get("/v1/sessions?alive=true", &second).await.expect(200);
    assert_eq!(sessions["items"].as_array().expect("a list").len(), 2);
    assert!(!sessions.to_string().contains("nps_"), "a token is shown again");
    let oldest = sessions["items"][0]["id"].as_str().expect("an id");
    fleet.delete(&format!("/v1/sessions/{oldest}"), &second).await.expect(204);
    fleet.get("/v1/me", &first).await.problem(401, "unauthenticated");
    // Another password: those who had the old one are out.
    let change = json!({"current": PASSWORD, "new": "another horse battery"});
    let third = token(&sign_in(&fleet, "ann@example.com", PASSWORD, None).await);
    send(&fleet, Method::PUT, "/v1/me/password", &second, &change).await.expect(200);
    fleet.get("/v1/me", &third).await.problem(401, "unauthenticated");
    fleet.get("/v1/me", &second).await.expect(200);
    sign_in(&fleet, "ann@example.com", PASSWORD, None).await.problem(401, "unauthenticated");
    let set = json!({"password": "one more horse battery"});
    send(&fleet, Method::PUT, &format!("/v1/users/{user}/password"), &fleet.admin, &set).await.expect(200);
    fleet.get("/v1/me", &second).await.problem(401, "unauthenticated");
}

pub(crate) fn code_of(offer: &Value, steps_ahead: u64) -> String {
    let key = Secret::Encoded(offer["key"].as_str().expect("a key").to_owned()).to_bytes().expect("base32");
    let totp = TOTP::new(Algorithm::SHA1, 6, 1, 30, key, None, String::new()).expect("an authenticator");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time").as_secs();
    totp.generate(now + 30 * steps_ahead)
}

#[tokio::test]
async fn a_second_factor_is_asked_for_and_each_code_is_taken_once() {
    let fleet = Fleet::new().await;
    let (user, session) =
        signed_in(&fleet, &fleet.admin, "ann@example.com", "administrator", json!({})).await;
    let offer = fleet.post("/v1/me/totp", &session, &json!({"password": PASSWORD})).await;
    assert_eq!(offer.header("cache-control"), "no-store");
    let offer = offer.expect(200);
    assert!(offer["uri"].as_str().expect("a URI").starts_with("otpauth://totp/nPanel:ann%40example.com?"));
    // Not before it is confirmed.
    sign_in(&fleet, "ann@example.com", PASSWORD, None).await.expect(201);
    let wrong = json!({"code": "000000"});
    fleet.post("/v1/me/totp/confirm", &session, &wrong).await.problem(422, "invalid");
    let right = json!({"code": code_of(&offer, 0)});
    let codes = fleet.post("/v1/me/totp/confirm", &session, &right).await.expect(200);
    let codes = codes["codes"].as_array().expect("codes").clone();
    assert_eq!(codes.len(), 10);

    sign_in(&fleet, "ann@example.com", PASSWORD, None).await.problem(401, "second_factor_required");
    // The one that confirmed it is spent.
    let spent = code_of(&offer, 0);
    sign_in(&fleet, "ann@example.com", PASSWORD, Some(&spent)).await.problem(401, "unauthenticated");
    let next = code_of(&offer, 1);
    sign_in(&fleet, "ann@example.com", PASSWORD, Some(&next)).await.expect(201);
    sign_in(&fleet, "ann@example.com", PASSWORD, Some(&next)).await.problem(401, "unauthenticated");
    let recovery = codes[0].as_str().expect("a code");
    sign_in(&fleet, "ann@example.com", PASSWORD, Some(recovery)).await.expect(201);
    sign_in(&fleet, "ann@example.com", PASSWORD, Some(recovery)).await.problem(401, "unauthenticated");
    let shown = fleet.get(&format!("/v1/users/{user}"), &fleet.admin).await.expect(200);
    assert_eq!((&shown["has_totp"], &shown["recovery_codes"]), (&json!(true), &json!(9)));
    fleet.delete(&format!("/v1/users/{user}/totp"), &fleet.admin).await.expect(204);
    sign_in(&fleet, "ann@example.com", PASSWORD, None).await.expect(201);
}

#[tokio::test]
async fn a_session_alone_does_not_change_the_second_factor() {
    let fleet = Fleet::new().await;
    let (user, session) =
        signed_in(&fleet, &fleet.admin, "ann@example.com", "administrator", json!({})).await;
    let (begin, remove) = ("/v1/me/totp", "/v1/me/totp/remove");
    let password = json!({"password": PASSWORD});
    let wrong = [
        (json!({}), "password"),
        (json!({"password": "incorrect horse"}), "password"),
        (json!({"code": "000000"}), "code"),
        (json!({"password": PASSWORD, "code": "000000"}), "password"),
    ];
    for (shown, field) in &wrong {
        let refused = fleet.post(begin, &session, shown).await.problem(422, "invalid");
        assert_eq!(refused.as_deref(), Some(*field), "{shown}");
    }
    let offer = fleet.post(begin, &session, &password).await.expect(200);
    let codes =
        fleet.post("/v1/me/totp/confirm", &session, &json!({"code": code_of(&offer, 0)})).await.expect(200);
    for (shown, field) in &wrong {
        let refused = fleet.post(remove, &session, shown).await.problem(422, "invalid");
        assert_eq!(refused.as_deref(), Some(*field), "{shown}");
    }
    // The one that confirmed it is spent.
    let spent = json!({"code": code_of(&offer, 0)});
    assert_eq!(fleet.post(remove, &session, &spent).await.problem(422, "invalid").as_deref(), Some("code"));
    let is_on =
        async || fleet.get(&format!("/v1/users/{user}"), &fleet.admin).await.expect(200)["has_totp"] == true;
    assert!(is_on().await);
    fleet.post(remove, &session, &json!({"code": code_of(&offer, 1)})).await.expect(204);
    assert!(!is_on().await);
    // A recovery code serves, too, and so does the password.
    let _ = codes;
    for by_password in [false, true] {
        let offer = fleet.post(begin, &session, &password).await.expect(200);
        let codes = fleet
            .post("/v1/me/totp/confirm", &session, &json!({"code": code_of(&offer, 0)}))
            .await
            .expect(200);
        let recovery = json!({"code": codes["codes"][0]});
        fleet.post(remove, &session, if by_password { &password } else { &recovery }).await.expect(204);
        assert!(!is_on().await);
    }
}

#[tokio::test]
async fn an_owner_has_its_accounts_and_nothing_else() {
    let fleet = Fleet::new().await;
    let Owned { of, own, other, token } = owned(&fleet).await;
    fleet.get(&format!("/v1/accounts/{own}"), &token).await.expect(200);
    fleet.get(&format!("/v1/accounts/{other}"), &token).await.problem(404, "not_found");
    let listed = fleet.get("/v1/accounts", &token).await.expect(200);
    assert_eq!(listed["items"].as_array().expect("a list").len(), 1);
    assert_eq!(listed["items"][0]["id"], json!(own));
    for list in ["domains", "zones", "operations"] {
        let all = fleet.get(&format!("/v1/{list}"), &of.key).await.expect(200);
        let seen = fleet.get(&format!("/v1/{list}"), &token).await.expect(200);
        let (all, seen) =
            (all["items"].as_array().expect("a list"), seen["items"].as_array().expect("a list"));
        assert!(!seen.is_empty() && seen.len() < all.len(), "{list}: {} of {}", seen.len(), all.len());
        let others = all.iter().filter(|item| !seen.contains(item));
        for hidden in others {
            let path = format!("/v1/{list}/{}", hidden["id"].as_str().expect("an id"));
            fleet.get(&path, &token).await.problem(404, "not_found");
        }
    }
    let domain = |account: &str, name: &str| json!({"account_id": account, "name": name});
    fleet.post("/v1/domains", &token, &domain(&own, "more.example")).await.expect(201);
    fleet.post("/v1/domains", &token, &domain(&other, "evil.example")).await.problem(404, "not_found");
    let database = json!({"account_id": other, "name": "evil"});
    fleet.post("/v1/databases", &token, &database).await.problem(404, "not_found");
    let zones = fleet.get("/v1/zones?name=bob.example", &of.key).await.expect(200);
    let zone = zones["items"][0]["id"].as_str().expect("a zone");
    let record = json!({"name": "www", "type": "A", "records": ["192.0.2.66"]});
    let sets = format!("/v1/zones/{zone}/record-sets");
    fleet.post(&sets, &token, &record).await.problem(404, "not_found");
    fleet.get(&sets, &token).await.problem(404, "not_found");
    // What is not its own does not tell whether it is there by its revision either.
    let request =
        Fleet::request(Method::DELETE, &format!("/v1/zones/{zone}"), &token).header("if-match", "\"1\"");
    fleet.send(request.body(Body::empty()).expect("a request")).await.problem(404, "not_found");
    for (method, path) in [
        (Method::DELETE, format!("/v1/accounts/{own}")),
        (Method::POST, format!("/v1/accounts/{own}/suspend")),
        (Method::GET, "/v1/tenants".to_owned()),
        (Method::GET, "/v1/api-keys".to_owned()),
        (Method::GET, "/v1/users".to_owned()),
        (Method::GET, "/v1/audit".to_owned()),
        (Method::GET, "/v1/events".to_owned()),
    ] {
        send(&fleet, method, &path, &token, &json!({})).await.problem(403, "forbidden");
    }
    let plan = id(&fleet
        .post("/v1/plans", &of.key, &json!({"name": "large", "disk_mb": 9000, "php_version": "8.2"}))
        .await);
    let change = json!({"plan_id": plan});
    send(&fleet, Method::PATCH, &format!("/v1/accounts/{own}"), &token, &change)
        .await
        .problem(403, "forbidden");
    let contact = json!({"contact": "alice@alice.example"});
    send(&fleet, Method::PATCH, &format!("/v1/accounts/{own}"), &token, &contact).await.expect(200);
}

#[tokio::test]
async fn nobody_makes_or_manages_who_may_do_more() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let (reseller, token) = signed_in(&fleet, &of.key, "boss@acme.example", "reseller", json!({})).await;
    let (admin, _) = signed_in(&fleet, &fleet.admin, "ann@example.com", "administrator", json!({})).await;
    let administrator = json!({"login": "evil@acme.example", "name": "evil", "role": "administrator"});
    let refused = fleet.post("/v1/users", &token, &administrator).await;
    assert_eq!(refused.problem(422, "invalid").as_deref(), Some("role"));
    let narrow = json!({"login": "n@acme.example", "name": "n", "role": "reseller", "password": PASSWORD, "actions": ["user.*"]});
    let narrow_id = id(&fleet.post("/v1/users", &token, &narrow).await);
    let narrow = self::token(&sign_in(&fleet, "n@acme.example", PASSWORD, None).await);
    let set = json!({"password": "taken over by narrow"});
    for user in [&reseller, &narrow_id] {
        let path = format!("/v1/users/{user}/password");
        let answer = send(&fleet, Method::PUT, &path, &narrow, &set).await;
        assert_eq!(answer.status.is_success(), *user == narrow_id && answer.status == 200, "{}", answer.text);
    }
    send(&fleet, Method::PUT, &format!("/v1/users/{admin}/password"), &token, &set)
        .await
        .problem(404, "not_found");
    let more = json!({"role": "reseller", "actions": ["*"]});
    send(&fleet, Method::PATCH, &format!("/v1/users/{narrow_id}"), &narrow, &more)
        .await
        .problem(403, "forbidden");
    fleet.delete(&format!("/v1/users/{reseller}"), &token).await.problem(409, "in_use");
}

#[tokio::test]
async fn who_acts_as_another_only_looks_and_is_on_record() {
    let fleet = Fleet::new().await;
    let Owned { of, own, token: owner, .. } = owned(&fleet).await;
    let (boss, token) = signed_in(&fleet, &of.key, "boss@acme.example", "reseller", json!({})).await;
    let users = fleet.get("/v1/users?login=alice@alice.example", &token).await.expect(200);
    let alice = users["items"][0]["id"].as_str().expect("a user").to_owned();
    let path = format!("/v1/users/{alice}/impersonate");
    fleet.post(&path, &token, &json!({"reason": " "})).await.problem(422, "invalid");
    fleet.post(&path, &of.key, &json!({"reason": "a key is nobody"})).await.problem(403, "forbidden");
    fleet.post(&path, &owner, &json!({"reason": "an owner"})).await.problem(403, "forbidden");
    let looks = self::token(&fleet.post(&path, &token, &json!({"reason": "ticket 7"})).await);
    let me = fleet.get("/v1/me", &looks).await.expect(200);
    assert_eq!(me["actor"], json!(format!("user/{boss} as user/{alice}")));
    fleet.get(&format!("/v1/accounts/{own}"), &looks).await.expect(200);
    let contact = json!({"contact": "x@alice.example"});
    let account = format!("/v1/accounts/{own}");
    send(&fleet, Method::PATCH, &account, &looks, &contact).await.problem(403, "forbidden");
    let password = json!({"current": PASSWORD, "new": "stolen horse battery"});
    send(&fleet, Method::PUT, "/v1/me/password", &looks, &password).await.problem(403, "forbidden");
    let writes = json!({"reason": "ticket 7", "may_write": true});
    let writes = self::token(&fleet.post(&path, &token, &writes).await);
    send(&fleet, Method::PATCH, &account, &writes, &contact).await.expect(200);
    send(&fleet, Method::PUT, "/v1/me/password", &writes, &password).await.problem(403, "forbidden");
    let entries = fleet.get("/v1/audit?action=account.update", &of.key).await.expect(200);
    assert_eq!(entries["items"][0]["actor"], json!(format!("user/{boss} as user/{alice}")));
    let begun = fleet.get("/v1/audit?action=session.impersonate", &of.key).await.expect(200);
    assert_eq!(begun["items"][0]["actor"], json!(format!("user/{boss}")));
    // The one that acts loses its power with its own.
    let boss_path = format!("/v1/users/{boss}");
    let narrowed = json!({"actions": ["account.*", "user.*"]});
    send(&fleet, Method::PATCH, &boss_path, &of.key, &narrowed).await.expect(200);
    fleet.get("/v1/me", &writes).await.problem(401, "unauthenticated");
    send(&fleet, Method::PATCH, &boss_path, &of.key, &json!({"actions": ["*"]})).await.expect(200);
    fleet.get("/v1/me", &writes).await.expect(200);
    send(&fleet, Method::PATCH, &format!("/v1/users/{boss}"), &of.key, &json!({"enabled": false}))
        .await
        .expect(200);
    fleet.get("/v1/me", &writes).await.problem(401, "unauthenticated");
    fleet.get("/v1/me", &owner).await.expect(200);
}

async fn ask_for_token(fleet: &Fleet, form: &str, basic: Option<&str>) -> Answer {
    let mut request =
        Request::post("/v1/oauth/token").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    if let Some(basic) = basic {
        use base64::Engine;
        let text = base64::engine::general_purpose::STANDARD.encode(basic);
        request = request.header(header::AUTHORIZATION, format!("Basic {text}"));
    }
    fleet.send(request.body(Body::from(form.to_owned())).expect("a request")).await
}

#[tokio::test]
async fn a_key_gets_access_tokens_by_the_rules_of_oauth() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let (id, secret) = of.key.strip_prefix("npk_").and_then(|key| key.split_once('.')).expect("a key");
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let answer = ask_for_token(&fleet, &form, None).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let body = answer.expect(200);
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(3600)));
    let token = body["access_token"].as_str().expect("a token").to_owned();
    fleet.get("/v1/plans", &token).await.expect(200);
    let narrow = "grant_type=client_credentials&scope=plan.list%20account.get";
    let narrow = ask_for_token(&fleet, narrow, Some(&format!("{id}:{secret}"))).await.expect(200);
    let narrow = narrow["access_token"].as_str().expect("a token").to_owned();
    fleet.get("/v1/plans", &narrow).await.expect(200);
    fleet.get("/v1/accounts", &narrow).await.problem(403, "forbidden");
    // Narrow as it is, it makes nothing that is wider.
    let wide = json!({"name": "wide", "actions": ["*"]});
    fleet.post("/v1/api-keys", &narrow, &wide).await.problem(403, "forbidden");
    for (form, status, error) in [
        (format!("grant_type=password&client_id={id}&client_secret={secret}"), 400, "unsupported_grant_type"),
        (format!("{form}&scope=every.thing"), 400, "invalid_scope"),
        (format!("{form}&client_id={id}"), 400, "invalid_request"),
        (form.replace(secret, "wrong"), 401, "invalid_client"),
        (format!("grant_type=client_credentials&client_id={id}"), 401, "invalid_client"),
    ] {
        let answer = ask_for_token(&fleet, &form, None).await;
        assert_eq!(answer.expect(status)["error"], json!(error), "{form}");
        assert!(!answer.text.contains(secret));
    }
    // With the key go its tokens.
    let key = format!("/v1/api-keys/{id}");
    fleet.delete(&key, &fleet.admin).await.expect(204);
    fleet.get("/v1/plans", &token).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_rotated_key_has_two_secrets_for_a_while_and_then_one() {
    let fleet = Fleet::new().await;
    let of = fleet.reseller("acme").await;
    let made = fleet.post("/v1/api-keys", &of.key, &json!({"name": "k", "actions": ["plan.*"]})).await;
    let (key_id, first) = (id(&made), made.json()["key"].as_str().expect("a key").to_owned());
    let rotate = format!("/v1/api-keys/{key_id}/rotate");
    let second = fleet.post(&rotate, &of.key, &json!({})).await.expect(200)["key"].clone();
    let second = second.as_str().expect("a key");
    assert!(second.starts_with(&format!("npk_{key_id}.")));
    fleet.get("/v1/plans", &first).await.expect(200);
    fleet.get("/v1/plans", second).await.expect(200);
    let third = fleet.post(&rotate, &of.key, &json!({"overlap_seconds": 0})).await.expect(200)["key"].clone();
    fleet.get("/v1/plans", third.as_str().expect("a key")).await.expect(200);
    for old in [first.as_str(), second] {
        fleet.get("/v1/plans", old).await.problem(401, "unauthenticated");
    }
    let narrow = fleet.key(&of.key, &of.tenant, &["api_key.*"]).await;
    fleet.post(&rotate, &narrow, &json!({})).await.problem(403, "forbidden");
}

#[tokio::test]
async fn a_key_with_the_role_of_support_looks_and_one_for_an_account_stays_there() {
    let fleet = Fleet::new().await;
    let Owned { of, own, other, .. } = owned(&fleet).await;
    let make = async |body: Value| {
        let made = fleet.post("/v1/api-keys", &of.key, &body).await.expect(201);
        made["key"].as_str().expect("a key").to_owned()
    };
    let support = make(json!({"name": "s", "actions": ["*"], "role": "support"})).await;
    fleet.get(&format!("/v1/accounts/{own}"), &support).await.expect(200);
    fleet.delete(&format!("/v1/accounts/{own}"), &support).await.problem(403, "forbidden");
    let confined = make(json!({"name": "a", "actions": ["*"], "accounts": [own]})).await;
    fleet.get(&format!("/v1/accounts/{own}"), &confined).await.expect(200);
    fleet.get(&format!("/v1/accounts/{other}"), &confined).await.problem(404, "not_found");
    fleet.get("/v1/tenants", &confined).await.problem(403, "forbidden");
    let of_others = json!({"name": "b", "actions": ["*"], "accounts": [own]});
    let stranger = fleet.reseller("strangers").await;
    fleet.post("/v1/api-keys", &stranger.key, &of_others).await.problem(404, "not_found");
}

/// On the test's one thread, whoever computed there would be done before anybody else is asked.
#[tokio::test]
async fn nobody_waits_for_a_password_to_be_hashed() {
    let fleet = Fleet::new().await;
    signed_in(&fleet, &fleet.admin, "ann@example.com", "administrator", json!({})).await;
    tokio::select! {
        biased;
        _ = sign_in(&fleet, "ann@example.com", "incorrect horse battery", None) => panic!("the read waited"),
        answer = fleet.get("/v1/plans", &fleet.admin) => drop(answer.expect(200)),
    }
}

#[tokio::test]
async fn more_than_so_many_do_not_wait_to_sign_in() {
    let fleet = Fleet::new().await;
    let crowd = (0..100).map(|_| sign_in(&fleet, "nobody@example.com", "incorrect horse battery", None));
    let answers = futures::future::join_all(crowd).await;
    let turned_away: Vec<_> = answers.iter().filter(|answer| answer.status == 503).collect();
    assert!((20..=60).contains(&turned_away.len()), "{}", turned_away.len());
    for answer in turned_away {
        answer.problem(503, "overloaded");
        assert!(!answer.header("retry-after").is_empty());
    }
}
