//! The page that shows the API.

use axum::body::Body;
use http::{Method, Request, StatusCode};

use crate::support::{Answer, Fleet};

async fn without_a_key(fleet: &Fleet, path: &str) -> Answer {
    let request = Request::builder().method(Method::GET).uri(path).body(Body::empty()).expect("a request");
    fleet.send(request).await
}

/// What a page's markup and styles point to.
fn links(text: &str) -> Vec<&str> {
    let after = |mark: &'static str, end: char| {
        text.split(mark).skip(1).filter_map(move |rest| rest.split(end).next())
    };
    after("href=\"", '"')
        .chain(after("src=\"", '"'))
        .chain(after("url(", ')'))
        .chain(after("@import", ';'))
        .collect()
}

#[tokio::test]
async fn the_page_needs_nothing_from_outside() {
    let fleet = Fleet::new().await;
    let page = without_a_key(&fleet, "/docs").await;
    assert_eq!((page.status, page.header("content-type")), (StatusCode::OK, "text/html; charset=utf-8"));
    let links = links(&page.text);
    assert!(links.len() >= 3, "{links:?}");
    for link in links {
        assert!(link.starts_with('/') && !link.starts_with("//"), "{link} is elsewhere");
        let part = without_a_key(&fleet, link).await;
        assert_eq!(part.status, StatusCode::OK, "{link}");
        if link.starts_with("/docs/") {
            assert!(
                self::links(&part.text).is_empty() && !part.text.contains("://"),
                "{link} points elsewhere"
            );
        }
    }
    assert!(!page.text.contains("://"), "an address is in the page");
}

#[tokio::test]
async fn nothing_that_came_into_the_page_could_run() {
    let fleet = Fleet::new().await;
    for path in ["/docs", "/docs/page.css", "/docs/page.js"] {
        let part = without_a_key(&fleet, path).await;
        let policy = part.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; "), "{path}: {policy}");
        for word in ["unsafe", "*", "data:", "http", "blob:"] {
            assert!(!policy.contains(word), "{path}: {policy}");
        }
        assert_eq!(part.header("x-content-type-options"), "nosniff", "{path}");
    }
    let page = without_a_key(&fleet, "/docs").await.text;
    assert!(
        !page.contains("<script>") && !page.contains("<style") && !page.contains(" on"),
        "a script stands in the page"
    );
    let script = without_a_key(&fleet, "/docs/page.js").await.text;
    for word in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
        assert!(!script.contains(word), "the script writes markup: {word}");
    }
}
