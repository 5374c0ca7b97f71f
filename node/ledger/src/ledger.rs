//! The ledger itself.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use npanel_model::{Generation, Timestamp};
use npanel_proto::node::InventoryEntry;

use crate::{
    Content, Entry, Fence, Name, ObjectKey, Offer, Progress, Quarantined, Removal, StaleFence, StoreError,
    Verdict, batch::Batch, bug, store::Store,
};

/// The durable record of what is wanted on this node. See the crate's documentation for its rules.
#[derive(Debug)]
pub struct Ledger {
    inner: Mutex<Inner>,
    quarantined: Vec<Quarantined>,
}

/// In memory is only what is on disk, besides the fence: a change is published here once it is durable there. The other way
/// round, a write that failed half-way may have put files in place that are not here; they hold what a leader
/// really asked for, were not acknowledged, and come again.
#[derive(Debug)]
pub(crate) struct Inner {
    store: Store,
    pub(crate) entries: BTreeMap<ObjectKey, Arc<Entry>>,
    /// Who has which name.
    pub(crate) names: HashMap<Name, ObjectKey>,
    /// The highest that was heard of. A disk that is full does not let a leader of before command.
    fence: Fence,
    /// The highest that is on disk. Nothing is accepted by a higher one.
    written: Fence,
    /// Of the entries as they are; none after a change, until it is asked for.
    digest: Option<[u8; 32]>,
}

/// Why nothing of a batch was accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// The sender leads no longer.
    #[error(transparent)]
    StaleFence(#[from] StaleFence),
    /// The disk refused; what was to be accepted must be offered again.
    #[error("the ledger cannot be written")]
    Store(#[from] StoreError),
}

impl Ledger {
    /// Opens the ledger in `directory`, making it if there is none, and reads all of it.
    ///
    /// # Errors
    /// If the directory cannot be used, or another daemon has it open. A single file that cannot be read is no
    /// error: see [`Ledger::quarantined`].
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let (store, loaded) = Store::open(directory)?;
        for file in &loaded.quarantined {
            tracing::error!(file = file.file, reason = file.reason, "ledger file set aside");
        }
        let mut inner = Inner {
            store,
            entries: BTreeMap::new(),
            names: HashMap::new(),
            fence: loaded.fence,
            written: loaded.fence,
            digest: None,
        };
        inner.remember(loaded.entries);
        Ok(Self { inner: Mutex::new(inner), quarantined: loaded.quarantined })
    }

    /// A panic elsewhere cannot leave half a change behind: memory is changed last, in one step.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The files that could not be read when the ledger was opened, and lie in `quarantine/` now. Their
    /// objects are missing here until a controller offers them again.
    pub fn quarantined(&self) -> &[Quarantined] {
        &self.quarantined
    }

    /// The highest fence seen.
    pub fn fence(&self) -> Fence {
        self.inner().fence
    }

    /// Checks the fence of a call, and remembers it if it is the highest.
    ///
    /// # Errors
    /// If it is lower than the highest, or a higher one cannot be made durable; that one counts until the daemon ends.
    pub fn observe(&self, fence: Fence) -> Result<(), AcceptError> {
        self.inner().observe(fence)
    }

    /// Takes what is new of a batch. When this returns, all that is answered [`Verdict::Accepted`] is durable.
    /// One verdict per offer, in order; a later offer of the same object is judged after the earlier one.
    ///
    /// # Errors
    /// If the fence is stale or the disk refuses; nothing is accepted then.
    pub fn accept(
        &self,
        fence: Fence,
        offers: &[Offer],
        now: Timestamp,
    ) -> Result<Vec<Verdict>, AcceptError> {
        let mut inner = self.inner();
        inner.observe(fence)?;
        let batch = Batch::of(&inner, offers, fence, now);
        inner.publish(batch.taken)?;
        Ok(batch.verdicts)
    }

    /// What [`Ledger::accept`] would answer a leader of now. Nothing is taken.
    pub fn consider(&self, offers: &[Offer], now: Timestamp) -> Vec<Verdict> {
        let inner = self.inner();
        Batch::of(&inner, offers, inner.fence, now).verdicts
    }

    /// Tries whether the ledger can be written.
    ///
    /// # Errors
    /// If it cannot.
    pub fn probe(&self) -> Result<(), StoreError> {
        self.inner().write_fence()
    }

    /// What is known of one object.
    pub fn entry(&self, key: ObjectKey) -> Option<Arc<Entry>> {
        self.inner().entries.get(&key).cloned()
    }

    /// Everything, by kind and id.
    pub fn entries(&self) -> Vec<(ObjectKey, Arc<Entry>)> {
        self.inner().entries.iter().map(|(key, entry)| (*key, Arc::clone(entry))).collect()
    }

    /// Records how far the removal of an object is. Returns the entry as it now is, or none if another
    /// generation has come meanwhile and the removal is of no account any more.
    ///
    /// # Errors
    /// If it cannot be made durable.
    pub fn note_removal(
        &self,
        key: ObjectKey,
        generation: Generation,
        progress: Progress,
    ) -> Result<Option<Arc<Entry>>, StoreError> {
        let mut inner = self.inner();
        let Some(entry) = inner.entries.get(&key).filter(|entry| entry.generation == generation) else {
            return Ok(None);
        };
        let Content::Going(removal) = &entry.content else { return Ok(None) };
        let content = Content::Going(Removal { progress, ..removal.clone() });
        let noted = Entry { content, ..entry.as_ref().clone() };
        inner.publish(BTreeMap::from([(key, noted)]))?;
        Ok(inner.entries.get(&key).cloned())
    }

    /// Forgets the objects of which nothing was left before `time`. Until then a removal is remembered, so
    /// that a late message cannot bring the object back.
    ///
    /// # Errors
    /// If a file cannot be deleted.
    pub fn forget_removed(&self, time: Timestamp) -> Result<usize, StoreError> {
        let mut inner = self.inner();
        let forgotten = |entry: &Entry| match &entry.content {
            Content::Going(Removal { progress: Progress::Removed { since }, .. }) => *since < time,
            _ => false,
        };
        let keys: Vec<ObjectKey> =
            inner.entries.iter().filter(|(_, entry)| forgotten(entry)).map(|(key, _)| *key).collect();
        if !keys.is_empty() {
            inner.store.delete(&keys)?;
            inner.entries.retain(|key, _| keys.binary_search(key).is_err());
        }
        Ok(keys.len())
    }

    /// How many objects the inventory has.
    pub fn len(&self) -> usize {
        self.inner().entries.values().filter(|entry| !entry.is_removed()).count()
    }

    /// Whether the inventory has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the node holds, in the ledger's order. An object of which nothing is left is not in it: the
    /// controllers forget it when they hear so.
    pub fn inventory(&self) -> Vec<InventoryEntry> {
        self.inner().inventory()
    }

    /// The digest of the inventory, as [`npanel_proto::ledger_digest`] defines it. Computed once after a
    /// change.
    pub fn digest(&self) -> [u8; 32] {
        let mut inner = self.inner();
        if let Some(digest) = inner.digest {
            return digest;
        }
        let digest = npanel_proto::ledger_digest(&inner.inventory());
        inner.digest = Some(digest);
        digest
    }
}

