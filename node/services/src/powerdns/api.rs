//! PowerDNS's HTTP API on this machine.

use std::{sync::Arc, time::Duration};

use npanel_host::{Stages, blocking};
use npanel_model::{Fqdn, Secret};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::json;
use tokio::{
    sync::OnceCell,
    time::{Instant, sleep},
};

use super::{
    API_PORT, base,
    question::{is_answered, is_refused},
    spec::ZoneSpec,
    zone::{self, Rrset, ShownZone},
};
use crate::{Difference, ServiceError};

const CALL: Duration = Duration::from_secs(10);
const UP: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

/// A node's PowerDNS. Cheap to clone; reads the API's key when it is first needed.
#[derive(Debug, Clone, Default)]
pub struct PowerDns {
    api: Arc<OnceCell<Api>>,
}

#[derive(Debug)]
struct Api {
    client: Client,
    key: Secret,
}

impl PowerDns {
    /// The server of this machine.
    pub fn new() -> Self {
        Self::default()
    }

    /// A zone with exactly these record sets, answered for. Answers whether anything was changed.
    ///
    /// # Errors
    /// If PowerDNS refuses, or does not answer for the zone.
    pub async fn ensure_zone(&self, spec: &ZoneSpec, stages: &mut Stages) -> Result<bool, ServiceError> {
        stages.enter("render");
        let wanted = zone::wanted(spec);
        stages.enter("check");
        let found = self.zone(&spec.name).await?;
        stages.enter("commit");
        let changed = match found {
            None => self.create(&spec.name, wanted).await.map(|()| true),
            // It was interrupted when it made the zone: it has it, and would not know so for another five minutes.
            Some(_) if is_refused(&spec.name).await => {
                let gone = self.call(Method::DELETE, &path(&spec.name)).await?.send().await?;
                accepted(gone).await?;
                self.create(&spec.name, wanted).await.map(|()| true)
            }
            Some(found) => self.change(&spec.name, &zone::changes(&found.rrsets, &wanted)).await,
        }?;
        stages.enter("verify");
        is_answered(&spec.name).await?;
        Ok(changed)
    }

    /// What of a zone is not as it should be: the zone itself, or record sets by name and type.
    ///
    /// # Errors
    /// If PowerDNS cannot be asked.
    pub async fn zone_differences(&self, spec: &ZoneSpec) -> Result<Vec<Difference>, ServiceError> {
        let wanted = zone::wanted(spec);
        match self.zone(&spec.name).await? {
            None => {
                let what = format!("zone {}: {} record sets", spec.name, wanted.len());
                Ok(vec![Difference::resource(what, "there", None)])
            }
            Some(found) => Ok(zone::differences(&spec.name, &found.rrsets, &wanted)),
        }
    }

    /// Answers for a zone no longer. Answers whether it was there.
    ///
    /// # Errors
    /// If PowerDNS refuses.
    pub async fn remove_zone(&self, name: &Fqdn, stages: &mut Stages) -> Result<bool, ServiceError> {
        stages.enter("commit");
        let answer = self.call(Method::DELETE, &path(name)).await?.send().await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(false);
        }
        accepted(answer).await.map(|_| true)
    }

    /// Waits until the API answers.
    pub(super) async fn ping(&self) -> Result<(), ServiceError> {
        let end = Instant::now() + UP;
        loop {
            let sent = self.call(Method::GET, "").await?.send().await;
            match sent {
                Ok(answer) => return accepted(answer).await.map(|_| ()),
                Err(error) if Instant::now() + PAUSE >= end => return Err(error.into()),
                Err(_) => sleep(PAUSE).await,
            }
        }
    }

    /// Whether PowerDNS has the zone.
    ///
    /// # Errors
    /// If PowerDNS cannot be asked.
    pub async fn has_zone(&self, name: &Fqdn) -> Result<bool, ServiceError> {
        Ok(self.zone(name).await?.is_some())
    }

    async fn zone(&self, name: &Fqdn) -> Result<Option<ShownZone>, ServiceError> {
        let answer = self.call(Method::GET, &path(name)).await?.send().await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        Ok(Some(accepted(answer).await?.json().await?))
    }

    async fn create(&self, name: &Fqdn, rrsets: Vec<Rrset>) -> Result<(), ServiceError> {
        // DEFAULT raises the serial at each change; a word that PowerDNS does not know would never.
        let body = json!({
            "name": name.absolute(),
            "kind": "Native",
            "soa_edit_api": "DEFAULT",
            "nameservers": [],
            "rrsets": rrsets,
        });
        let answer = self.call(Method::POST, "/zones?rrsets=false").await?.json(&body).send().await?;
        accepted(answer).await.map(|_| ())
    }

    async fn change(&self, name: &Fqdn, changes: &[Rrset]) -> Result<bool, ServiceError> {
        if changes.is_empty() {
            return Ok(false);
        }
        let body = json!({ "rrsets": changes });
        let answer = self.call(Method::PATCH, &path(name)).await?.json(&body).send().await?;
        accepted(answer).await.map(|_| true)
    }

    async fn call(&self, method: Method, path: &str) -> Result<RequestBuilder, ServiceError> {
        let api = self.api.get_or_try_init(Api::open).await?;
        let url = format!("http://127.0.0.1:{API_PORT}/api/v1/servers/localhost{path}");
        Ok(api.client.request(method, url).header("X-API-Key", api.key.expose()))
    }
}

impl Api {
    async fn open() -> Result<Self, ServiceError> {
        let key = blocking(base::key).await?;
        // The API is plain HTTP on this machine, but a client has a TLS configuration all the same.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| ServiceError::NoRandomness)?
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let client = Client::builder().tls_backend_preconfigured(tls).no_proxy().timeout(CALL).build()?;
        Ok(Self { client, key })
    }
}

fn path(zone: &Fqdn) -> String {
    format!("/zones/{}", zone.absolute())
}

async fn accepted(answer: Response) -> Result<Response, ServiceError> {
    if answer.status().is_success() {
        return Ok(answer);
    }
    let status = answer.status().as_u16();
    let detail = answer.text().await?.chars().take(1000).collect();
    Err(ServiceError::DnsRefused { status, detail })
}
