//! A copy of a controller's database in which anything of the audit was changed names the first entry at fault.

use npanel_audit::{CheckpointError, Fault, Frontier, verify_copy};
use npanel_pki::AuditKey;
use rusqlite::Connection;

use crate::audit::Audited;

fn log_index(db: &Connection, position: u64) -> u64 {
    db.query_row("SELECT log_index FROM audit WHERE position = ?1", [position], |row| row.get(0))
        .expect("an entry")
}

#[tokio::test]
async fn what_was_not_touched_has_no_fault() {
    let audited = Audited::new().await;
    let tree = audited.tree().await;
    let verified = audited.verified(&audited.copy("whole").await);
    assert_eq!(verified.faults, []);
    assert_eq!((verified.entries, verified.root, verified.checkpoints), (tree.size(), tree.root(), 2));
    assert_eq!(verified.vouched, tree.size());
    assert_eq!(verified.key, Some((audited.verifier.clone(), false)));
}

#[tokio::test]
async fn an_edited_entry_is_named() {
    let audited = Audited::new().await;
    for edit in [
        "principal = 'api_key/nobody'",
        "source_address = '192.0.2.66'",
        "action = 'plan.get'",
        "time_millis = time_millis - 1",
        "request_id = x'00'",
        "object_id = x'00'",
        "object_kind = 'node'",
        "tenant_id = zeroblob(16)",
        "tenant_id = x'00'",
        "actor_tenant_id = NULL",
        "command_digest = zeroblob(32)",
        "before_digest = zeroblob(32)",
        "after_digest = NULL",
        "hashes = zeroblob(32)",
    ] {
        let path = audited
            .tampered(|db| {
                db.execute_batch(&format!("UPDATE audit SET {edit} WHERE position IN (5, 9)"))
                    .expect("edited");
            })
            .await;
        let log_index = log_index(&Connection::open(&path).expect("it opens"), 5);
        let faults = audited.verified(&path).faults;
        assert_eq!(faults, [Fault::Edited { position: 5, log_index }], "{edit}");
        assert!(faults[0].to_string().starts_with("entry 5 "), "{}", faults[0]);
    }
}

#[tokio::test]
async fn a_deleted_entry_is_named() {
    let audited = Audited::new().await;
    let faults = audited.faults("DELETE FROM audit WHERE position IN (6, 8)").await;
    assert_eq!(faults, [Fault::Deleted { position: 6 }]);
    let faults = audited.faults("DELETE FROM audit WHERE position = 0").await;
    assert_eq!(faults, [Fault::Deleted { position: 0 }]);
    // With those after it moved down, so that no gap is left.
    let renumbered = "DELETE FROM audit WHERE position = 6;
        UPDATE audit SET position = -position WHERE position > 6; UPDATE audit SET position = -position - 1 WHERE position < 0;";
    let faults = audited.faults(renumbered).await;
    assert!(matches!(faults[..], [Fault::Reordered { position: 6, .. }]), "{faults:?}");
}

#[tokio::test]
async fn reordered_entries_are_named() {
    let audited = Audited::new().await;
    let by_number =
        "UPDATE audit SET position = -1 WHERE position = 4; UPDATE audit SET position = 4 WHERE position = 7;
        UPDATE audit SET position = 7 WHERE position = -1;";
    let faults = audited.faults(by_number).await;
    assert!(matches!(faults[..], [Fault::Reordered { position: 4, .. }]), "{faults:?}");
    let by_content = "CREATE TEMP TABLE two AS SELECT * FROM audit WHERE position IN (4, 7);
        UPDATE audit SET (principal, action, object_id, command_digest, after_digest, hashes) =
            (SELECT principal, action, object_id, command_digest, after_digest, hashes FROM two WHERE two.position = 11 - audit.position)
        WHERE position IN (4, 7);";
    let faults = audited.faults(by_content).await;
    assert!(matches!(faults[..], [Fault::Edited { position: 4, .. }]), "{faults:?}");
}

#[tokio::test]
async fn an_inserted_entry_is_named() {
    let audited = Audited::new().await;
    let sql = "INSERT INTO audit (log_index, time_millis, tenant_id, principal, source_address, request_id, action, object_id, command_digest)
        VALUES (9999, 1, zeroblob(16), '', '', x'', '', x'', zeroblob(32))";
    assert_eq!(audited.faults(sql).await, [Fault::Inserted { log_index: 9999 }]);
}

#[tokio::test]
async fn truncation_is_found_by_the_checkpoints_in_the_copy() {
    let audited = Audited::new().await;
    let size = audited.tree().await.size();
    let faults = audited.faults(&format!("DELETE FROM audit WHERE position >= {}", size - 3)).await;
    let [Fault::Truncated { position, size: was, .. }] = &faults[..] else { panic!("{faults:?}") };
    assert_eq!((*position, *was), (size - 3, size));
}

/// Of the whole state, as from a backup: nothing in the copy can tell.
#[tokio::test]
async fn a_rollback_is_found_by_a_checkpoint_kept_outside() {
    let mut audited = Audited::new().await;
    let earlier = audited.copy("earlier").await;
    let size = audited.tree().await.size();
    audited.plans(3).await;
    let kept = audited.checkpoint().await;
    assert_eq!(audited.verified(&earlier).faults, []);
    let verified = audited.verified_against(&earlier, kept.clone());
    let [Fault::Truncated { position, size: was, source }] = &verified.faults[..] else {
        panic!("{:?}", verified.faults)
    };
    assert_eq!((*position, *was, source.as_str()), (size, size + 3, "the checkpoint in safe.txt"));
    assert_eq!(audited.verified_against(&audited.copy("later").await, kept).faults, []);
}