impl Inner {
    fn observe(&mut self, fence: Fence) -> Result<(), AcceptError> {
        if !bug::is_in("ledger::no_fence") {
            fence.check(self.fence)?;
        }
        self.fence = self.fence.max(fence);
        if self.fence > self.written {
            self.write_fence()?;
        }
        Ok(())
    }

    fn write_fence(&mut self) -> Result<(), StoreError> {
        self.store.write_fence(self.fence)?;
        self.written = self.fence;
        Ok(())
    }

    fn publish(&mut self, changes: BTreeMap<ObjectKey, Entry>) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.store.write(&changes)?;
        self.remember(changes);
        Ok(())
    }

    fn remember(&mut self, changes: impl IntoIterator<Item = (ObjectKey, Entry)>) {
        for (key, entry) in changes {
            let free = self.entries.get(&key).and_then(|known| known.holds());
            if let Some(name) = free.filter(|name| self.names.get(name) == Some(&key)) {
                self.names.remove(&name);
            }
            if let Some(name) = entry.holds() {
                self.names.insert(name, key);
            }
            self.entries.insert(key, Arc::new(entry));
        }
        self.digest = None;
    }

    fn inventory(&self) -> Vec<InventoryEntry> {
        let entries = self.entries.iter().filter(|(_, entry)| !entry.is_removed());
        let entry = |(key, entry): (&ObjectKey, &Arc<Entry>)| InventoryEntry {
            object: Some(key.to_proto()),
            generation: entry.generation.0,
            tombstone: entry.is_tombstone(),
        };
        entries.map(entry).collect()
    }
}
