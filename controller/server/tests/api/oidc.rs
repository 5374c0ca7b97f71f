//! Signing in by a real identity provider, `oidc-provider` of npm: there and back again, through two controllers.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use axum::{Router, body::Body};
use http::{Request, header};
use npanel_server::http::router;
use serde_json::{Value, json};

use crate::{
    device::{Page, ask, begin, look, open, send},
    support::{Fleet, id, way_out},
};

const CALLBACK: &str = "https://c1.example.net:8443/device/callback";

/// Where its packages are, if they are those of the lock file.
fn modules() -> Option<PathBuf> {
    let cache = env::var_os("NPANEL_CACHE").map(PathBuf::from);
    let cache = cache.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/npanel")));
    let modules = cache?.join("oidc-provider/node_modules");
    let wanted = include_str!("../oidc-provider/package-lock.json");
    (fs::read_to_string(modules.join(".installed")).ok()? == wanted).then_some(modules)
}

/// The identity provider, as a process of its own. It ends with this.
struct Provider {
    child: Child,
    issuer: String,
    http: reqwest::Client,
}

impl Drop for Provider {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Provider {
    fn start() -> Option<Self> {
        let Some(modules) = modules() else {
            let why =
                "SKIPPED: oidc-provider is not in $NPANEL_CACHE/oidc-provider, where tests/setup installs it";
            let _ = writeln!(std::io::stderr(), "{why}");
            return None;
        };
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oidc-provider/provider.mjs");
        let mut child = Command::new("node")
            .arg(program)
            .arg(modules)
            .arg(CALLBACK)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("node runs");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let issuer = lines.map_while(Result::ok).find(|line| line.starts_with("http://")).expect("an issuer");
        npanel_pki::tls::install_provider();
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        Some(Self { child, issuer, http: http.build().expect("a client") })
    }

    async fn tell(&self, said: Value) {
        let told = self.http.post(format!("{}/test", self.issuer)).body(said.to_string()).send().await;
        assert_eq!(told.expect("an answer").status(), 200);
    }

    /// From now on this one signs in, and is of these groups.
    async fn is_used_by(&self, who: &str, groups: &[&str]) {
        let person = json!({"name": "Ann Example", "email": format!("{who}@example.com"), "email_verified": true,
            "groups": groups});
        self.tell(json!({"who": who, "people": {who: person}})).await;
    }

    /// Goes where a browser is sent until it is sent back; where that is.
    async fn visit(&self, url: &str) -> String {
        let (mut url, mut jar) = (url.to_owned(), BTreeMap::new());
        for _ in 0..8 {
            let cookies: Vec<String> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let request = self.http.get(&url).header("cookie", cookies.join("; "));
            let answer = request.send().await.expect("an answer");
            for set in answer.headers().get_all("set-cookie") {
                let pair = set.to_str().expect("text").split(';').next().expect("a pair");
                let (name, value) = pair.split_once('=').expect("a pair");
                jar.insert(name.to_owned(), value.to_owned());
            }
            assert_eq!(answer.status(), 303, "{url}");
            let to = answer.headers()["location"].to_str().expect("text").to_owned();
            url = if to.starts_with('/') { format!("{}{to}", self.issuer) } else { to };
            if url.starts_with(CALLBACK) {
                return url.trim_start_matches("https://c1.example.net:8443").to_owned();
            }
        }
        panic!("it does not come back: {url}")
    }
}

/// A fleet of two controllers, an identity provider, and what it is to the fleet.
struct Scene {
    fleet: Fleet,
    one: Router,
    other: Router,
    provider: Provider,
    id: String,
}

/// A sign-in that is at the provider.
struct Begun {
    device_code: String,
    cookie: String,
    url: String,
}

impl Scene {
    async fn new(mappings: Value, more: Value) -> Option<Self> {
        let provider = Provider::start()?;
        let fleet = Fleet::with(|services| services.outgoing = way_out(&["127.0.0.1"])).await;
        let mut body = json!({"name": "staff", "issuer": provider.issuer, "client_id": "npanel",
            "client_secret": "a secret & more", "scopes": ["profile", "email", "groups"], "mappings": mappings});
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let made = fleet.post("/v1/identity-providers", &fleet.admin, &body).await;
        assert!(!made.text.contains("a secret"), "{}", made.text);
        let id = id(&made);
        let (one, other) = (router(fleet.services.clone()), router(fleet.services.clone()));
        Some(Self { fleet, one, other, provider, id })
    }

