//! Objects in a bucket: such as nobody can change or remove before their time, and large ones.

mod parts;

use std::{io, path::PathBuf, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::{Stream, TryStreamExt};
use http_body_util::StreamBody;
use hyper::body::Frame;
use npanel_model::Timestamp;
use reqwest::{Body, Method, Response, Url, redirect::Policy};
use rusty_s3::{Credentials, S3Action, UrlStyle};
use sha2::{Digest, Sha256};

use crate::{KeysError, keys::Keys};

/// One request to a store that is there takes a second at most.
const DEADLINE: Duration = Duration::from_secs(20);

/// A state of gigabytes over a thin line.
const LONG_DEADLINE: Duration = Duration::from_secs(3600);

/// How long a signature is good for, at most: as the clocks are apart, and the request is on its way.
const SIGNED_FOR: Duration = Duration::from_secs(300);

/// How much of a refusal is told.
const TOLD: usize = 300;

/// A name or an address that a bucket cannot have.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0:?} is not the address of an S3 endpoint with a bucket {1:?}")]
pub struct BucketNameError(String, String);

/// Why an object could not be written.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// No keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The store was not reached.
    #[error("the bucket cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// What was to be written could not be read.
    #[error("what is to be written cannot be read")]
    Unread(#[source] io::Error),
    /// It is not what was announced.
    #[error("what is to be written has another length or hash than was said")]
    Changed,
    /// The store said no.
    #[error("the bucket refuses the object (status {status}): {text}")]
    Refused {
        /// HTTP's status.
        status: u16,
        /// The beginning of what it said.
        text: String,
    },
}

/// A bucket, and where its keys are. They are read for every request, so that they can be changed.
#[derive(Debug, Clone)]
pub struct Bucket {
    bucket: rusty_s3::Bucket,
    keys_file: PathBuf,
}

impl Bucket {
    /// The bucket `name` in `region`, at an endpoint such as `https://s3.eu-central-1.amazonaws.com`.
    ///
    /// # Errors
    /// If it cannot have that name, or be there.
    pub fn new(
        endpoint: &str,
        region: &str,
        name: &str,
        keys_file: PathBuf,
    ) -> Result<Self, BucketNameError> {
        let refused = || BucketNameError(endpoint.to_owned(), name.to_owned());
        let url: Url = endpoint.parse().map_err(|_| refused())?;
        let is_usable = matches!(url.scheme(), "https" | "http") && !name.is_empty() && !name.contains('/');
        let bucket = is_usable
            .then(|| rusty_s3::Bucket::new(url, UrlStyle::Path, name.to_owned(), region.to_owned()).ok())
            .flatten()
            .ok_or_else(refused)?;
        Ok(Self { bucket, keys_file })
    }

    /// Writes an object that comes in pieces, `bytes` altogether with that SHA-256. The store checks its hash: of a long one, which
    /// is written in parts, that of each part. Nothing is seen of it before it is whole.
    ///
    /// # Errors
    /// If the store cannot be reached, or refuses it; or if a piece does not come.
    pub async fn put<S>(&self, name: &str, bytes: u64, sha256: [u8; 32], pieces: S) -> Result<(), BucketError>
    where
        S: Stream<Item = io::Result<Bytes>> + Send + Sync + 'static,
    {
        if bytes > parts::PART {
            return parts::put(self, name, bytes, sha256, pieces).await;
        }
        let body = StreamBody::new(pieces.map_ok(Frame::data));
        let headers = [
            ("content-length", bytes.to_string()),
            ("x-amz-sdk-checksum-algorithm", "SHA256".to_owned()),
            ("x-amz-checksum-sha256", STANDARD.encode(sha256)),
        ];
        self.put_with(name, &headers, Body::wrap(body), LONG_DEADLINE).await
    }

    /// Writes an object that nobody can change or remove until then, whoever they are: S3's object lock in compliance
    /// mode, which the bucket must have been made with.
    ///
    /// # Errors
    /// If the store cannot be reached, or refuses it.
    pub async fn put_locked(&self, name: &str, body: String, until: Timestamp) -> Result<(), BucketError> {
        // A locked object is only taken with a checksum.
        let headers = [
            ("x-amz-object-lock-mode", "COMPLIANCE".to_owned()),
            ("x-amz-object-lock-retain-until-date", until.to_string()),
            ("x-amz-sdk-checksum-algorithm", "SHA256".to_owned()),
            ("x-amz-checksum-sha256", STANDARD.encode(Sha256::digest(&body))),
        ];
        self.put_with(name, &headers, body.into(), DEADLINE).await
    }

    async fn put_with(
        &self,
        name: &str,
        headers: &[(&'static str, String)],
        body: Body,
        deadline: Duration,
    ) -> Result<(), BucketError> {
        let credentials = self.credentials().await?;
        let mut put = self.bucket.put_object(Some(&credentials), name);
        for (name, value) in headers {
            put.headers_mut().insert(*name, value.clone());
        }
        self.send(Method::PUT, put.sign(SIGNED_FOR), headers, body, deadline).await.map(drop)
    }

    /// Read anew for every request, so that they can be changed.
    async fn credentials(&self) -> Result<Credentials, BucketError> {
        let keys = Keys::load(&self.keys_file).await?;
        Ok(Credentials::new(keys.access_key_id, keys.secret_access_key.expose()))
    }

    /// Asks the store; its answer, if it is a good one.
    async fn send(
        &self,
        method: Method,
        signed: Url,
        headers: &[(&'static str, String)],
        body: Body,
        deadline: Duration,
    ) -> Result<Response, BucketError> {
        // Rarely enough that no connection is kept.
        let http = reqwest::Client::builder().timeout(deadline).redirect(Policy::none()).build();
        let http = http.map_err(BucketError::Unreachable)?;
        let mut request = http.request(method, signed).body(body);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        // The address holds the signature, which opens this one object for some minutes: it is in no error.
        let answer = request.send().await.map_err(|error| BucketError::Unreachable(error.without_url()))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        Err(refused(status.as_u16(), &answer.text().await.unwrap_or_default()))
    }
}

fn refused(status: u16, text: &str) -> BucketError {
    BucketError::Refused { status, text: text.chars().take(TOLD).collect() }
}
