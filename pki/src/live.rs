//! Credentials that are replaced while connections are open.

use std::sync::{Arc, PoisonError, RwLock};

use crate::Credentials;

/// What a machine shows and trusts at the moment. Every clone is the same; TLS configurations made from one look
/// at it in each handshake, so a renewed certificate needs no new configuration and no restart.
#[derive(Debug, Clone)]
pub struct LiveCredentials(Arc<RwLock<Arc<Credentials>>>);

impl LiveCredentials {
    /// Begins with these.
    pub fn new(credentials: Credentials) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(credentials))))
    }

    /// What is shown and trusted now.
    pub fn current(&self) -> Arc<Credentials> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on these. Open connections stay as they are.
    pub fn replace(&self, credentials: Credentials) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(credentials);
    }
}

/// For a configuration that is used once.
impl From<&Credentials> for LiveCredentials {
    fn from(credentials: &Credentials) -> Self {
        Self::new(credentials.clone())
    }
}

impl From<&LiveCredentials> for LiveCredentials {
    fn from(live: &LiveCredentials) -> Self {
        live.clone()
    }
}
