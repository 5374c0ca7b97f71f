//! The digest by which a leader and a node compare what the node should hold.

use sha2::{Digest, Sha256};

use crate::node::InventoryEntry;

/// SHA-256 over the entries, in the order and encoding that `HeartbeatResponse.ledger_digest` documents.
pub fn ledger_digest<'a>(entries: impl IntoIterator<Item = &'a InventoryEntry>) -> [u8; 32] {
    let mut rows: Vec<Vec<u8>> = entries.into_iter().map(row).collect();
    rows.sort_unstable();
    let mut hasher = Sha256::new();
    for row in &rows {
        hasher.update(row);
    }
    hasher.finalize().into()
}

fn row(entry: &InventoryEntry) -> Vec<u8> {
    let (kind, id) = entry.object.as_ref().map_or((0, &[][..]), |object| (object.kind, &object.id[..]));
    let mut row = Vec::with_capacity(26);
    row.push(u8::try_from(kind).unwrap_or(u8::MAX));
    row.extend_from_slice(id);
    row.extend_from_slice(&entry.generation.to_be_bytes());
    row.push(u8::from(entry.tombstone));
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::ObjectRef;

    fn entry(id: u8, generation: u64, tombstone: bool) -> InventoryEntry {
        InventoryEntry { object: Some(ObjectRef { kind: 1, id: vec![id; 16] }), generation, tombstone }
    }

    #[test]
    fn order_does_not_matter_and_everything_else_does() {
        let one = [entry(1, 1, false), entry(2, 1, false)];
        let other = [entry(2, 1, false), entry(1, 1, false)];
        assert_eq!(ledger_digest(&one), ledger_digest(&other));
        for changed in [entry(2, 2, false), entry(2, 1, true), entry(3, 1, false)] {
            assert_ne!(ledger_digest(&one), ledger_digest(&[entry(1, 1, false), changed]));
        }
    }
}
