//! Sign-ins that a program waits for (RFC 8628): the page on which somebody confirms them, and what the program gets.

use axum::{Router, body::Body};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use npanel_server::http::{IDLE, router};
use serde_json::json;
use tower::ServiceExt;

use crate::{
    served::{Served, http2},
    support::{Answer, Fleet},
    users::{PASSWORD, code_of, signed_in},
};

pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// A page as a browser gets it.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Page {
    /// Makes sure of the status, and that something is said.
    #[track_caller]
    pub(crate) fn says(&self, status: u16, text: &str) -> &Self {
        assert!(self.status.as_u16() == status && self.text.contains(text), "{text:?} is not said: {self:?}");
        self
    }

    /// What a hidden field holds.
    #[track_caller]
    pub(crate) fn field(&self, name: &str) -> String {
        let begin = format!("name=\"{name}\" value=\"");
        let rest = self.text.split_once(&begin).unwrap_or_else(|| panic!("no {name}: {self:?}")).1;
        rest.split_once('"').expect("an end").0.to_owned()
    }
}

pub(crate) async fn open(controller: &Router, request: Request<Body>) -> Page {
    let response = controller.clone().oneshot(request).await.expect("an answer");
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.expect("a body").to_bytes();
    Page {
        status: parts.status,
        headers: parts.headers,
        text: String::from_utf8(bytes.to_vec()).expect("text"),
    }
}

pub(crate) async fn look(controller: &Router, path: &str) -> Page {
    open(controller, Request::get(path).body(Body::empty()).expect("a request")).await
}

pub(crate) async fn send(controller: &Router, path: &str, fields: &[(&str, &str)]) -> Page {
    let body = serde_urlencoded::to_string(fields).expect("a form");
    let request = Request::post(path).header(header::CONTENT_TYPE, FORM);
    open(controller, request.body(Body::from(body)).expect("a request")).await
}

pub(crate) async fn form(fleet: &Fleet, path: &str, fields: &[(&str, &str)]) -> Answer {
    let body = serde_urlencoded::to_string(fields).expect("a form");
    let request = Request::post(path).header(header::CONTENT_TYPE, FORM);
    fleet.send(request.body(Body::from(body)).expect("a request")).await
}

/// A program begins to wait; its device code, and what the user types.
pub(crate) async fn begin(fleet: &Fleet) -> (String, String) {
    let asked = form(fleet, "/v1/oauth/device", &[("client_id", "npanel on <w7>")]).await.expect(200);
    let text = |name: &str| asked[name].as_str().expect(name).to_owned();
    let (user_code, page) = (text("user_code"), text("verification_uri"));
    assert_eq!(page, "https://c1.example.net:8443/device");
    assert_eq!(text("verification_uri_complete"), format!("{page}?user_code={user_code}"));
    (text("device_code"), user_code)
}

pub(crate) async fn ask(fleet: &Fleet, device_code: &str) -> Answer {
    let grant = "urn:ietf:params:oauth:grant-type:device_code";
    form(fleet, "/v1/oauth/token", &[("grant_type", grant), ("device_code", device_code)]).await
}

#[track_caller]
pub(crate) fn is_error(answer: &Answer, error: &str) {
    assert_eq!(answer.expect(400)["error"], error, "{answer:?}");
}

fn signing_in<'a>(user_code: &'a str, password: &'a str, code: &'a str) -> [(&'a str, &'a str); 4] {
    [("user_code", user_code), ("login", "ann@example.com"), ("password", password), ("code", code)]
}

async fn with_ann() -> (Fleet, Router) {
    let fleet = Fleet::new().await;
    signed_in(&fleet, &fleet.admin, "ann@example.com", "administrator", json!({})).await;
    let other = router(fleet.services.clone());
    (fleet, other)
}

