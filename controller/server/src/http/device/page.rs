//! What the page shows. Whatever text comes into it is escaped, and would run nowhere.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, RETRY_AFTER,
        X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
    },
};
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use crate::http::{
    context::ByAnotherStandard,
    problem::{Failure, meaning},
};

/// Nothing from elsewhere, no script at all, in nobody's frame; forms go to this controller only.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 6] = [
    (CONTENT_TYPE, "text/html; charset=utf-8"),
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-store"),
];

/// What there is to say of a program that waits.
#[derive(Debug, Default, Serialize)]
pub(super) struct Waiting {
    pub(super) user_code: String,
    pub(super) client: String,
    pub(super) user_agent: String,
    pub(super) source_address: String,
    pub(super) since: String,
}

/// An identity provider that can be chosen.
#[derive(Debug, Serialize)]
pub(super) struct Choice {
    pub(super) id: String,
    pub(super) name: String,
}

/// What is shown.
#[derive(Debug, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub(super) enum Page {
    /// The code is asked for.
    Code,
    /// Who they are is asked for.
    SignIn { waiting: Waiting, providers: Vec<Choice>, login: String },
    /// Whether they want it is asked for.
    Confirm { waiting: Waiting, login: String, name: String, by: String, proof: String },
    /// It is over.
    Done { said: &'static str },
}

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    page: &'a Page,
    message: &'a str,
}

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.add_template("page.html", include_str!("page.html")).expect("the page's template is one");
    templates
});

impl Page {
    /// The page.
    pub(super) fn show(&self) -> Response {
        self.show_with(StatusCode::OK, "")
    }

    /// The page, with why it is shown again.
    pub(super) fn show_with(&self, status: StatusCode, message: &str) -> Response {
        let text =
            TEMPLATES.get_template("page.html").and_then(|page| page.render(Shown { page: self, message }));
        let text = match text {
            Ok(text) => text,
            Err(error) => return Failure::internal(&error.kind()).into_response(),
        };
        let mut response = (status, text).into_response();
        for (name, value) in HEADERS {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response.extensions_mut().insert(ByAnotherStandard);
        response
    }
}

/// What went wrong, as a page: for who is not a program.
pub(super) struct Wrong {
    page: Page,
    failure: Failure,
}

impl Wrong {
    pub(super) fn on(page: Page) -> impl FnOnce(Failure) -> Self {
        |failure| Self { page, failure }
    }
}

impl From<Failure> for Wrong {
    fn from(failure: Failure) -> Self {
        Self { page: Page::Code, failure }
    }
}

impl IntoResponse for Wrong {
    fn into_response(self) -> Response {
        let status = meaning(self.failure.kind()).0;
        let mut response = self.page.show_with(status, self.failure.detail());
        if [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS].contains(&status) {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(self.failure.retry_after()));
        }
        response
    }
}

/// How it looks.
pub(super) async fn style() -> impl IntoResponse {
    let headers = [(CONTENT_TYPE, "text/css; charset=utf-8"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, include_str!("page.css"))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn text(response: Response) -> String {
        let bytes = response.into_body().collect().await.expect("a body").to_bytes();
        String::from_utf8(bytes.to_vec()).expect("text")
    }

    const EVIL: &str = "\"><script>alert(1)</script><img src=x onerror='x'>{{ 7 * 7 }}";

    #[tokio::test]
    async fn whatever_a_program_calls_itself_is_text() {
        let waiting = || Waiting {
            user_code: EVIL.into(),
            client: EVIL.into(),
            user_agent: EVIL.into(),
            source_address: EVIL.into(),
            since: EVIL.into(),
        };
        let (login, name, by, proof) = (EVIL.into(), EVIL.into(), EVIL.into(), EVIL.into());
        let providers = vec![Choice { id: EVIL.into(), name: EVIL.into() }];
        for page in [
            Page::SignIn { waiting: waiting(), providers, login: EVIL.into() },
            Page::Confirm { waiting: waiting(), login, name, by, proof },
            Page::Code,
        ] {
            let shown = text(page.show_with(StatusCode::OK, EVIL)).await;
            assert!(
                !shown.contains("<script") && !shown.contains("<img") && !shown.contains("49"),
                "{shown}"
            );
            assert!(shown.contains("&lt;script&gt;"), "{shown}");
        }
    }

    #[test]
    fn the_page_runs_no_script_and_is_in_nobodys_frame() {
        let response = Page::Code.show();
        let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().expect("text");
        assert!(policy.contains("default-src 'none'") && !policy.contains("script-src"), "{policy}");
        assert!(
            policy.contains("frame-ancestors 'none'") && policy.contains("form-action 'self'"),
            "{policy}"
        );
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
    }
}
