//! An object in parts: S3 takes 5 GiB at once at most, and a part that was cut off is sent again by itself.

use std::{io, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use reqwest::{Method, Response};
use rusty_s3::{Credentials, S3Action, actions::CreateMultipartUpload};
use sha2::{Digest, Sha256};
use tokio::time::sleep;

use super::{Bucket, BucketError, LONG_DEADLINE, SIGNED_FOR, refused};

/// What is in memory of an object. No part but the last may be shorter than 5 MiB.
pub(super) const PART: u64 = 16 * 1024 * 1024;

/// S3's own: no object has more.
const MOST_PARTS: u64 = 10_000;

/// How often a part is tried that does not get there, or that the store has no time for.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(500);

/// An object that is being written. Nobody sees it before it is complete.
struct Upload<'a> {
    bucket: &'a Bucket,
    name: &'a str,
    id: String,
}

/// A part that the store has.
struct Part {
    etag: String,
    sha256: String,
}

pub(super) async fn put<S>(
    bucket: &Bucket,
    name: &str,
    bytes: u64,
    sha256: [u8; 32],
    pieces: S,
) -> Result<(), BucketError>
where
    S: Stream<Item = io::Result<Bytes>> + Send,
{
    let upload = Upload::begin(bucket, name).await?;
    let written = match upload.write(bytes, sha256, pieces).await {
        Ok(parts) => upload.complete(&parts).await,
        Err(error) => Err(error),
    };
    if written.is_err() {
        upload.abandon().await;
    }
    written
}

/// As many bytes as parts but the last have, for an object of that length.
fn part_length(bytes: u64) -> u64 {
    bytes.div_ceil(MOST_PARTS).max(PART)
}

impl<'a> Upload<'a> {
    async fn begin(bucket: &'a Bucket, name: &'a str) -> Result<Self, BucketError> {
        let credentials = bucket.credentials().await?;
        let mut create = bucket.bucket.create_multipart_upload(Some(&credentials), name);
        let headers = [("x-amz-checksum-algorithm", "SHA256".to_owned())];
        create.headers_mut().insert(headers[0].0, headers[0].1.clone());
        let url = create.sign(SIGNED_FOR);
        let answer = bucket.send(Method::POST, url, &headers, "".into(), LONG_DEADLINE).await?;
        let text = answer.text().await.map_err(unreachable)?;
        let created = CreateMultipartUpload::parse_response(&text).map_err(|_| refused(200, &text))?;
        Ok(Self { bucket, name, id: created.upload_id().to_owned() })
    }

    async fn write<S>(&self, bytes: u64, sha256: [u8; 32], pieces: S) -> Result<Vec<Part>, BucketError>
    where
        S: Stream<Item = io::Result<Bytes>> + Send,
    {
        let length = usize::try_from(part_length(bytes)).map_err(|_| BucketError::Changed)?;
        let mut pieces = std::pin::pin!(pieces);
        let (mut parts, mut waiting, mut whole) = (Vec::new(), BytesMut::new(), Sha256::new());
        let mut left = bytes;
        while left > 0 {
            let next = length.min(usize::try_from(left).unwrap_or(length));
            while waiting.len() < next {
                let piece = pieces.next().await.ok_or(BucketError::Changed)?.map_err(BucketError::Unread)?;
                waiting.extend_from_slice(&piece);
            }
            let part = waiting.split_to(next).freeze();
            whole.update(&part);
            left -= next as u64;
            parts.push(self.part(parts.len() + 1, part).await?);
        }
        // The store has judged every part by itself.
        let is_whole = waiting.is_empty() && <[u8; 32]>::from(whole.finalize()) == sha256;
        if is_whole { Ok(parts) } else { Err(BucketError::Changed) }
    }

