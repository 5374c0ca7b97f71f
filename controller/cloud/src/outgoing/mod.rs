//! The one way out to addresses that others choose: of webhooks, of identity providers, of what is imported. Nobody has a
//! controller ask what only it can reach.
//!
//! A name is resolved once, each address is judged, and the connection is made to what was judged. No redirection is followed: it is
//! an answer as any other, and who goes on with it asks anew, by the same rule.

mod names;
mod public;
mod rule;

use std::{net::IpAddr, sync::Arc, time::Duration};

use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderMap},
    redirect::Policy,
};
use serde::Serialize;
use url::{Host, Url};

pub use self::rule::{FixedAddresses, Outside, OwnAddresses};
use self::{
    names::{Guarded, LeadsInside, Lookup, System},
    rule::Rule,
};

/// For a connection and its handshake.
const CONNECT: Duration = Duration::from_secs(5);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum OutgoingError {
    /// Such an address is not asked: the scheme, or what it holds besides.
    #[error("it is not https://HOST/..., without a user and a password")]
    Address,
    /// The host is an address that nobody may have controllers connect to.
    #[error(
        "{address} is not connected to: {reason} (see outgoing.allowed_networks in the controllers' configuration)"
    )]
    Inside {
        /// The address.
        address: IpAddr,
        /// Why not.
        reason: String,
    },
    /// The host's name leads to such addresses only.
    #[error("{0}")]
    LeadsInside(String),
    /// Which addresses are the fleet's own cannot be known at the moment.
    #[error("it is not known which addresses are the fleet's own: {0}")]
    OwnUnknown(String),
    /// The other side was not reached, or did not answer in time.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// It answers with more than is wanted.
    #[error("its answer is longer than {0} bytes")]
    TooLong(usize),
    /// The body cannot be written.
    #[error("the request's body cannot be written: {0}")]
    Body(String),
}

/// A request to be sent.
#[derive(Debug)]
pub struct Call {
    method: Method,
    url: Url,
    headers: Vec<(&'static str, String)>,
    body: Option<(&'static str, Vec<u8>)>,
    deadline: Duration,
    most_bytes: usize,
}

impl Call {
    /// Asks for what is there. An answer may take `deadline` and have `most_bytes`.
    pub fn get(url: Url, deadline: Duration, most_bytes: usize) -> Self {
        Self { method: Method::GET, url, headers: Vec::new(), body: None, deadline, most_bytes }
    }

    /// Sends what a body says.
    pub fn post(url: Url, deadline: Duration, most_bytes: usize) -> Self {
        Self { method: Method::POST, ..Self::get(url, deadline, most_bytes) }
    }

    /// With a header. Its value is in no error and no log.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With the fields of a form (`application/x-www-form-urlencoded`).
    pub fn form(mut self, fields: &[(&str, &str)]) -> Self {
        let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.body = Some(("application/x-www-form-urlencoded", text.into_bytes()));
        self
    }

    /// With JSON.
    ///
    /// # Errors
    /// If it is none.
    pub fn json(self, body: &impl Serialize) -> Result<Self, OutgoingError> {
        let text = serde_json::to_vec(body).map_err(|error| OutgoingError::Body(error.to_string()))?;
        Ok(self.json_text(text))
    }

    /// With JSON that is written already.
    pub fn json_text(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.body = Some(("application/json", text.into()));
        self
    }
}

/// What the other side says, whatever the status.
#[derive(Debug)]
pub struct Answer {
    /// The status of HTTP: 3xx is a redirection, which was not followed.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// All of the body.
    pub body: Vec<u8>,
}

/// The way out. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Outgoing {
    http: reqwest::Client,
    rule: Rule,
}

impl Outgoing {
    /// By the operator's word, and never to the fleet's own addresses.
    ///
    /// # Errors
    /// If this machine has no HTTP client to give.
    pub fn new(outside: Outside, own: Arc<dyn OwnAddresses>) -> Result<Self, OutgoingError> {
        Self::asking(Arc::new(System), outside, own)
    }

    fn asking(
        names: Arc<dyn Lookup>,
        outside: Outside,
        own: Arc<dyn OwnAddresses>,
    ) -> Result<Self, OutgoingError> {
        let rule = Rule::new(outside, own);
        let http = reqwest::Client::builder()
            .user_agent(concat!("npanel/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .no_proxy()
            .redirect(Policy::none())
            .pool_max_idle_per_host(1)
            .dns_resolver(Arc::new(Guarded { rule: rule.clone(), names }))
            .build()
            .map_err(|error| OutgoingError::Unreachable(causes(&error)))?;
        Ok(Self { http, rule })
    }

    /// Sends a request, once, and reads its answer.
    ///
    /// # Errors
    /// If there is none that could be read: whatever the status says is an answer.
    pub async fn send(&self, call: Call) -> Result<Answer, OutgoingError> {
        let most = call.most_bytes;
        let mut answer = self.open(call).await?;
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(|error| unanswered(&error.without_url()))? {
            if body.len() + piece.len() > most {
                return Err(OutgoingError::TooLong(most));
            }
            body.extend_from_slice(&piece);
        }
        Ok(Answer { status: answer.status().as_u16(), headers: answer.headers().clone(), body })
    }

    /// The same of whoever wants nothing but the status.
    pub(crate) async fn status(&self, call: Call) -> Result<u16, OutgoingError> {
        self.open(call).await.map(|answer| answer.status().as_u16())
    }

    async fn open(&self, call: Call) -> Result<reqwest::Response, OutgoingError> {
        self.require_outside(&call.url).await?;
        let mut request = self.http.request(call.method, call.url).timeout(call.deadline);
        for (name, value) in call.headers {
            request = request.header(name, value);
        }
        if let Some((kind, body)) = call.body {
            request = request.header(CONTENT_TYPE, kind).body(body);
        }
        // Addresses may hold secrets of their own: they are in no error.
        request.send().await.map_err(|error| unanswered(&error.without_url()))
    }

    /// Names are judged when they are resolved; an address is connected to without that.
    async fn require_outside(&self, url: &Url) -> Result<(), OutgoingError> {
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address).to_canonical()),
            Some(Host::Domain(_)) => None,
            None => return Err(OutgoingError::Address),
        };
        // Without TLS only within this machine, where that is allowed.
        let is_safe =
            url.scheme() == "https" || url.scheme() == "http" && address.is_some_and(|a| a.is_loopback());
        if !is_safe || !url.username().is_empty() || url.password().is_some() {
            return Err(OutgoingError::Address);
        }
        let judged = self.rule.judge(address).await.map_err(OutgoingError::OwnUnknown)?;
        for (address, verdict) in judged {
            verdict.map_err(|reason| OutgoingError::Inside { address, reason: reason.to_string() })?;
        }
        Ok(())
    }
}

fn unanswered(error: &reqwest::Error) -> OutgoingError {
    let first: &(dyn std::error::Error + 'static) = error;
    let mut all = std::iter::successors(Some(first), |error| error.source());
    match all.find(|error| error.is::<LeadsInside>()) {
        Some(inside) => OutgoingError::LeadsInside(inside.to_string()),
        None => OutgoingError::Unreachable(causes(error)),
    }
}

/// The innermost cause says what happened.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let innermost = std::iter::successors(Some(error), |error| error.source()).last();
    innermost.map_or_else(String::new, ToString::to_string)
}

#[cfg(test)]
pub(crate) mod tests;
