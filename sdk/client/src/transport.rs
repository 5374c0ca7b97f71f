//! One request, sent until a controller takes it.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use npanel_model::{RequestId, Revision};
use npanel_sdk_types::{IDEMPOTENCY_HEADER, PROBLEM_MEDIA_TYPE, Problem, TokenError};
use reqwest::{
    Method, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, IF_MATCH, RETRY_AFTER},
};
use serde::de::DeserializeOwned;

use crate::{Config, Error, Terms, Wait};

/// How long to pause when a controller does not say it.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause that is taken at a controller's word.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Up to so much is added to a pause: many who were told the same do not come back at once.
const SPREAD: f64 = 0.25;

#[derive(Debug, Clone)]
pub(crate) struct Transport {
    http: reqwest::Client,
    config: Arc<Config>,
    authorization: HeaderValue,
    /// Whether writes are only looked at.
    previews: bool,
    /// Whether reads are answered with what a controller has.
    is_stale: bool,
    /// The controller that answered last.
    preferred: Arc<AtomicUsize>,
}

/// A request to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    method: Method,
    path: String,
    query: Vec<(String, String)>,
    /// Beside those that every request has, or in their place.
    headers: HeaderMap,
    body: Option<Vec<u8>>,
    media_type: &'static str,
    if_match: Option<Revision>,
    wait: Wait,
    prefers_minimal: bool,
    /// Without the client's own credential.
    is_anonymous: bool,
    /// Beyond what every request may take.
    patience: Duration,
}

impl Call {
    pub(crate) fn new(method: Method, path: String) -> Self {
        Self {
            method,
            path,
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: None,
            media_type: "application/json",
            if_match: None,
            wait: Wait::No,
            prefers_minimal: false,
            is_anonymous: false,
            patience: Duration::ZERO,
        }
    }

    /// Whose answer need not show what was written.
    pub(crate) fn minimal(mut self) -> Self {
        self.prefers_minimal = true;
        self
    }

    /// Of somebody who has no credential yet, or shows it elsewhere.
    pub(crate) fn anonymous(mut self) -> Self {
        self.is_anonymous = true;
        self
    }

    pub(crate) fn with_body(mut self, body: Vec<u8>) -> Self {
        self.body = Some(body);
        self
    }

    /// As a form, which is what OAuth has.
    pub(crate) fn with_form<S: AsRef<str>>(mut self, fields: &[(S, S)]) -> Self {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields.iter().map(|(name, value)| (name, value)));
        self.body = Some(form.finish().into_bytes());
        self.media_type = "application/x-www-form-urlencoded";
        self
    }

    pub(crate) fn with_query(mut self, query: &[(&str, String)]) -> Self {
        self.query.extend(query.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        self
    }

    /// Whether the query says this.
    pub(crate) fn asks(&self, name: &str) -> bool {
        self.query.iter().any(|(asked, _)| asked == name)
    }

    pub(crate) fn with_headers(mut self, headers: HeaderMap) -> Self {
        self.headers = headers;
        self
    }

    pub(crate) fn waiting(mut self, wait: Wait) -> Self {
        if let Wait::Converged(timeout) = wait {
            self.query.push(("wait".to_owned(), "converged".to_owned()));
            self.query.push(("timeout".to_owned(), timeout.as_secs_f64().ceil().to_string()));
        }
        self.wait = wait;
        self
    }

    /// As a write is asked for.
    pub(crate) fn on(mut self, terms: Terms) -> Self {
        self.if_match = terms.if_match;
        self.waiting(terms.wait)
    }

    /// Of something that takes its time.
    pub(crate) fn patient(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    fn patience_while_waiting(&self) -> Duration {
        match self.wait {
            Wait::No => self.patience,
            Wait::Converged(timeout) => self.patience + timeout,
        }
    }
}

/// A controller's answer, other than a problem.
#[derive(Debug)]
pub(crate) struct Answer {
    url: String,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Error::NotUnderstood { url: self.url.clone(), reason: error.to_string() })
    }

    /// Whether it says nothing but its status.
    pub(crate) fn is_empty(&self) -> bool {
        self.body.is_empty()
    }
}

