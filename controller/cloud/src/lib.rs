//! What controllers use of other people's machines: a bucket of S3 or of what speaks like it.
//!
//! Nothing runs inside.

mod bucket;
mod keys;

pub use bucket::{Bucket, BucketError, BucketNameError};
pub use keys::KeysError;
