//! Secrets that must be read again: sealed by AES-256-GCM under a key, bound to where they belong.
//!
//! | key | seals | rests |
//! |---|---|---|
//! | [`MachineKey`] | [`ClusterSecrets`] of this machine | a file of this machine |
//! | [`ClusterKey`] | the tenants' data keys | within [`ClusterSecrets`] |
//! | [`DataKey`] | a tenant's secrets | in the state, wrapped by the cluster key |
//! | [`JoinKey`] | [`ClusterSecrets`] on their way to a joining controller | in memory |
//! | [`RecoveryKey`] | [`ClusterSecrets`] in a backup | with people, outside of the fleet |

mod aead;
mod data;
mod join;
mod machine;
mod recovery;
mod secrets;

pub use aead::SealError;
pub use data::{ClusterKey, DataKey, Field, RequestDigests};
pub use join::JoinKey;
pub use machine::MachineKey;
pub use recovery::{RecoveryKey, RecoveryKeyError, RecoveryPublicKey};
pub use secrets::{ClusterSecrets, SecretsFileError};