    async fn part(&self, number: usize, body: Bytes) -> Result<Part, BucketError> {
        let number = u16::try_from(number).map_err(|_| BucketError::Changed)?;
        let sha256 = STANDARD.encode(Sha256::digest(&body));
        let headers = [
            ("content-length", body.len().to_string()),
            ("x-amz-sdk-checksum-algorithm", "SHA256".to_owned()),
            ("x-amz-checksum-sha256", sha256.clone()),
        ];
        let mut tried = 1;
        loop {
            let credentials = self.bucket.credentials().await?;
            let mut upload = self.bucket.bucket.upload_part(Some(&credentials), self.name, number, &self.id);
            for (name, value) in &headers {
                upload.headers_mut().insert(*name, value.clone());
            }
            let url = upload.sign(SIGNED_FOR);
            match self.bucket.send(Method::PUT, url, &headers, body.clone().into(), LONG_DEADLINE).await {
                Ok(answer) => return Ok(Part { etag: etag(&answer)?, sha256 }),
                Err(error) if tried < TRIES && may_pass(&error) => {
                    tracing::info!(number, tried, %error, "a part of an object is sent again");
                    sleep(PAUSE * 4_u32.pow(tried - 1)).await;
                    tried += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn complete(&self, parts: &[Part]) -> Result<(), BucketError> {
        let credentials = self.bucket.credentials().await?;
        let etags = parts.iter().map(|part| part.etag.as_str());
        let complete =
            self.bucket.bucket.complete_multipart_upload(Some(&credentials), self.name, &self.id, etags);
        let url = complete.sign(SIGNED_FOR);
        let answer = self.bucket.send(Method::POST, url, &[], list(parts).into(), LONG_DEADLINE).await?;
        // The status goes out before the parts are joined: an error may come as 200.
        let text = answer.text().await.map_err(unreachable)?;
        let is_done = text.contains("<ETag>") && !text.contains("<Error>");
        if is_done { Ok(()) } else { Err(refused(200, &text)) }
    }

    /// What the store has of it would be kept, and paid for, until somebody removes it.
    async fn abandon(&self) {
        let abandoned = async {
            let credentials: Credentials = self.bucket.credentials().await?;
            let abort = self.bucket.bucket.abort_multipart_upload(Some(&credentials), self.name, &self.id);
            let url = abort.sign(SIGNED_FOR);
            self.bucket.send(Method::DELETE, url, &[], "".into(), LONG_DEADLINE).await
        };
        if let Err(error) = abandoned.await {
            tracing::warn!(%error, upload = self.id, "an upload that failed could not be removed from the bucket");
        }
    }
}

/// The parts in order, each with its hash: the SDK's own list has none, and a store that was promised hashes wants them.
fn list(parts: &[Part]) -> String {
    let part = |(number, part): (usize, &Part)| {
        let etag = part.etag.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
        format!(
            "<Part><PartNumber>{}</PartNumber><ETag>{etag}</ETag><ChecksumSHA256>{}</ChecksumSHA256></Part>",
            number + 1,
            part.sha256
        )
    };
    let parts: String = parts.iter().enumerate().map(part).collect();
    format!(
        "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{parts}</CompleteMultipartUpload>"
    )
}

fn etag(answer: &Response) -> Result<String, BucketError> {
    let etag = answer.headers().get("etag").and_then(|etag| etag.to_str().ok());
    etag.map(str::to_owned).ok_or_else(|| refused(answer.status().as_u16(), "no ETag"))
}

fn unreachable(error: reqwest::Error) -> BucketError {
    BucketError::Unreachable(error.without_url())
}

fn may_pass(error: &BucketError) -> bool {
    match error {
        BucketError::Unreachable(_) => true,
        BucketError::Refused { status, .. } => *status >= 500 || *status == 429 || *status == 408,
        BucketError::Keys(_) | BucketError::Unread(_) | BucketError::Changed => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_has_at_most_as_many_parts_as_it_may_have() {
        for bytes in [1, PART, 5 << 30, 160 << 30, 5 << 40] {
            let length = part_length(bytes);
            assert!(length >= PART && bytes.div_ceil(length) <= MOST_PARTS, "{bytes}: {length}");
        }
    }

    #[test]
    fn the_list_of_parts_is_xml_whatever_the_store_calls_them() {
        let part = |etag: &str| Part { etag: etag.to_owned(), sha256: "abc=".to_owned() };
        let text = list(&[part("\"a\""), part("<&>")]);
        assert!(
            text.contains("<PartNumber>1</PartNumber><ETag>&quot;a&quot;</ETag><ChecksumSHA256>abc=<"),
            "{text}"
        );
        assert!(text.contains("<PartNumber>2</PartNumber><ETag>&lt;&amp;></ETag>"), "{text}");
    }
}