/// Makes the tree of a copy anew, as if its entries had always been what they are now.
fn rehash(db: &Connection) {
    let columns = npanel_audit::StoredEntry::COLUMNS;
    let mut tree = Frontier::default();
    let mut statement =
        db.prepare(&format!("SELECT {columns} FROM audit ORDER BY log_index")).expect("a query");
    let entries: Vec<_> = statement
        .query_map([], npanel_audit::StoredEntry::read)
        .expect("rows")
        .collect::<Result<_, _>>()
        .expect("entries");
    for (position, stored) in entries.iter().enumerate() {
        let hashes: Vec<u8> =
            tree.append(stored.entry.leaf_hash()).iter().flat_map(|hash| *hash.as_bytes()).collect();
        db.execute(
            "UPDATE audit SET hashes = ?2, position = ?3 WHERE log_index = ?1",
            (stored.entry.log_index, hashes, position),
        )
        .expect("rehashed");
    }
}

#[tokio::test]
async fn an_entry_that_was_changed_with_its_hash_does_not_fit_the_tree() {
    let audited = Audited::new().await;
    let path = audited
        .tampered(|db| {
            let others: Vec<(u64, Vec<u8>)> = db
                .prepare("SELECT position, hashes FROM audit WHERE position != 5")
                .expect("a query")
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
                .expect("rows")
                .collect::<Result<_, _>>()
                .expect("rows");
            db.execute("UPDATE audit SET principal = 'api_key/nobody' WHERE position = 5", [])
                .expect("edited");
            rehash(db);
            for (position, hashes) in others {
                db.execute("UPDATE audit SET hashes = ?2 WHERE position = ?1", (position, hashes))
                    .expect("back");
            }
        })
        .await;
    let faults = audited.verified(&path).faults;
    assert_eq!(faults, [Fault::Rehashed { first: 4, last: 7 }]);
}

#[tokio::test]
async fn a_tree_made_anew_is_found_by_the_next_checkpoint() {
    let audited = Audited::new().await;
    let path = audited
        .tampered(|db| {
            db.execute("DELETE FROM audit WHERE position = 14", []).expect("deleted");
            rehash(db);
        })
        .await;
    let first = audited.verified(&path);
    let vouched: u64 = {
        let db = Connection::open(&path).expect("it opens");
        db.query_row("SELECT min(tree_size) FROM audit_checkpoints", [], |row| row.get(0)).expect("a size")
    };
    let size = audited.tree().await.size();
    assert!(
        matches!(first.faults[..], [Fault::Truncated { position, .. }] if position == size - 1),
        "{:?}",
        first.faults
    );
    // With one more, so that the number is right again.
    let path = audited
        .tampered(|db| {
            db.execute("UPDATE audit SET principal = 'api_key/nobody' WHERE position = 14", [])
                .expect("edited");
            rehash(db);
        })
        .await;
    let faults = audited.verified(&path).faults;
    let [Fault::Rewritten { first, last, .. }] = &faults[..] else { panic!("{faults:?}") };
    assert_eq!((*first, *last), (vouched, size - 1));
}

#[tokio::test]
async fn a_forged_checkpoint_is_not_believed() {
    let audited = Audited::new().await;
    let thief = AuditKey::generate();
    let path = audited
        .tampered(|db| {
            db.execute("DELETE FROM audit WHERE position = 14", []).expect("deleted");
            rehash(db);
            let tree = {
                let size: u64 =
                    db.query_row("SELECT count(*) FROM audit", [], |row| row.get(0)).expect("a size");
                let mut tree = Frontier::default();
                let mut rows =
                    db.prepare("SELECT substr(hashes, 1, 32) FROM audit ORDER BY position").expect("a query");
                let leaves = rows.query_map([], |row| row.get::<_, [u8; 32]>(0)).expect("rows");
                leaves.for_each(|leaf| drop(tree.append(leaf.expect("a hash").into())));
                assert_eq!(tree.size(), size);
                tree
            };
            db.execute("DELETE FROM audit_checkpoints WHERE serial = 2", []).expect("deleted");
            let forged = audited.signed(&thief, tree.size(), tree.root()).to_string();
            db.execute(
                "INSERT INTO audit_checkpoints (serial, tree_size, time_millis, note) VALUES (2, ?1, 1, ?2)",
                (tree.size(), forged),
            )
            .expect("forged");
        })
        .await;
    let faults = audited.verified(&path).faults;
    let forged = |faults: &[Fault]| {
        faults
            .iter()
            .any(|fault| matches!(fault, Fault::Forged { error: CheckpointError::Signature { .. }, .. }))
    };
    assert!(forged(&faults), "{faults:?}");
    // Also with the key replaced by the thief's, once the real one was kept.
    Connection::open(&path)
        .expect("it opens")
        .execute("UPDATE audit_key SET public_key = ?1", [thief.public()])
        .expect("replaced");
    let verified = verify_copy(&path, Some(&audited.verifier), &[]).expect("a database");
    assert!(
        verified.faults.iter().any(|fault| matches!(fault, Fault::OtherKey { .. })),
        "{:?}",
        verified.faults
    );
    assert!(forged(&verified.faults), "{:?}", verified.faults);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("file#?%.db");
    assert!(verify_copy(&path, None, &[]).is_err());
    std::fs::write(&path, b"not a database, and longer than a header").expect("written");
    assert!(verify_copy(&path, None, &[]).is_err());
}