#[tokio::test]
async fn a_program_gets_a_session_once_somebody_has_confirmed_it_whichever_controllers_they_ask() {
    let (fleet, other) = with_ann().await;
    let one = router(fleet.services.clone());
    let (device_code, user_code) = begin(&fleet).await;
    is_error(&ask(&fleet, &device_code).await, "authorization_pending");
    let page = look(&other, &format!("/device?user_code={}", user_code.to_lowercase())).await;
    page.says(200, "npanel on &lt;w7&gt;").says(200, "type=\"password\"");
    let confirm = send(&one, "/device/sign-in", &signing_in(&user_code, PASSWORD, "")).await;
    confirm.says(200, "ann@example.com").says(200, "npanel on &lt;w7&gt;");
    let proof = confirm.field("proof");
    send(&other, "/device/decide", &[("proof", &proof), ("decision", "confirm")])
        .await
        .says(200, "Confirmed");
    let token = ask(&fleet, &device_code).await.expect(200);
    let token = token["access_token"].as_str().expect("a token");
    assert_eq!(fleet.get("/v1/me", token).await.expect(200)["user"]["login"], "ann@example.com");
    is_error(&ask(&fleet, &device_code).await, "invalid_grant");
    // It is confirmed once, and its code leads nowhere any more.
    send(&one, "/device/decide", &[("proof", &proof), ("decision", "confirm")]).await.says(401, "begin anew");
    look(&one, &format!("/device?user_code={user_code}")).await.says(404, "nothing waits");
    let audit = fleet.get("/v1/audit?action=session.confirm_device", &fleet.admin).await.expect(200);
    let entry = &audit["items"][0];
    assert!(entry["actor"].as_str().is_some_and(|actor| actor.starts_with("user/")), "{audit}");
}

#[tokio::test]
async fn what_is_refused_is_told_to_the_program_and_what_takes_too_long_ends() {
    let (fleet, other) = with_ann().await;
    let (device_code, user_code) = begin(&fleet).await;
    let confirm = send(&other, "/device/sign-in", &signing_in(&user_code, PASSWORD, "")).await;
    let refusal = [("proof", confirm.field("proof")), ("decision", "refuse".to_owned())];
    let refusal: Vec<_> = refusal.iter().map(|(name, value)| (*name, value.as_str())).collect();
    send(&other, "/device/decide", &refusal).await.says(200, "Refused");
    is_error(&ask(&fleet, &device_code).await, "access_denied");
    is_error(&ask(&fleet, "npd_nothing").await, "invalid_grant");
    let (id, _) = device_code.split_once('.').expect("two parts");
    is_error(&ask(&fleet, &format!("{id}.{}", "A".repeat(43))).await, "invalid_grant");

    let (_, user_code) = begin(&fleet).await;
    let confirm = send(&other, "/device/sign-in", &signing_in(&user_code, PASSWORD, "")).await;
    fleet.agreement.ahead.store(601_000, std::sync::atomic::Ordering::Relaxed);
    let late = [("proof", confirm.field("proof")), ("decision", "confirm".to_owned())];
    let late: Vec<_> = late.iter().map(|(name, value)| (*name, value.as_str())).collect();
    send(&other, "/device/decide", &late).await.says(401, "nothing waits");
}

#[tokio::test]
async fn a_program_that_asks_too_often_is_told_to_slow_down() {
    let fleet = Fleet::new().await;
    let (device_code, _) = begin(&fleet).await;
    for _ in 0..3 {
        is_error(&ask(&fleet, &device_code).await, "authorization_pending");
    }
    is_error(&ask(&fleet, &device_code).await, "slow_down");
}

#[tokio::test]
async fn who_does_not_show_who_they_are_confirms_nothing() {
    let (fleet, other) = with_ann().await;
    let (_, user_code) = begin(&fleet).await;
    let wrong = send(&other, "/device/sign-in", &signing_in(&user_code, "incorrect horse battery", "")).await;
    wrong.says(401, "is wrong").says(401, "value=\"ann@example.com\"");
    assert!(!wrong.text.contains("incorrect"), "the password is shown again: {}", wrong.text);
    send(&other, "/device/sign-in", &signing_in("WDJB-MJHT", PASSWORD, "")).await.says(404, "nothing waits");
    let confirm = send(&other, "/device/sign-in", &signing_in(&user_code, PASSWORD, "")).await;
    let proof = confirm.field("proof");
    for forged in ["", "x", &proof[1..], &format!("{}A", &proof[..proof.len() - 1])] {
        send(&other, "/device/decide", &[("proof", forged), ("decision", "confirm")])
            .await
            .says(401, "too long ago");
    }
}

