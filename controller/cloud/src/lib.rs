//! What controllers use of other people's machines: a bucket of S3 or of what speaks like it, a key
//! management service, and addresses that others choose.
//!
//! Nothing runs inside.

mod bucket;
mod courier;
mod keys;
mod kms;
mod oidc;
mod outgoing;

pub use bucket::{Bucket, BucketError, BucketNameError};
pub use courier::{Courier, CourierError};
pub use keys::KeysError;
pub use kms::{Kms, KmsAddressError, KmsError};
pub use oidc::{Begun, Oidc, OidcError, Relation, Said, TokenFault};
pub use outgoing::{Answer, Call, FixedAddresses, Outgoing, OutgoingError, Outside, OwnAddresses};