    /// Begins at one controller.
    async fn begin(&self) -> Begun {
        let (device_code, user_code) = begin(&self.fleet).await;
        look(&self.one, &format!("/device?user_code={user_code}")).await.says(200, "Sign in by staff");
        let sent = look(&self.one, &format!("/device/provider/{}?user_code={user_code}", self.id)).await;
        assert_eq!(sent.status, 303, "{}", sent.text);
        let text = |name| sent.headers[name].to_str().expect("text").to_owned();
        let cookie = text(header::SET_COOKIE);
        for part in ["__Host-npanel-sign-in=", "Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        let cookie = cookie.split(';').next().expect("a pair").to_owned();
        Begun { device_code, cookie, url: text(header::LOCATION) }
    }

    /// Comes back to the other controller.
    async fn back(&self, path: &str, cookie: &str) -> Page {
        let request = Request::get(path).header(header::COOKIE, cookie);
        open(&self.other, request.body(Body::empty()).expect("a request")).await
    }

    /// The whole way; what the program gets.
    async fn sign_in(&self) -> String {
        let begun = self.begin().await;
        let page = self.back(&self.provider.visit(&begun.url).await, &begun.cookie).await;
        let proof = page.says(200, "as staff says").field("proof");
        assert!(page.headers[header::SET_COOKIE].to_str().expect("text").contains("Max-Age=0"), "{page:?}");
        send(&self.one, "/device/decide", &[("proof", &proof), ("decision", "confirm")])
            .await
            .says(200, "Confirmed");
        let token = ask(&self.fleet, &begun.device_code).await.expect(200);
        token["access_token"].as_str().expect("a token").to_owned()
    }

    /// As far as the provider's answer; what is said to it.
    async fn try_to(&self) -> Page {
        let begun = self.begin().await;
        self.back(&self.provider.visit(&begun.url).await, &begun.cookie).await
    }
}

#[tokio::test]
async fn who_a_provider_knows_signs_in_through_two_controllers_and_follows_their_groups() {
    let mappings =
        json!([{"group": "admins", "role": "administrator"}, {"group": "helpers", "role": "support"}]);
    let Some(scene) = Scene::new(mappings, json!({"creates_users": true})).await else { return };
    scene.provider.is_used_by("ann", &["helpers", "admins"]).await;
    let token = scene.sign_in().await;
    let me = scene.fleet.get("/v1/me", &token).await.expect(200);
    let user = &me["user"];
    assert_eq!((&user["login"], &user["name"]), (&json!("ann@example.com"), &json!("Ann Example")));
    assert_eq!((&user["role"], &user["has_password"]), (&json!("administrator"), &json!(false)));
    assert_eq!(user["identity"], json!({"identity_provider_id": scene.id, "subject": "ann"}));
    scene.fleet.post("/v1/tenants", &token, &json!({"name": "acme"})).await.expect(201);

    // Other groups: the next sign-in makes something else of them, and of what they are signed in by already.
    scene.provider.is_used_by("ann", &["helpers"]).await;
    let second = scene.sign_in().await;
    let me = scene.fleet.get("/v1/me", &second).await.expect(200);
    assert_eq!((&me["user"]["id"], &me["user"]["role"]), (&user["id"], &json!("support")));
    for token in [&token, &second] {
        scene.fleet.post("/v1/tenants", token, &json!({"name": "umbrella"})).await.problem(403, "forbidden");
    }
    scene.provider.is_used_by("ann", &["others"]).await;
    scene.try_to().await.says(403, "none of your groups");

    let sessions = scene.fleet.get("/v1/sessions", &second).await.expect(200);
    assert_eq!(sessions["items"][0]["identity_provider_id"], json!(scene.id), "{sessions}");
    let audit = scene.fleet.get("/v1/audit?action=session.identify", &scene.fleet.admin).await.expect(200);
    let entries = audit["items"].as_array().expect("entries");
    assert_eq!(entries.len(), 2, "{audit}");
    for entry in entries {
        assert_eq!(entry["actor"], format!("identity_provider/{}", scene.id));
        assert_eq!((&entry["object_kind"], &entry["object_id"]), (&json!("user"), &user["id"]));
    }
}

#[tokio::test]
async fn an_answer_that_is_not_to_this_sign_in_is_refused() {
    let mappings = json!([{"group": "*", "role": "support"}]);
    let Some(scene) = Scene::new(mappings, json!({"creates_users": true})).await else { return };
    scene.provider.is_used_by("ann", &[]).await;
    // Of another nonce.
    let begun = scene.begin().await;
    let nonce = begun.url.split('&').find(|part| part.starts_with("nonce=")).expect("a nonce");
    let back = scene.provider.visit(&begun.url.replace(nonce, "nonce=another")).await;
    scene.back(&back, &begun.cookie).await.says(401, "nonce");
    // In another browser, or with another's state.
    let (begun, others) = (scene.begin().await, scene.begin().await);
    let back = scene.provider.visit(&begun.url).await;
    for cookie in ["", "x=y", "__Host-npanel-sign-in=", "__Host-npanel-sign-in=forged", &others.cookie] {
        scene.back(&back, cookie).await.says(401, "not begun in this browser");
    }
    // By another issuer.
    let mixed = back.split("&iss=").next().expect("a query").to_owned() + "&iss=https%3A%2F%2Fevil.example";
    scene.back(&mixed, &begun.cookie).await.says(401, "another provider");
    // It was good all the time, and is so once.
    scene.back(&back, &begun.cookie).await.says(200, "as staff says");
    scene.back(&back, &begun.cookie).await.says(401, "gives no token");
    // A fresh code does not make what was spent good again.
    let again = scene.provider.visit(&begun.url).await;
    scene.back(&again, &begun.cookie).await.says(401, "come to its end before");
    // Whoever refuses there is not signed in here.
    let begun = scene.begin().await;
    let state = begun.url.split('&').find(|part| part.starts_with("state=")).expect("a state");
    let refused = format!("/device/callback?error=access_denied&error_description=%3Cscript%3E&{state}");
    let page = scene.back(&refused, &begun.cookie).await;
    page.says(401, "access_denied &lt;script&gt;");
    assert_eq!(
        scene.fleet.get("/v1/users", &scene.fleet.admin).await.expect(200)["items"].as_array().map(Vec::len),
        Some(1)
    );
}

#[tokio::test]
async fn a_token_that_is_over_and_a_client_that_is_another_are_refused() {
    let mappings = json!([{"group": "*", "role": "support"}]);
    let Some(scene) = Scene::new(mappings, json!({"creates_users": true})).await else { return };
    scene.provider.is_used_by("ann", &[]).await;
    scene.provider.tell(json!({"id_token_seconds": -120})).await;
    scene.try_to().await.says(401, "expired");
    scene.provider.tell(json!({"id_token_seconds": 300})).await;
    // Between the two ways nPanel becomes another client: neither code nor token is for that.
    let begun = scene.begin().await;
    let back = scene.provider.visit(&begun.url).await;
    let other = json!({"client_id": "another", "client_secret": "another secret"});
    let path = format!("/v1/identity-providers/{}", scene.id);
    let change = Fleet::request(http::Method::PATCH, &path, &scene.fleet.admin)
        .header("content-type", "application/json");
    scene.fleet.send(change.body(Body::from(other.to_string())).expect("a request")).await.expect(200);
    scene.back(&back, &begun.cookie).await.says(401, "gives no token");
    let users = scene.fleet.get("/v1/users", &scene.fleet.admin).await.expect(200);
    assert_eq!(users["items"], json!([]), "somebody was made");
}

#[tokio::test]
async fn where_nobody_is_made_somebody_is_made_beforehand() {
    let mappings = json!([{"group": "*", "role": "support"}]);
    let Some(scene) = Scene::new(mappings, json!({})).await else { return };
    scene.provider.is_used_by("ann", &[]).await;
    scene.try_to().await.says(401, "subject &quot;ann&quot;");
    let identity = json!({"identity_provider_id": scene.id, "subject": "ann"});
    let user = json!({"login": "x@example.com", "name": "X", "role": "support", "identity": identity});
    let user = id(&scene.fleet.post("/v1/users", &scene.fleet.admin, &user).await);
    let token = scene.sign_in().await;
    assert_eq!(scene.fleet.get("/v1/me", &token).await.expect(200)["user"]["id"], json!(user));
}

#[tokio::test]
async fn an_issuer_that_is_inside_is_asked_nothing() {
    let fleet = Fleet::new().await;
    for (name, issuer) in [
        ("meta", "https://169.254.169.254"),
        ("own", "https://127.0.0.1:8444"),
        ("here", "https://localhost"),
    ] {
        let body = json!({"name": name, "issuer": issuer, "client_id": "npanel", "client_secret": "given",
            "mappings": [{"group": "*", "role": "support"}]});
        let provider = id(&fleet.post("/v1/identity-providers", &fleet.admin, &body).await);
        let (_, user_code) = begin(&fleet).await;
        let controller = router(fleet.services.clone());
        let page = look(&controller, &format!("/device/provider/{provider}?user_code={user_code}")).await;
        page.says(401, "was not fetched");
    }
}
