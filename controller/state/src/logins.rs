//! What credentials open, kept until any of it changes: every request shows one, and that hardly ever happens.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use crate::access::{Access, Credential};

/// More credentials than this are not in use at the same time on one controller.
const KEPT: usize = 4096;

/// The times between which nothing changed, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch(u64);

/// What is kept, and since when it counts.
#[derive(Debug, Default)]
pub(crate) struct Logins {
    epoch: AtomicU64,
    /// Whether the batch that is being applied changes any of it.
    changing: AtomicBool,
    known: RwLock<HashMap<Credential, (Epoch, Arc<Access>)>>,
}

impl Logins {
    /// To be asked for before a credential is looked up, and told when it is kept: what was read before a change and kept after it does
    /// not count.
    pub(crate) fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::Acquire))
    }

    pub(crate) fn get(&self, credential: Credential, now: Epoch) -> Option<Arc<Access>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&credential).filter(|(epoch, _)| *epoch == now).map(|(_, access)| Arc::clone(access))
    }

    pub(crate) fn keep(&self, epoch: Epoch, credential: Credential, access: &Arc<Access>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(credential, (epoch, Arc::clone(access)));
    }

    /// A command changes what a credential opens, or may do so.
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
    use npanel_model::{Allowance, ApiKeyId, TenantId};

    use super::*;
    use crate::Who;

    fn access(id: ApiKeyId) -> Arc<Access> {
        let allowance = Allowance {
            role: None,
            actions: Vec::new(),
            narrowed_to: None,
            is_platform: false,
            is_confined: false,
            only_looks: false,
        };
        Arc::new(Access {
            who: Who::ApiKey(id),
            purview: TenantId::generate().into(),
            allowance,
            networks: Vec::new(),
            expires_at: None,
            secrets: Vec::new(),
            request_limits: Vec::new(),
        })
    }

    #[test]
    fn what_was_read_before_a_change_does_not_count_after_it() {
        let (logins, id) = (Logins::default(), ApiKeyId::generate());
        let (key, access) = (Credential::ApiKey(id), access(id));
        let before = logins.epoch();
        logins.keep(before, key, &access);
        assert!(logins.get(key, logins.epoch()).is_some());
        logins.settle();
        assert!(logins.get(key, logins.epoch()).is_some(), "nothing has changed");
        logins.will_change();
        assert!(logins.get(key, logins.epoch()).is_some(), "the change is not to be seen yet");
        logins.settle();
        assert!(logins.get(key, logins.epoch()).is_none());
        logins.keep(before, key, &access);
        assert!(logins.get(key, logins.epoch()).is_none(), "it was read before the change");
        logins.keep(logins.epoch(), key, &access);
        logins.forget();
        assert!(logins.get(key, logins.epoch()).is_none(), "the state is another");
    }
}
