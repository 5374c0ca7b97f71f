//! The public API as any program may call it: one controller, one request, one answer, or none.

use std::time::Duration;

use anyhow::{Context, Result};
use npanel_fleet::{Fleet, Kind};
use reqwest::{
    Method,
    header::{CONTENT_TYPE, ETAG, IF_MATCH},
};
use serde_json::Value;

/// Longer than an election; a controller that says nothing for so long is given up.
const PATIENCE: Duration = Duration::from_secs(3);

/// Every controller's API.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    http: reqwest::Client,
    key: String,
    urls: Vec<String>,
}

/// What is sent, and sent again.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Option<Value>,
    pub(crate) if_match: Option<u64>,
    pub(crate) idempotency_key: Option<String>,
}

impl Request {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), body: None, if_match: None, idempotency_key: None }
    }

    /// A write, under a key of its own.
    pub(crate) fn write(method: Method, path: impl Into<String>, body: Value) -> Self {
        let idempotency_key = Some(uuid::Uuid::now_v7().to_string());
        Self { method, path: path.into(), body: Some(body), if_match: None, idempotency_key }
    }

    pub(crate) fn on_revision(mut self, revision: u64) -> Self {
        self.if_match = Some(revision);
        self
    }
}

/// What a controller said.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) revision: Option<u64>,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The code of a problem; empty if this is none.
    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn id(&self) -> &str {
        self.body["id"].as_str().unwrap_or_default()
    }
}

impl Api {
    pub(crate) fn of(fleet: &Fleet) -> Result<Self> {
        // An error means that one is installed already.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let ca = std::fs::read(fleet.ca_file()?).context("the cluster's CA")?;
        let http = reqwest::Client::builder()
            .tls_certs_only(reqwest::Certificate::from_pem_bundle(&ca)?)
            .no_proxy()
            .http1_only()
            .connect_timeout(Duration::from_secs(1))
            .timeout(PATIENCE)
            .build()?;
        let key = std::fs::read_to_string(fleet.api_key_file()?).context("the administrator's key")?;
        let urls = fleet.of_kind(Kind::Controller).map(|member| fleet.api_url(&member.name));
        Ok(Self { http, key: key.trim().to_owned(), urls: urls.collect::<Result<_>>()? })
    }

    pub(crate) fn controllers(&self) -> usize {
        self.urls.len()
    }

    /// What that controller answers; none if it was lost, or the controller cannot say what became of it.
    pub(crate) async fn ask(&self, controller: usize, request: &Request) -> Option<Answer> {
        let answer = self.exchange(controller % self.urls.len(), request).await.ok()?;
        let is_known = answer.status < 500 && answer.status != 429;
        is_known.then_some(answer)
    }

    async fn exchange(&self, controller: usize, request: &Request) -> reqwest::Result<Answer> {
        let url = format!("{}{}", self.urls[controller], request.path);
        let mut asked = self.http.request(request.method.clone(), url).bearer_auth(&self.key);
        if let Some(body) = &request.body {
            asked = asked.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        if let Some(revision) = request.if_match {
            asked = asked.header(IF_MATCH, format!("\"{revision}\""));
        }
        if let Some(key) = &request.idempotency_key {
            asked = asked.header("Idempotency-Key", key);
        }
        let answer = asked.send().await?;
        let tag =
            answer.headers().get(ETAG).and_then(|tag| tag.to_str().ok()?.trim_matches('"').parse().ok());
        let status = answer.status().as_u16();
        let body = serde_json::from_slice(&answer.bytes().await?).unwrap_or(Value::Null);
        Ok(Answer { status, revision: tag, body })
    }
}