/// An answer that goes on.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) url: String,
    pub(crate) response: reqwest::Response,
}

/// A try at one controller.
type Attempt<'a, T> = Pin<Box<dyn Future<Output = Result<Result<T, Missed>, Error>> + Send + 'a>>;

/// Why a controller did not take a request.
enum Missed {
    /// The next one may; nothing was done, or the idempotency key makes a repetition harmless.
    Connection(String),
    /// It is there and cannot take it now; another may.
    NotNow { problem: Box<Problem>, pause: Duration },
    /// There is too much to do, for all of them: to ask the next one would only add to it.
    TooMuch { problem: Box<Problem>, pause: Duration },
}

impl Transport {
    pub(crate) fn new(config: Config) -> Result<Self, Error> {
        if config.api_urls.is_empty() {
            return Err(Error::Configuration("no controller's address is configured".to_owned()));
        }
        for url in &config.api_urls {
            let parsed = reqwest::Url::parse(url)
                .map_err(|error| Error::Configuration(format!("the API address {url:?}: {error}")))?;
            if parsed.scheme() != "https" {
                return Err(Error::Configuration(format!(
                    "the API address {url:?} does not begin with https://"
                )));
            }
        }
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", config.api_key.expose()))
            .map_err(|_| Error::Configuration("the API key holds characters that no key has".to_owned()))?;
        authorization.set_sensitive(true);
        Ok(Self {
            http: config.http()?,
            config: Arc::new(config),
            authorization,
            previews: false,
            is_stale: false,
            preferred: Arc::default(),
        })
    }

    /// Whether writes are only looked at.
    pub(crate) fn previews(&self) -> bool {
        self.previews
    }

    /// The same, whose writes are only looked at.
    pub(crate) fn previewing(&self) -> Self {
        Self { previews: true, ..self.clone() }
    }

    /// The same, whose reads are answered with what the controller that is asked has.
    pub(crate) fn reading_stale(&self) -> Self {
        Self { is_stale: true, ..self.clone() }
    }

    /// Sends a call to one controller after the other until one takes it. If writes are only looked at, one ends
    /// with what it would come to.
    pub(crate) async fn send(&self, mut call: Call) -> Result<Answer, Error> {
        let previews = self.previews && call.method != Method::GET;
        if previews {
            call.query.push(("dry_run".to_owned(), "true".to_owned()));
        }
        if self.is_stale && call.method == Method::GET {
            call.query.push(("consistency".to_owned(), "stale".to_owned()));
        }
        let answer = self.deliver(&call).await?;
        if previews { Err(Error::Previewed(Box::new(answer.json()?))) } else { Ok(answer) }
    }

    /// Opens an answer that goes on, at one controller after the other until one takes it.
    pub(crate) async fn open(&self, call: &Call) -> Result<Opened, Error> {
        self.try_each(|url| Box::pin(self.open_at(url, call))).await
    }

    async fn open_at(&self, url: String, call: &Call) -> Result<Result<Opened, Missed>, Error> {
        let patience = self.config.request_timeout + call.patience_while_waiting();
        let sent =
            tokio::time::timeout(patience, self.with_body(self.request(&url, call), call).send()).await;
        let response = match sent {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Ok(Err(missed(&url, error))),
            Err(_) => return Ok(Err(Missed::Connection(format!("{url}: no answer in time")))),
        };
        if response.status().is_success() {
            return Ok(Ok(Opened { url, response }));
        }
        // It is a problem, which ends.
        match received(&url, response).await {
            Ok(answer) => judge(answer).map(|judged| {
                judged.and_then(|_| Err(Missed::Connection(format!("{url}: an answer that does not go on"))))
            }),
            Err(error) => Ok(Err(missed(&url, error))),
        }
    }

    async fn deliver(&self, call: &Call) -> Result<Answer, Error> {
        let key = RequestId::generate().to_string();
        let key = key.as_str();
        self.try_each(|url| Box::pin(async move { self.send_to(&url, call, key).await })).await
    }

