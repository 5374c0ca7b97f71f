//! Who is who in the fleet, and how secrets are kept: identities and the authority that certifies them,
//! bootstrap tokens and API keys, the mutual-TLS rules, and sealing.
//!
//! Nothing here runs by itself: no tasks, no sockets. Files are touched by [`IdentityFiles`], [`MachineKey`]
//! and [`ClusterSecrets`] only.
//!
//! A peer is accepted for its identity and role (`spiffe://<cluster>/node/<id>`,
//! `spiffe://<cluster>/controller/<id>`), never merely for its issuer. [`tls`] has one configuration per
//! relation between machines, so that no caller composes its own.

mod audit_key;
mod authority;
mod certificate;
mod credentials;
mod file;
mod fingerprint;
mod identity;
mod live;
mod pem;
mod private_key;
mod proof;
mod renewal;
mod seal;
mod secret;
mod token;
mod vouching;
mod webhook;

pub mod tls;

pub use audit_key::AuditKey;
pub use authority::{AuthorityError, CertificateAuthority, IssueError, Issued, Lifetimes, Serial, lifetime};
pub use certificate::{CertificateError, Peer};
pub use credentials::{Credentials, CredentialsError, IdentityFiles};
pub use file::FileError;
pub use fingerprint::{FingerprintError, KeyFingerprint};
pub use identity::{ClusterId, ClusterIdError, Identity, SpiffeId, SpiffeIdError};
pub use live::LiveCredentials;
pub use private_key::{PrivateKey, PrivateKeyError};
pub use proof::{ChannelBinding, ProofError};
pub use renewal::Due;
pub use seal::{
    ClusterKey, ClusterKeys, ClusterSecrets, DataKey, Field, JoinKey, KeyName, LiveClusterKeys, MachineKey,
    RecoveryKey, RecoveryKeyError, RecoveryPublicKey, RequestDigests, SealError, SecretsFileError,
};
pub use secret::{
    ApiKeySecret, DeviceSecret, SecretFormError, SecretHash, SessionSecret, TokenSecret, random_text,
};
pub use token::{
    ApiKeyText, ApiKeyTextError, BootstrapToken, DeviceText, DeviceTextError, SessionText, SessionTextError,
    TokenCredential, TokenError,
};
pub use vouching::{VouchingError, backup_vouched_by};
pub use webhook::WebhookSecret;
