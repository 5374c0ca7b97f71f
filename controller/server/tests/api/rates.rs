//! Who asks too often.

use axum::body::Body;
use http::Method;
use npanel_server::{
    http::{ForwardedHeader, TrustedProxies},
    rates::{RateLimits, Rates},
};
use serde_json::{Value, json};

use crate::{
    served::{Served, http2},
    support::{Answer, Fleet},
};

/// Quotas are of ten seconds: of 1 a second, ten.
async fn fleet(limits: RateLimits) -> Fleet {
    Fleet::with(|services| services.rates = Rates::new(limits)).await
}

fn standing(answer: &Answer) -> (&str, &str) {
    (answer.header("ratelimit-policy"), answer.header("ratelimit"))
}

#[tokio::test]
async fn every_answer_to_a_caller_says_how_it_stands() {
    let fleet = fleet(RateLimits { key_per_second: 100, tenant_per_second: 200, ..RateLimits::OFF }).await;
    let acme = fleet.reseller("acme").await;
    let policy = "\"key\";q=1000;w=10, \"tenant\";q=2000;w=10";
    let plan = format!("/v1/plans/{}", acme.plan);
    let read = fleet.get(&plan, &acme.key).await;
    read.expect(200);
    assert_eq!(standing(&read).0, policy);
    // The reseller's plan was made with its key, too.
    let left = |answer: &Answer| -> Vec<u32> {
        let number = |text: &str| text.split_once(";r=")?.1.split(';').next()?.parse().ok();
        standing(answer).1.split(", ").map(|one| number(one).expect("a number")).collect()
    };
    assert_eq!(left(&read), [998, 1998], "{}", standing(&read).1);
    assert!(
        standing(&read).1.starts_with("\"key\";r=998;t=1, \"tenant\";r=1998;t=1"),
        "{}",
        standing(&read).1
    );
    let missing = fleet.get("/v1/plans/0190a5d2-0000-7000-8000-000000000001", &acme.key).await;
    missing.problem(404, "not_found");
    let malformed = fleet.post_text("/v1/plans", &acme.key, "{").await;
    malformed.problem(400, "malformed_body");
    let forbidden = fleet.get("/v1/nodes", &acme.key).await;
    let known = fleet.get(&plan, &acme.key).await.header("etag").to_owned();
    let unchanged = Fleet::request(Method::GET, &plan, &acme.key).header("if-none-match", known);
    let unchanged = fleet.send(unchanged.body(Body::empty()).expect("a request")).await;
    unchanged.expect(304);
    for answer in [&missing, &malformed, &unchanged] {
        assert_eq!(standing(answer).0, policy, "{answer:?}");
    }
    forbidden.problem(403, "forbidden");
    let stranger = fleet.get("/v1/plans", "npk_x.y").await;
    stranger.problem(401, "unauthenticated");
    assert_eq!(standing(&stranger), ("", ""), "nobody knows whose quota");
}

#[tokio::test]
async fn a_key_that_asks_too_often_is_told_when_to_come_back_and_others_are_served() {
    let fleet = fleet(RateLimits { key_per_second: 1, ..RateLimits::OFF }).await;
    let acme = fleet.reseller("acme").await;
    let mut served = 0;
    let refused = loop {
        let answer = fleet.get("/v1/plans", &acme.key).await;
        if answer.status == 429 {
            break answer;
        }
        answer.expect(200);
        served += 1;
        assert!(served < 1000, "it is never refused");
    };
    assert!(served >= 9, "the quota is there at once: {served}");
    refused.problem(429, "rate_limited");
    let wait: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=10).contains(&wait), "{wait}");
    assert!(standing(&refused).1.starts_with("\"key\";r=0;t="), "{refused:?}");
    let body = json!({"name": "p2", "disk_mb": 1, "domains": 1, "databases": 1, "php_version": "8.2"});
    let other = fleet.reseller("other").await;
    fleet.post("/v1/plans", &other.key, &body).await.expect(201);
    assert_eq!(fleet.services.requests.usage().used.count, 0, "who was refused has no place");
}

#[tokio::test]
async fn the_keys_of_a_tenant_share_its_quota() {
    let fleet = fleet(RateLimits { tenant_per_second: 1, ..RateLimits::OFF }).await;
    let (acme, other) = (fleet.reseller("acme").await, fleet.reseller("other").await);
    let second = fleet.key(&acme.key, &acme.tenant, &["plan.list"]).await;
    let mut answers = Vec::new();
    for number in 0..20 {
        let key = if number % 2 == 0 { &acme.key } else { &second };
        answers.push(fleet.get("/v1/plans", key).await);
    }
    let refused = answers.iter().filter(|answer| answer.status == 429).collect::<Vec<_>>();
    assert!((10..=14).contains(&refused.len()), "{}", refused.len());
    assert!(refused[0].problem(429, "rate_limited").is_none());
    assert!(refused[0].json()["detail"].as_str().expect("text").starts_with("this tenant"), "{refused:?}");
    fleet.get("/v1/plans", &other.key).await.expect(200);
}

