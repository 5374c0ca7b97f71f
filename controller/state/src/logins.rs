//! API keys that were looked up, kept until any key changes: every request shows one, and they hardly ever do.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use npanel_model::ApiKeyId;

use crate::Login;

/// More keys than this are not in use at the same time on one controller.
const KEPT: usize = 4096;

/// The times between which no key changed, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch(u64);

/// What is kept, and since when it counts.
#[derive(Debug, Default)]
pub(crate) struct Logins {
    epoch: AtomicU64,
    /// Whether the batch that is being applied changes a key.
    changing: AtomicBool,
    known: RwLock<HashMap<ApiKeyId, (Epoch, Arc<Login>)>>,
}

impl Logins {
    /// To be asked for before a key is read, and told when it is kept: what was read before a change and kept after it does
    /// not count.
    pub(crate) fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::Acquire))
    }

    pub(crate) fn get(&self, id: ApiKeyId, now: Epoch) -> Option<Arc<Login>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&id).filter(|(epoch, _)| *epoch == now).map(|(_, login)| Arc::clone(login))
    }

    pub(crate) fn keep(&self, epoch: Epoch, login: &Arc<Login>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(login.key.id, (epoch, Arc::clone(login)));
    }

    /// A command changes a key, or may do so.
    pub(crate) fn will_change(&self) {
        self.changing.store(true, Ordering::Relaxed);
    }

    /// What was applied can be read now. Before anyone is told.
    pub(crate) fn settle(&self) {
        if self.changing.swap(false, Ordering::Relaxed) {
            self.forget();
        }
    }

    /// The whole state is another.
    pub(crate) fn forget(&self) {
        self.epoch.fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use npanel_model::{TenantId, Timestamp};

    use super::*;
    use crate::ApiKey;

    fn login() -> Arc<Login> {
        let key = ApiKey {
            id: ApiKeyId::generate(),
            tenant_id: TenantId::generate(),
            name: "one".to_owned(),
            actions: Vec::new(),
            expires_at: None,
            created_at: Timestamp::now(),
            revision: npanel_model::Revision(1),
        };
        Arc::new(Login { key, secret_hash: Vec::new(), is_platform: false })
    }

    #[test]
    fn what_was_read_before_a_change_does_not_count_after_it() {
        let (logins, login) = (Logins::default(), login());
        let before = logins.epoch();
        logins.keep(before, &login);
        assert!(logins.get(login.key.id, logins.epoch()).is_some());
        logins.settle();
        assert!(logins.get(login.key.id, logins.epoch()).is_some(), "no key has changed");
        logins.will_change();
        assert!(logins.get(login.key.id, logins.epoch()).is_some(), "the change is not to be seen yet");
        logins.settle();
        assert!(logins.get(login.key.id, logins.epoch()).is_none());
        logins.keep(before, &login);
        assert!(logins.get(login.key.id, logins.epoch()).is_none(), "it was read before the change");
        logins.keep(logins.epoch(), &login);
        logins.forget();
        assert!(logins.get(login.key.id, logins.epoch()).is_none(), "the state is another");
    }
}