    async fn try_each<'a, T>(&self, attempt: impl Fn(String) -> Attempt<'a, T> + Send) -> Result<T, Error> {
        let deadline = Instant::now() + self.config.patience;
        loop {
            let mut reasons = Vec::new();
            let mut refused = None;
            let mut pause = Duration::from_millis(200);
            for url in self.in_order() {
                match attempt(url.clone()).await? {
                    Ok(answer) => {
                        let index = self.config.api_urls.iter().position(|known| *known == url);
                        self.preferred.store(index.unwrap_or(0), Ordering::Relaxed);
                        return Ok(answer);
                    }
                    Err(Missed::Connection(reason)) => reasons.push(reason),
                    Err(Missed::NotNow { problem, pause: wanted }) => {
                        refused = Some(problem);
                        pause = wanted;
                    }
                    Err(Missed::TooMuch { problem, pause: wanted }) => {
                        refused = Some(problem);
                        pause = wanted.mul_f64(1.0 + SPREAD * fastrand::f64());
                        break;
                    }
                }
            }
            if Instant::now() + pause > deadline {
                return Err(refused.map_or(Error::Unreachable(reasons), Error::Refused));
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Begins with another controller next time: the one that answered last is lost.
    pub(crate) fn avoid_last(&self) {
        self.preferred.fetch_add(1, Ordering::Relaxed);
    }

    fn in_order(&self) -> Vec<String> {
        let urls = &self.config.api_urls;
        let first = self.preferred.load(Ordering::Relaxed) % urls.len();
        urls.iter().cycle().skip(first).take(urls.len()).cloned().collect()
    }

    async fn send_to(&self, url: &str, call: &Call, key: &str) -> Result<Result<Answer, Missed>, Error> {
        match self.exchange(url, call, key).await {
            Ok(answer) => judge(answer),
            Err(error) => Ok(Err(missed(url, error))),
        }
    }

    fn request(&self, url: &str, call: &Call) -> reqwest::RequestBuilder {
        let request = self
            .http
            .request(call.method.clone(), format!("{}{}", url.trim_end_matches('/'), call.path))
            .query(&call.query);
        if call.is_anonymous { request } else { request.header(AUTHORIZATION, self.authorization.clone()) }
    }

    async fn exchange(&self, url: &str, call: &Call, key: &str) -> Result<Answer, reqwest::Error> {
        let mut request =
            self.request(url, call).timeout(self.config.request_timeout + call.patience_while_waiting());
        if call.method != Method::GET && !call.headers.contains_key(IDEMPOTENCY_HEADER) {
            request = request.header(IDEMPOTENCY_HEADER, key);
        }
        request = request.headers(call.headers.clone());
        if let Some(revision) = call.if_match {
            request = request.header(IF_MATCH, format!("\"{revision}\""));
        }
        if call.prefers_minimal {
            request = request.header("prefer", "return=minimal");
        }
        received(url, self.with_body(request, call).send().await?).await
    }

    fn with_body(&self, request: reqwest::RequestBuilder, call: &Call) -> reqwest::RequestBuilder {
        match &call.body {
            Some(body) => request.header(CONTENT_TYPE, call.media_type).body(body.clone()),
            None => request,
        }
    }
}

async fn received(url: &str, response: reqwest::Response) -> Result<Answer, reqwest::Error> {
    Ok(Answer {
        url: url.to_owned(),
        status: response.status(),
        headers: response.headers().clone(),
        body: response.bytes().await?.to_vec(),
    })
}

fn missed(url: &str, error: reqwest::Error) -> Missed {
    tracing::debug!(url, error = %causes(&error), "a controller did not answer");
    Missed::Connection(format!("{url}: {}", causes(&error.without_url())))
}

fn judge(answer: Answer) -> Result<Result<Answer, Missed>, Error> {
    if answer.status.is_success() {
        return Ok(Ok(answer));
    }
    let is_problem =
        answer.headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes() == PROBLEM_MEDIA_TYPE.as_bytes());
    if !is_problem {
        if let Some(problem) = by_oauth(&answer) {
            return Err(Error::Refused(Box::new(problem)));
        }
        let reason = format!("status {}", answer.status);
        return Err(Error::NotUnderstood { url: answer.url, reason });
    }
    let problem: Box<Problem> = answer.json()?;
    let is_too_much = ["too_many_requests", "rate_limited", "overloaded"].contains(&problem.code.as_str());
    if is_too_much {
        return Ok(Err(Missed::TooMuch { problem, pause: pause_of(&answer.headers) }));
    }
    if answer.status == StatusCode::SERVICE_UNAVAILABLE {
        return Ok(Err(Missed::NotNow { problem, pause: pause_of(&answer.headers) }));
    }
    Err(Error::Refused(problem))
}

/// A refusal in the form of OAuth (RFC 6749, 5.2), as a problem.
fn by_oauth(answer: &Answer) -> Option<Problem> {
    let TokenError { error, error_description } = answer.json().ok()?;
    let request_id = answer.headers.get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
    Some(Problem {
        kind: "about:blank".to_owned(),
        title: error.clone(),
        status: answer.status.as_u16(),
        code: error,
        detail: error_description,
        field: None,
        request_id: request_id.to_owned(),
    })
}

fn pause_of(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    seconds.map_or(PAUSE, Duration::from_secs).min(LONGEST_PAUSE)
}

/// The innermost cause says what happened ("connection refused"), the outer ones only where.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let innermost = std::iter::successors(Some(error), |error| error.source()).last();
    innermost.map_or_else(String::new, ToString::to_string)
}