#[tokio::test]
async fn a_second_factor_is_asked_for_and_taken_once_here_too() {
    let (fleet, other) = with_ann().await;
    let sign_in = json!({"login": "ann@example.com", "password": PASSWORD});
    let session = fleet.post("/v1/sessions", "", &sign_in).await.expect(201);
    let session = session["token"].as_str().expect("a token").to_owned();
    let again = json!({"password": PASSWORD});
    let offer = fleet.post("/v1/me/totp", &session, &again).await.expect(200);
    let right = json!({"code": code_of(&offer, 0)});
    fleet.post("/v1/me/totp/confirm", &session, &right).await.expect(200);
    let (_, user_code) = begin(&fleet).await;
    let without = send(&other, "/device/sign-in", &signing_in(&user_code, PASSWORD, "")).await;
    without.says(401, "authenticator is needed");
    assert!(!without.text.contains("name=\"proof\""), "it goes on without");
    let wrong = send(&other, "/device/sign-in", &signing_in(&user_code, PASSWORD, "000000")).await;
    wrong.says(401, "is wrong");
    let code = code_of(&offer, 1);
    let first =
        send(&other, "/device/sign-in", &signing_in(&user_code, PASSWORD, &code)).await.field("proof");
    let second =
        send(&other, "/device/sign-in", &signing_in(&user_code, PASSWORD, &code)).await.field("proof");
    send(&other, "/device/decide", &[("proof", &first), ("decision", "confirm")])
        .await
        .says(200, "Confirmed");
    // The same code for another program is spent.
    send(&other, "/device/decide", &[("proof", &second), ("decision", "confirm")])
        .await
        .says(401, "used before");
}

#[tokio::test]
async fn another_site_has_a_browser_do_nothing() {
    let (fleet, other) = with_ann().await;
    let (_, user_code) = begin(&fleet).await;
    let body = serde_urlencoded::to_string(signing_in(&user_code, PASSWORD, "")).expect("a form");
    for (kind, from) in [(FORM, "cross-site"), ("text/plain", "same-origin")] {
        let request = Request::post("/device/sign-in")
            .header(header::CONTENT_TYPE, kind)
            .header("sec-fetch-site", from);
        let page = open(&other, request.body(Body::from(body.clone())).expect("a request")).await;
        page.says(400, "not the form of this page");
    }
    let page = look(&other, &format!("/device?user_code={user_code}")).await;
    assert!(page.headers.get(header::SET_COOKIE).is_none(), "there is something to borrow");
    assert!(!page.text.contains("<script") && !page.text.contains("http"), "{}", page.text);
}

#[tokio::test]
async fn what_no_program_would_send_is_refused_as_the_rfc_has_it() {
    let fleet = Fleet::new().await;
    let long = "x".repeat(101);
    for fields in [&[][..], &[("client_id", "")], &[("client_id", long.as_str())], &[("client_id", "a\nb")]] {
        is_error(&form(&fleet, "/v1/oauth/device", fields).await, "invalid_request");
    }
    let json = Request::post("/v1/oauth/device").header(header::CONTENT_TYPE, "application/json");
    is_error(&fleet.send(json.body(Body::from("{}")).expect("a request")).await, "invalid_request");
    let grant = "urn:ietf:params:oauth:grant-type:device_code";
    is_error(&form(&fleet, "/v1/oauth/token", &[("grant_type", grant)]).await, "invalid_grant");
}

#[tokio::test]
async fn guessing_codes_and_having_programs_wait_is_slow() {
    let served = Served::of(Fleet::new().await, IDLE).await;
    let (mut send, _connection) = http2::<http_body_util::Full<bytes::Bytes>>(&served).await;
    let mut statuses = async |method: Method, path: &str, body: &'static str| {
        let mut statuses = Vec::new();
        for _ in 0..21 {
            let uri = format!("https://{}{path}", served.address);
            let request =
                Request::builder().method(method.clone()).uri(uri).header(header::CONTENT_TYPE, FORM);
            let request = request.body(http_body_util::Full::from(body)).expect("a request");
            send.ready().await.expect("a connection");
            statuses.push(send.send_request(request).await.expect("an answer").status().as_u16());
        }
        statuses
    };
    let looked = statuses(Method::GET, "/device?user_code=WDJB-MJHT", "").await;
    assert_eq!((looked[19], looked[20]), (404, 429), "{looked:?}");
    let begun = statuses(Method::POST, "/v1/oauth/device", "client_id=x").await;
    assert_eq!((begun[19], begun[20]), (200, 429), "{begun:?}");
}
