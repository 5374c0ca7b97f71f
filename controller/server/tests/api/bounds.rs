//! Bounds on what one request, one connection and one key may take.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use futures::StreamExt;
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::Frame;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout},
};

use crate::{
    served::{Served, connect, http2},
    support::{Fleet, JSON},
};

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn ten_thousand_streams_on_one_key_leave_room_to_everybody_else() {
    let fleet = Fleet::new().await;
    let (loud, quiet) = (fleet.reseller("loud").await, fleet.reseller("quiet").await);
    let second = fleet.key(&loud.key, &loud.tenant, &["event.list"]).await;
    let events = |key: &str| Fleet::request(Method::GET, "/v1/events", key).body(Body::empty()).expect("one");
    let mut open = Vec::new();
    let mut refused = 0;
    for _ in 0..10_000 {
        let answer = fleet.open(events(&loud.key)).await;
        match answer.status() {
            StatusCode::OK => open.push(answer),
            StatusCode::TOO_MANY_REQUESTS => refused += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!((open.len(), refused), (16, 10_000 - 16));
    for key in [&second, &quiet.key, &fleet.admin] {
        assert_eq!(fleet.open(events(key)).await.status(), StatusCode::OK);
    }
    fleet.get("/v1/plans", &loud.key).await.expect(200);
    drop(open);
}

/// Sends a body in pieces of 64 KiB; how much of it was taken, and the answer if there was one.
async fn send(served: &Served, bytes: u64, declared: bool) -> (Option<StatusCode>, usize) {
    let (mut connection, _) = http2(served).await;
    let sent = Arc::new(AtomicUsize::new(0));
    let (counter, piece) = (Arc::clone(&sent), Bytes::from(vec![b' '; 64 * 1024]));
    let pieces = futures::stream::iter(0..bytes / 65_536).map(move |_| {
        counter.fetch_add(piece.len(), Ordering::Relaxed);
        Ok::<_, Infallible>(Frame::data(piece.clone()))
    });
    let mut request = Fleet::request(Method::POST, "/", &served.fleet.admin)
        .uri(format!("https://{}/v1/plans", served.address))
        .header("content-type", JSON);
    if declared {
        request = request.header("content-length", bytes);
    }
    let request = request.body(StreamBody::new(pieces)).expect("a request");
    let answer = timeout(PATIENCE, connection.send_request(request)).await.expect("an end");
    (answer.ok().map(|answer| answer.status()), sent.load(Ordering::Relaxed))
}

#[tokio::test]
async fn of_a_body_of_a_gibibyte_next_to_nothing_is_taken() {
    let served = Served::new().await;
    let (status, taken) = send(&served, 1 << 30, true).await;
    assert_eq!(status, Some(StatusCode::PAYLOAD_TOO_LARGE));
    assert!(taken <= 1 << 20, "{taken} bytes of a body that said how long it is");
    let (status, taken) = send(&served, 1 << 30, false).await;
    assert!(status.is_none_or(|status| status == StatusCode::PAYLOAD_TOO_LARGE), "{status:?}");
    assert!(taken <= 20 << 20, "{taken} bytes of a body that did not say");
    served.client().cluster_status().await.expect("others are served");
}

#[tokio::test]
async fn a_page_of_a_million_is_refused_by_every_list() {
    let fleet = Fleet::new().await;
    let document = fleet.get("/v1/openapi.json", &fleet.admin).await.json();
    let mut lists = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        let parameters = item["get"]["parameters"].as_array().cloned().unwrap_or_default();
        let has_limit = parameters.iter().any(|parameter| parameter["name"] == "limit");
        if !has_limit {
            continue;
        }
        lists += 1;
        let path = path.replace("{id}", "0190a5d2-0000-7000-8000-000000000001");
        for limit in ["1000000", "0", "201", "-1", "99999999999999999999"] {
            let answer = fleet.get(&format!("{path}?limit={limit}"), &fleet.admin).await;
            assert_eq!(answer.problem(422, "invalid_query").as_deref(), Some("limit"), "{path} {limit}");
        }
    }
    assert!(lists >= 15, "{lists}");
}

#[tokio::test]
async fn an_address_that_is_too_long_is_refused() {
    let fleet = Fleet::new().await;
    let query = |length: usize| format!("/v1/plans?name={}", "x".repeat(length - "/v1/plans?name=".len()));
    fleet.get(&query(8192), &fleet.admin).await.expect(200);
    fleet.get(&query(8193), &fleet.admin).await.problem(414, "address_too_long");
    fleet.get(&query(60_000), "npk_x").await.problem(414, "address_too_long");
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused_by_both_protocols() {
    let served = Served::new().await;
    let value = "x".repeat(100 * 1024);
    let mut stream = connect(&served, b"http/1.1").await;
    let head = format!("GET /v1/plans HTTP/1.1\r\nhost: x\r\nx-long: {value}\r\n\r\n");
    // It may be cut off before all is written.
    let _ = stream.write_all(head.as_bytes()).await;
    let mut answer = [0; 12];
    timeout(PATIENCE, stream.read_exact(&mut answer)).await.expect("an end").expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 431");

    let (mut connection, _) = http2::<Empty<Bytes>>(&served).await;
    let request = Fleet::request(Method::GET, "/", &served.fleet.admin)
        .uri(format!("https://{}/v1/plans", served.address))
        .header("x-long", value)
        .body(Empty::new())
        .expect("a request");
    let answer = timeout(PATIENCE, connection.send_request(request)).await.expect("an end");
    assert!(answer.is_ok_and(|answer| answer.status() == 431));
    served.client().cluster_status().await.expect("others are served");
}

#[tokio::test]
async fn a_body_that_is_nested_without_end_is_refused() {
    let fleet = Fleet::new().await;
    for body in [
        "[".repeat(1024 * 1024),
        "{\"a\":".repeat(100_000),
        format!("{}1{}", "[".repeat(5000), "]".repeat(5000)),
    ] {
        let answer = fleet.post_text("/v1/plans", &fleet.admin, &body).await;
        answer.problem(422, "invalid_body");
        assert!(answer.text.contains("deep"), "{}", answer.text);
    }
}

#[tokio::test]
async fn a_connection_on_which_nothing_is_asked_is_closed() {
    let served = Served::with(Duration::from_millis(200), |_| ()).await;
    // One on which nothing ever was, and one on which there was something.
    let (_send, never) = http2::<Empty<Bytes>>(&served).await;
    let (mut send, once) = http2::<Empty<Bytes>>(&served).await;
    let request = Fleet::request(Method::GET, "/", &served.fleet.admin)
        .uri(format!("https://{}/v1/plans", served.address))
        .body(Empty::new())
        .expect("a request");
    let answer = send.send_request(request).await.expect("an answer");
    answer.into_body().collect().await.expect("a body");
    let mut silent = connect(&served, b"http/1.1").await;
    timeout(PATIENCE, never).await.expect("it is never closed").expect("no panic").expect("in peace");
    timeout(PATIENCE, once).await.expect("it is never closed").expect("no panic").expect("in peace");
    let read = timeout(PATIENCE, silent.read(&mut [0; 1])).await.expect("it is never closed");
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    served.client().cluster_status().await.expect("who comes then is served");
}

#[tokio::test]
async fn a_connection_is_not_closed_under_who_listens_or_waits() {
    let idle = Duration::from_millis(200);
    let served = Served::with(idle, |_| ()).await;
    let (mut send, mut connection) = http2::<http_body_util::Full<Bytes>>(&served).await;
    let request = |method, path: &str, body: &serde_json::Value| {
        Fleet::request(method, "/", &served.fleet.admin)
            .uri(format!("https://{}{path}", served.address))
            .header("content-type", JSON)
            .body(http_body_util::Full::from(body.to_string()))
            .expect("a request")
    };
    let listening =
        send.send_request(request(Method::GET, "/v1/events", &json!(null))).await.expect("events");
    assert_eq!(listening.status(), 200);
    let mut body = listening.into_body();
    body.frame().await.expect("a heartbeat").expect("data");
    timeout(idle * 5, &mut connection).await.expect_err("it was closed under a listener");
    // It takes new requests, too: it has not been told to end.
    let more = send.send_request(request(Method::GET, "/v1/plans", &json!(null))).await;
    assert_eq!(more.expect("it is told to end under a listener").status(), 200);
    served.fleet.reseller("acme").await;
    body.frame().await.expect("an event").expect("data");
    drop(body);
    timeout(PATIENCE, connection)
        .await
        .expect("the last listener has left")
        .expect("no panic")
        .expect("in peace");

    let reseller = served.fleet.reseller("other").await;
    let (mut send, _connection) = http2::<http_body_util::Full<Bytes>>(&served).await;
    let account = json!({"tenant_id": reseller.tenant, "plan_id": reseller.plan, "username": "alice"});
    let path = "/v1/accounts?wait=converged&timeout=2";
    let begun = Instant::now();
    let answer = send.send_request(request(Method::POST, path, &account)).await.expect("it is not closed");
    assert!(begun.elapsed() > idle && answer.status().is_success(), "{}", answer.status());
}