#[cfg(test)]
mod tests {
    use npanel_model::Secret;

    use super::*;

    fn config(urls: &[&str]) -> Config {
        Config::new(urls.iter().map(|url| (*url).to_owned()).collect(), Secret::new("npk_x.y"))
            .with_patience(Duration::ZERO)
    }

    #[test]
    fn a_plain_http_address_is_refused() {
        for urls in [&[][..], &["http://127.0.0.1:1"], &["127.0.0.1:8443"]] {
            assert!(matches!(Transport::new(config(urls)), Err(Error::Configuration(_))), "{urls:?}");
        }
    }

    #[tokio::test]
    async fn every_controller_is_tried_before_giving_up() {
        let transport =
            Transport::new(config(&["https://127.0.0.1:1", "https://127.0.0.1:2"])).expect("a client");
        let error =
            transport.send(Call::new(Method::GET, "/v1/cluster".to_owned())).await.expect_err("nobody");
        match error {
            Error::Unreachable(reasons) => {
                assert!(reasons.len() == 2 && reasons[0].contains("127.0.0.1:1"), "{reasons:?}");
            }
            other => panic!("{other}"),
        }
    }

    fn answer(status: u16, kind: &'static str, body: &str) -> Answer {
        Answer {
            url: "https://c1".to_owned(),
            status: StatusCode::from_u16(status).expect("a status"),
            headers: HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]),
            body: body.as_bytes().to_vec(),
        }
    }

    fn problem(status: u16) -> Answer {
        let body = format!(
            r#"{{"type":"/problems/x","title":"X","status":{status},"code":"x","detail":"no","request_id":"r"}}"#
        );
        answer(status, PROBLEM_MEDIA_TYPE, &body)
    }

    #[test]
    fn only_a_passing_inability_is_tried_again() {
        assert!(matches!(judge(answer(201, "application/json", "{}")), Ok(Ok(_))));
        assert!(matches!(judge(problem(503)), Ok(Err(Missed::NotNow { .. }))));
        for (status, code) in [(429, "too_many_requests"), (429, "rate_limited"), (503, "overloaded")] {
            let mut answer = problem(status);
            let text = String::from_utf8(answer.body).expect("text");
            answer.body = text.replace("\"code\":\"x\"", &format!("\"code\":\"{code}\"")).into_bytes();
            answer.headers.insert(RETRY_AFTER, HeaderValue::from_static("7"));
            match judge(answer) {
                Ok(Err(Missed::TooMuch { pause, .. })) => assert_eq!(pause, Duration::from_secs(7), "{code}"),
                _ => panic!("{code} is not waited out"),
            }
        }
        assert!(matches!(judge(problem(409)), Err(Error::Refused(problem)) if problem.code == "x"));
        assert!(matches!(judge(answer(502, "text/html", "<h1>")), Err(Error::NotUnderstood { .. })));
    }
}
