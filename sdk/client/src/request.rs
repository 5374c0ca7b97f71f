//! Any operation of the API, by its method and path: for programs that read the API's document, and for what has no type here.

use std::time::Duration;

use futures::Stream;
use reqwest::{
    Method,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde_json::Value;

use crate::{Client, Error, client::json, pages, transport::Call};

/// How long a controller waits for the fleet if a request does not say.
const WAIT: Duration = Duration::from_secs(30);

/// A request as the API's document describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: Method,
    /// The path from the root, `/v1/…`, with its parameters filled in and percent-encoded.
    pub path: String,
    /// The query, not yet encoded.
    pub query: Vec<(String, String)>,
    /// Headers such as `if-match`. An `idempotency-key` takes the place of the one that the client makes.
    pub headers: Vec<(String, String)>,
    /// What is sent.
    pub body: Option<RequestBody>,
    /// Without the client's own credential: for what makes one, and shows another in its body.
    pub is_anonymous: bool,
}

/// What a request sends.
#[derive(Debug, Clone, PartialEq)]
pub enum RequestBody {
    /// JSON.
    Json(Value),
    /// A form, which is what OAuth has.
    Form(Vec<(String, String)>),
}

impl Request {
    /// A request without a query, headers or a body.
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            is_anonymous: false,
        }
    }

    fn call(&self) -> Result<Call, Error> {
        // Anything else would go on with the host's name.
        if !self.path.starts_with('/') {
            return Err(Error::Configuration(format!("a path begins with / (got {:?})", self.path)));
        }
        let query: Vec<(&str, String)> =
            self.query.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        let call = Call::new(self.method.clone(), self.path.clone())
            .with_query(&query)
            .with_headers(self.header_map()?)
            .patient(self.wait());
        let call = if self.is_anonymous { call.anonymous() } else { call };
        Ok(match &self.body {
            None => call,
            Some(RequestBody::Json(value)) => call.with_body(json(value)?),
            Some(RequestBody::Form(fields)) => call.with_form(fields),
        })
    }

    fn header_map(&self) -> Result<HeaderMap, Error> {
        let mut map = HeaderMap::new();
        for (name, value) in &self.headers {
            let refused = || Error::Configuration(format!("the header {name:?} cannot be sent"));
            let known = HeaderName::try_from(name.as_str()).map_err(|_| refused())?;
            map.insert(known, HeaderValue::try_from(value.as_str()).map_err(|_| refused())?);
        }
        Ok(map)
    }

    /// How long the controller may wait for the fleet before it answers.
    fn wait(&self) -> Duration {
        let asked = |wanted: &str| self.query.iter().find(|(name, _)| name == wanted);
        match (asked("wait"), asked("timeout")) {
            (None, _) => Duration::ZERO,
            (Some(_), timeout) => {
                timeout.and_then(|(_, seconds)| seconds.parse().ok()).map_or(WAIT, Duration::from_secs)
            }
        }
    }
}

impl Client {
    /// The API's own description (`OpenAPI`), as the controller that answers serves it.
    ///
    /// # Errors
    /// If no controller can be reached.
    pub async fn document(&self) -> Result<Value, Error> {
        self.call(&Request::new(Method::GET, "/v1/openapi.json")).await
    }

    /// Sends any request, as every other one is sent: to one controller after the other until one takes it, a write with an
    /// idempotency key. The answer's JSON; null if it is empty.
    ///
    /// ```no_run
    /// # async fn example(client: npanel_client::Client) -> Result<(), npanel_client::Error> {
    /// use npanel_client::{Method, Request};
    ///
    /// let mut request = Request::new(Method::GET, "/v1/accounts");
    /// request.query.push(("username".to_owned(), "bakery".to_owned()));
    /// println!("{}", client.call(&request).await?["items"][0]["status"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If it is refused, no controller can be reached, or the answer is no JSON.
    pub async fn call(&self, request: &Request) -> Result<Value, Error> {
        let answer = self.transport.send(request.call()?).await?;
        if answer.is_empty() { Ok(Value::Null) } else { answer.json() }
    }

    /// The items of any list that has pages, as [`Client::stream`] gives them.
    ///
    /// # Errors
    /// If the request cannot be sent at all; what a controller says against it is the stream's first item.
    pub fn call_paged(
        &self,
        request: &Request,
    ) -> Result<impl Stream<Item = Result<Value, Error>> + Send + Unpin + use<>, Error> {
        Ok(pages::items(self.transport.clone(), request.call()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_cannot_lead_to_another_host() {
        for path in ["", "v1/accounts", "@evil.example/v1/accounts", ".evil.example/"] {
            let refused = Request::new(Method::GET, path).call();
            assert!(matches!(refused, Err(Error::Configuration(_))), "{path}");
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for (name, value) in [("a b", "x"), ("if-match", "1\r\nx: y")] {
            let mut request = Request::new(Method::GET, "/v1/accounts");
            request.headers.push((name.to_owned(), value.to_owned()));
            assert!(matches!(request.call(), Err(Error::Configuration(_))), "{name}");
        }
    }

    #[test]
    fn the_client_waits_as_long_as_the_controller_does() {
        let waiting = |query: &[(&str, &str)]| {
            let mut request = Request::new(Method::GET, "/v1/operations/x");
            request.query = query.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            request.wait().as_secs()
        };
        assert_eq!(waiting(&[("timeout", "300")]), 0);
        assert_eq!(waiting(&[("wait", "converged")]), 30);
        assert_eq!(waiting(&[("wait", "converged"), ("timeout", "300")]), 300);
    }
}
