//! The keys to a bucket, in a file of their own.

use std::path::{Path, PathBuf};

use npanel_model::Secret;
use serde::Deserialize;

/// Why the keys cannot be used. Never says what they are.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read.
    #[error("the keys in {path} cannot be read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It holds something else.
    #[error("{0} does not hold access_key_id and secret_access_key, each in quotes")]
    Form(PathBuf),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Keys {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: Secret,
}

impl Keys {
    pub(crate) async fn load(path: &Path) -> Result<Self, KeysError> {
        let unreadable = |source| KeysError::Unreadable { path: path.to_owned(), source };
        let text = tokio::fs::read_to_string(path).await.map_err(unreadable)?;
        // The parser's own words would repeat the line.
        toml::from_str(&text).map_err(|_| KeysError::Form(path.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_error_does_not_repeat_the_keys() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("keys");
        std::fs::write(&path, "access_key_id = \"id\"\nsecret_access_key = \"marked\"\n").expect("written");
        let keys = Keys::load(&path).await.expect("keys");
        assert_eq!((keys.access_key_id.as_str(), keys.secret_access_key.expose()), ("id", "marked"));
        assert!(!format!("{keys:?}").contains("marked"));
        std::fs::write(&path, "secret_access_key = marked").expect("written");
        let error = Keys::load(&path).await.expect_err("no keys");
        assert!(!format!("{error} {error:?}").contains("marked"), "{error:?}");
    }
}