/// What an HTTP/2 client with these headers is answered.
async fn ask(served: &Served, key: &str, path: &str, headers: &[(&str, &str)]) -> (u16, Value, String) {
    use http_body_util::BodyExt;
    let (mut connection, _) = http2(served).await;
    let mut request = Fleet::request(Method::GET, "/", key).uri(format!("https://{}{path}", served.address));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(http_body_util::Empty::new()).expect("a request");
    let answer = connection.send_request(request).await.expect("an answer");
    let wait =
        answer.headers().get("retry-after").map_or("", |value| value.to_str().expect("text")).to_owned();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default(), wait)
}

#[tokio::test]
async fn guesses_from_an_address_are_not_judged_for_ever_and_a_good_key_is_let_in_beside_them() {
    let limits = RateLimits { failures_per_minute: 5, ..RateLimits::OFF };
    let served =
        Served::with(npanel_server::http::IDLE, |services| services.rates = Rates::new(limits)).await;
    let known = served.fleet.admin.clone();
    // Its secret is another; and one that nobody knows; and none.
    let wrong = format!("{}x", &known[..known.len() - 1]);
    let unknown = npanel_pki::ApiKeyText::generate().reveal().expose().to_owned();
    let mut statuses = Vec::new();
    for key in [&wrong, &unknown, "npk_x", &wrong, &unknown, &wrong, &unknown, "npk_x"] {
        statuses.push(ask(&served, key, "/v1/plans", &[]).await);
    }
    let of = |status: u16| statuses.iter().filter(|(got, ..)| *got == status).count();
    assert_eq!((of(401), of(429)), (5, 3), "{statuses:?}");
    let (_, problem, wait) = &statuses[7];
    assert_eq!(problem["code"], "rate_limited");
    assert!((1..=12).contains(&wait.parse::<u64>().expect("seconds")), "{wait}");
    assert_eq!(ask(&served, &known, "/v1/plans", &[]).await.0, 200, "the owner is not locked out");
}

#[tokio::test]
async fn what_a_client_says_of_its_address_counts_only_from_a_trusted_proxy() {
    let limits = RateLimits { address_per_second: 1, ..RateLimits::OFF };
    for (trusted, expected) in [(None, 429), (Some("127.0.0.0/8"), 200)] {
        let served = Served::with(npanel_server::http::IDLE, |services| {
            services.rates = Rates::new(limits);
            let networks: Vec<_> = trusted.iter().map(|text| text.parse().expect("a network")).collect();
            services.proxies = TrustedProxies::new(&networks, ForwardedHeader::XForwardedFor);
        })
        .await;
        let key = served.fleet.admin.clone();
        let mut last = 0;
        for number in 0..15 {
            let forged = format!("192.0.2.66, 198.51.100.{number}");
            last = ask(&served, &key, "/v1/plans", &[("x-forwarded-for", &forged)]).await.0;
        }
        assert_eq!(last, expected, "{trusted:?}: each of those addresses asks once");
        if trusted.is_some() {
            // What they wrote before the proxy's word is nobody's address.
            let mut last = 0;
            for number in 0..15 {
                let forged = format!("192.0.2.{number}, 198.51.100.200");
                last = ask(&served, &key, "/v1/plans", &[("x-forwarded-for", &forged)]).await.0;
            }
            assert_eq!(last, 429);
        }
    }
}

#[tokio::test]
async fn the_audit_has_the_address_of_the_client_and_not_a_forged_one() {
    for (trusted, expected) in [(None, "127.0.0.1"), (Some("127.0.0.1"), "198.51.100.7")] {
        let served = Served::with(npanel_server::http::IDLE, |services| {
            let networks: Vec<_> = trusted.iter().map(|text| text.parse().expect("a network")).collect();
            services.proxies = TrustedProxies::new(&networks, ForwardedHeader::Forwarded);
        })
        .await;
        let (mut connection, _) = http2(&served).await;
        let request = Fleet::request(Method::POST, "/", &served.fleet.admin)
            .uri(format!("https://{}/v1/tenants", served.address))
            .header("content-type", "application/json")
            .header("x-forwarded-for", "192.0.2.1")
            .header("forwarded", "for=192.0.2.66, for=\"198.51.100.7:4711\"")
            .body(http_body_util::Full::from(r#"{"name":"acme"}"#))
            .expect("a request");
        assert_eq!(connection.send_request(request).await.expect("an answer").status(), 201);
        let entries = served.fleet.get("/v1/audit?limit=200", &served.fleet.admin).await.expect(200);
        let entries = entries["items"].as_array().expect("entries");
        let entry =
            entries.iter().find(|entry| entry["source_address"] != "").expect("an entry from outside");
        assert_eq!(entry["source_address"], expected, "{entry}");
    }
}

#[tokio::test]
async fn keys_that_are_not_good_are_counted_where_access_tokens_are_asked_for_too() {
    let limits = RateLimits { failures_per_minute: 2, ..RateLimits::OFF };
    let served =
        Served::with(npanel_server::http::IDLE, |services| services.rates = Rates::new(limits)).await;
    let (client, mut statuses) = (served.client(), Vec::new());
    for _ in 0..3 {
        let unknown = npanel_pki::ApiKeyText::generate();
        let refused = client.access_token(unknown.id, &unknown.reveal(), None).await.expect_err("unknown");
        statuses.push(refused.problem().map_or(0, |problem| problem.status));
    }
    assert_eq!(statuses, [401, 401, 429]);
    let known: npanel_pki::ApiKeyText = served.fleet.admin.parse().expect("a key");
    client.access_token(known.id, &known.reveal(), None).await.expect("the owner is not locked out");
}
