//! Whether the secrets that go with a state open what is sealed in it.

use npanel_pki::{ClusterSecrets, KeyName};
use npanel_state::{NeededKey, Standing};

/// A cluster key that something in the state needs and that is not among the secrets. A backup of both would restore a fleet whose
/// secrets nobody opens.
pub(crate) fn missing_key<'a>(standing: &'a Standing, secrets: &ClusterSecrets) -> Option<&'a NeededKey> {
    let keys = secrets.cluster_keys();
    standing.cluster_keys.iter().find(|needed| match needed.name.as_slice() {
        [] => !keys.has(None),
        name => KeyName::from_bytes(name).map_or(true, |name| !keys.has(Some(name))),
    })
}
