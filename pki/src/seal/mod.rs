//! Secrets that must be read again: sealed by AES-256-GCM under a key, bound to where they belong.
//!
//! | key | seals | rests |
//! |---|---|---|
//! | [`MachineKey`] | [`ClusterSecrets`] of this machine | a file of this machine |
//! | [`ClusterKey`] | the tenants' data keys | within [`ClusterSecrets`] |
//! | [`DataKey`] | a tenant's secrets | in the state, wrapped by the cluster key |
//! | [`JoinKey`] | [`ClusterSecrets`] on their way to another controller | in memory |
//! | [`RecoveryKey`] | [`ClusterSecrets`] in a backup | with people, outside of the fleet |
//!
//! While the cluster key is changed there are two, in [`ClusterKeys`]: what is sealed has the name of its key.

mod aead;
mod brief;
mod data;
mod digests;
mod join;
mod key;
mod keys;
mod machine;
mod recovery;
mod secrets;

pub use aead::SealError;
pub use data::{ClusterKey, DataKey, Field};
pub use digests::RequestDigests;
pub use join::JoinKey;
pub use key::KeyName;
pub use keys::{ClusterKeys, LiveClusterKeys};
pub use machine::MachineKey;
pub use recovery::{RecoveryKey, RecoveryKeyError, RecoveryPublicKey};
pub use secrets::{ClusterSecrets, SecretsFileError};
