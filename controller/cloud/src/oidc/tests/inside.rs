//! Issuers whose addresses lead inside, however they do it: by what they are, by name, by redirection, by what they say of their
//! endpoints, and by saying something else the second time.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Json, Router,
    http::{StatusCode, header::LOCATION},
    routing::{any, get},
};
use serde_json::{Value, json};

use super::*;
use crate::outgoing::tests::{counted, serve};

const INSIDE: [&str; 6] = ["169.254.169.254", "127.0.0.1", "::1", "fd00:ec2::254", "10.0.0.1", "5.6.7.8"];
/// The last of those is the fleet's, and public.
const OF_FLEET: &str = "5.6.7.8";

fn is_inside(error: &OidcError) -> bool {
    let OidcError::Unreachable { source, .. } = error else { return false };
    matches!(source, OutgoingError::Inside { .. } | OutgoingError::LeadsInside(_))
}

#[tokio::test]
async fn an_issuer_that_is_inside_is_refused() {
    for address in INSIDE {
        let client = Oidc::new(way_by("x", &[&[]], &[], &[OF_FLEET]));
        let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
        let error =
            client.begin(&relation(&format!("https://{host}")), &[], &begun()).await.expect_err(address);
        assert!(is_inside(&error), "{address}: {error}");
    }
}

#[tokio::test]
async fn an_issuer_whose_name_leads_inside_is_refused() {
    for address in INSIDE {
        let client = Oidc::new(way_by("id.example", &[&[address]], &[], &[OF_FLEET]));
        let error = client.begin(&relation("https://id.example"), &[], &begun()).await.expect_err(address);
        assert!(is_inside(&error), "{address}: {error}");
    }
}

/// What is inside: counts who asks.
async fn inside() -> (String, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let router = Router::new().fallback(any(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Json(json!({"keys": [], "id_token": "x"})))
    }));
    (format!("http://{}", serve("127.0.0.2:0", router).await), count)
}

#[tokio::test]
async fn an_issuer_that_redirects_inside_is_not_followed() {
    let (to, count) = inside().await;
    let lead = move || std::future::ready((StatusCode::FOUND, [(LOCATION, to.clone())]));
    let at = serve("127.0.0.1:0", Router::new().fallback(any(lead))).await;
    let error =
        client().begin(&relation(&format!("http://{at}")), &[], &begun()).await.expect_err("followed");
    assert!(matches!(error, OidcError::Status { status: 302, .. }), "{error}");
    assert_eq!(count.load(Ordering::Relaxed), 0);
}

/// An issuer one of whose endpoints is elsewhere.
async fn with_endpoint(name: &'static str, elsewhere: String) -> String {
    let own = Arc::new(std::sync::Mutex::new(String::new()));
    let known = Arc::clone(&own);
    let metadata = move || {
        let at = known.lock().expect("no panic").clone();
        let mut said: Value = json!({"issuer": at, "authorization_endpoint": format!("{at}/auth"),
            "token_endpoint": format!("{at}/token"), "jwks_uri": format!("{at}/keys")});
        said[name] = json!(elsewhere);
        std::future::ready(Json(said))
    };
    let token = || std::future::ready(Json(json!({"id_token": "x.y.z", "access_token": "x"})));
    let router =
        Router::new().route("/.well-known/openid-configuration", get(metadata)).route("/token", any(token));
    let at = format!("http://{}", serve("127.0.0.1:0", router).await);
    own.lock().expect("no panic").clone_from(&at);
    at
}

#[tokio::test]
async fn an_issuer_whose_endpoints_are_inside_is_refused_where_they_are_asked() {
    for name in ["token_endpoint", "jwks_uri"] {
        let (to, count) = inside().await;
        let at = with_endpoint(name, format!("{to}/x")).await;
        let error = client().finish(&relation(&at), &begun(), &Secret::new("c"), &[]).await.expect_err(name);
        assert!(is_inside(&error), "{name}: {error}");
        assert_eq!(count.load(Ordering::Relaxed), 0, "{name}");
    }
    for elsewhere in ["http://id.example/auth", "javascript:alert(1)", "file:///etc/passwd"] {
        let at = with_endpoint("authorization_endpoint", elsewhere.to_owned()).await;
        let error = client().begin(&relation(&at), &[], &begun()).await.expect_err(elsewhere);
        assert!(matches!(error, OidcError::Unreadable { .. }), "a browser was to be sent to {elsewhere}");
    }
}

#[tokio::test]
async fn an_issuer_that_leads_elsewhere_the_second_time_is_refused_then() {
    let (good, at_good) = counted("127.0.0.1:0").await;
    let (_inside, at_inside) = counted(&format!("127.0.0.2:{}", good.port())).await;
    let answers: [&[&str]; 2] = [&["127.0.0.1"], &["127.0.0.2"]];
    let client = Oidc::new(way_by("id.example", &answers, &["127.0.0.1"], &[]));
    let at = relation(&format!("https://id.example:{}", good.port()));
    // It was let through, and does not speak TLS.
    let first = client.begin(&at, &[], &begun()).await.expect_err("no TLS");
    assert!(!is_inside(&first), "{first}");
    let second = client.begin(&at, &[], &begun()).await.expect_err("inside");
    assert!(is_inside(&second), "{second}");
    assert_eq!((at_good.load(Ordering::Relaxed), at_inside.load(Ordering::Relaxed)), (1, 0));
}
