//! A key that never leaves the key management service (AWS KMS, or what speaks like it).
//!
//! Two calls of its JSON protocol, signed by AWS's own crate for signatures. The SDK for KMS would bring a second HTTP client, a second
//! TLS configuration and some minutes of compiling for them.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use npanel_model::Secret;
use reqwest::{Url, redirect::Policy};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{KeysError, keys::Keys};

/// One request to a service that is there takes a second at most.
const DEADLINE: Duration = Duration::from_secs(10);

/// How much of a refusal is told.
const TOLD: usize = 300;

/// What is sealed is bound to this: the service opens it under the same words only, and has them in its own audit.
const CONTEXT: Context = Context { npanel: "machine key" };

/// An address that no service can have.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0:?} is not the https address of a key management service (http is for the loopback only)")]
pub struct KmsAddressError(String);

/// Why the service did not seal or open something. Never says what that was, nor the keys to the service.
#[derive(Debug, thiserror::Error)]
pub enum KmsError {
    /// No keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The service was not reached.
    #[error("the key management service cannot be reached at {endpoint}")]
    Unreachable {
        /// Where it should be.
        endpoint: String,
        /// Why not.
        #[source]
        source: reqwest::Error,
    },
    /// The service said no.
    #[error("the key management service refuses to use the key {key} (status {status}): {text}")]
    Refused {
        /// Which of its keys.
        key: String,
        /// HTTP's status.
        status: u16,
        /// The beginning of what it said.
        text: String,
    },
    /// The request could not be signed.
    #[error("the request to the key management service cannot be signed: {0}")]
    Unsigned(String),
    /// It said something else.
    #[error("the key management service's answer is not understood")]
    Answer,
}

/// A key of the service. The keys to the service are read for every request, so that they can be changed.
#[derive(Debug, Clone)]
pub struct Kms {
    endpoint: Url,
    region: String,
    key: String,
    keys_file: PathBuf,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Encrypt<'a> {
    key_id: &'a str,
    plaintext: &'a str,
    encryption_context: Context,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Decrypt<'a> {
    key_id: &'a str,
    ciphertext_blob: &'a str,
    encryption_context: Context,
}

#[derive(Serialize)]
struct Context {
    npanel: &'static str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Encrypted {
    ciphertext_blob: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Decrypted {
    plaintext: Secret,
}

/// What is sealed goes to the service in clear: over TLS, or not over the network at all.
fn is_private(url: &Url) -> bool {
    match url.scheme() {
        "https" => url.has_host(),
        "http" => matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost")),
        _ => false,
    }
}

impl Kms {
    /// The service's key `key` (an ARN, an id or an alias) in `region`, at an endpoint such as
    /// `https://kms.eu-central-1.amazonaws.com`.
    ///
    /// # Errors
    /// If it cannot be there.
    pub fn new(endpoint: &str, region: &str, key: &str, keys_file: PathBuf) -> Result<Self, KmsAddressError> {
        let url = endpoint.parse().ok().filter(is_private);
        let endpoint = url.ok_or_else(|| KmsAddressError(endpoint.to_owned()))?;
        Ok(Self { endpoint, region: region.to_owned(), key: key.to_owned(), keys_file })
    }

    /// Has the service seal something small.
    ///
    /// # Errors
    /// If it cannot be reached, or does not.
    pub async fn encrypt(&self, plain: &[u8]) -> Result<Vec<u8>, KmsError> {
        let plaintext = Zeroizing::new(STANDARD.encode(plain));
        let request = Encrypt { key_id: &self.key, plaintext: &plaintext, encryption_context: CONTEXT };
        let answer: Encrypted = self.ask("TrentService.Encrypt", &request).await?;
        STANDARD.decode(answer.ciphertext_blob).map_err(|_| KmsError::Answer)
    }

    /// Has the service open what it sealed.
    ///
    /// # Errors
    /// If it cannot be reached, or does not.
    pub async fn decrypt(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        let blob = STANDARD.encode(sealed);
        let request = Decrypt { key_id: &self.key, ciphertext_blob: &blob, encryption_context: CONTEXT };
        let answer: Decrypted = self.ask("TrentService.Decrypt", &request).await?;
        STANDARD.decode(answer.plaintext.expose()).map(Zeroizing::new).map_err(|_| KmsError::Answer)
    }

    async fn ask<A: for<'de> Deserialize<'de>>(
        &self,
        target: &'static str,
        request: &impl Serialize,
    ) -> Result<A, KmsError> {
        let body = Zeroizing::new(serde_json::to_vec(request).map_err(|_| KmsError::Answer)?);
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target)];
        let signature = self.signature(&headers, &body).await?;
        let unreachable =
            |source: reqwest::Error| KmsError::Unreachable { endpoint: self.endpoint.to_string(), source };
        // Rarely enough that no connection is kept.
        let http = reqwest::Client::builder().timeout(DEADLINE).redirect(Policy::none()).build();
        let mut post = http.map_err(unreachable)?.post(self.endpoint.clone()).body(body.to_vec());
        for (name, value) in headers {
            post = post.header(name, value);
        }
        for (name, value) in signature {
            post = post.header(name, value);
        }
        let answer = post.send().await.map_err(unreachable)?;
        let status = answer.status();
        let said = Zeroizing::new(answer.bytes().await.map_err(unreachable)?.to_vec());
        if !status.is_success() {
            let text = String::from_utf8_lossy(&said).chars().take(TOLD).collect();
            return Err(KmsError::Refused { key: self.key.clone(), status: status.as_u16(), text });
        }
        serde_json::from_slice(&said).map_err(|_| KmsError::Answer)
    }

    /// The headers that sign the request.
    async fn signature(
        &self,
        headers: &[(&'static str, &'static str)],
        body: &[u8],
    ) -> Result<Vec<(String, String)>, KmsError> {
        let keys = Keys::load(&self.keys_file).await?;
        let unsigned = |error: &dyn std::fmt::Display| KmsError::Unsigned(error.to_string());
        let secret = keys.secret_access_key.expose();
        let identity = Credentials::new(keys.access_key_id, secret, None, None, "keys_file").into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("kms")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| unsigned(&error))?
            .into();
        let url = self.endpoint.as_str();
        let request = SignableRequest::new("POST", url, headers.iter().copied(), SignableBody::Bytes(body))
            .map_err(|error| unsigned(&error))?;
        let (signed, _) = sign(request, &parameters).map_err(|error| unsigned(&error))?.into_parts();
        Ok(signed.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}
