//! Objects in a bucket, written so that nobody can change or remove them before their time.

use std::{path::PathBuf, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use npanel_model::Timestamp;
use reqwest::{Url, redirect::Policy};
use rusty_s3::{Credentials, S3Action, UrlStyle};
use sha2::{Digest, Sha256};

use crate::{KeysError, keys::Keys};

/// One request to a store that is there takes a second at most.
const DEADLINE: Duration = Duration::from_secs(20);

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

    /// Writes an object that nobody can change or remove until then, whoever they are: S3's object lock in compliance
    /// mode, which the bucket must have been made with.
    ///
    /// # Errors
    /// If the store cannot be reached, or refuses it.
    pub async fn put_locked(&self, name: &str, body: String, until: Timestamp) -> Result<(), BucketError> {
        let keys = Keys::load(&self.keys_file).await?;
        let credentials = Credentials::new(keys.access_key_id, keys.secret_access_key.expose());
        let mut put = self.bucket.put_object(Some(&credentials), name);
        // A locked object is only taken with a checksum.
        let headers = [
            ("x-amz-object-lock-mode", "COMPLIANCE".to_owned()),
            ("x-amz-object-lock-retain-until-date", until.to_string()),
            ("x-amz-sdk-checksum-algorithm", "SHA256".to_owned()),
            ("x-amz-checksum-sha256", STANDARD.encode(Sha256::digest(&body))),
        ];
        for (name, value) in &headers {
            put.headers_mut().insert(*name, value.clone());
        }
        // Rarely enough that no connection is kept.
        let http = reqwest::Client::builder().timeout(DEADLINE).redirect(Policy::none()).build();
        let http = http.map_err(BucketError::Unreachable)?;
        let mut request = http.put(put.sign(SIGNED_FOR)).body(body);
        for (name, value) in &headers {
            request = request.header(*name, value);
        }
        // The address holds the signature, which opens this one object for some minutes: it is in no error.
        let sent = request.send().await.map_err(|error| BucketError::Unreachable(error.without_url()))?;
        let status = sent.status();
        if status.is_success() {
            return Ok(());
        }
        let text = sent.text().await.unwrap_or_default();
        Err(BucketError::Refused { status: status.as_u16(), text: text.chars().take(TOLD).collect() })
    }
}
