//! What the fleet says now against what was kept.

use std::path::PathBuf;

use npanel_audit::{Checkpoint, Hash, SignedCheckpoint, VerifierKey, verify_consistency};
use npanel_client::Client;

use super::{
    reading::read_through,
    shown::{hashes, not_understood, refused},
};
use crate::{
    failure::Failure,
    kept::{self, KeptFile},
};

/// The fleet's key and its newest checkpoint, which that key has signed.
struct Present {
    key: VerifierKey,
    note: SignedCheckpoint,
    now: Checkpoint,
}

async fn present(client: &Client) -> Result<Present, Failure> {
    let key = client.audit_key().await?.key;
    let key: VerifierKey = key.parse().map_err(|error| not_understood("key", error))?;
    let note = client.audit_checkpoint().await?.note;
    let note: SignedCheckpoint = note.parse().map_err(|error| not_understood("checkpoint", error))?;
    let now = note.verify(&key).map_err(|error| refused(error.to_string()))?.clone();
    Ok(Present { key, note, now })
}

/// Compares the fleet's audit with what was kept in these files (or the usual one), and keeps what it is now. Returns
/// what was found, a sentence each.
pub(crate) async fn online(
    client: &Client,
    files: &[PathBuf],
    entries: bool,
) -> Result<Vec<String>, Failure> {
    let present = present(client).await?;
    let usual = [kept::usual_path(&present.now.origin)?];
    let files = if files.is_empty() { &usual[..] } else { files };
    let mut said = Vec::new();
    for file in files {
        said.push(match KeptFile::read(file)? {
            None => format!(
                "there was no checkpoint in {} yet: the key {} and the checkpoint of {} entries are kept there now; make \
                 sure of the key by another way",
                file.display(),
                present.key,
                present.now.size
            ),
            Some(kept) => compared(client, &kept, &present).await?,
        });
    }
    if entries {
        said.push(read_through(client, &present.now).await?);
    }
    // Only once nothing was found against it.
    for file in files {
        kept::keep(file, &present.key, &present.note)?;
    }
    Ok(said)
}

async fn compared(client: &Client, kept: &KeptFile, present: &Present) -> Result<String, Failure> {
    let file = kept.path.display();
    let (before, now) = (require_later(kept, present)?, &present.now);
    let proof = proof(client, before.size, now.size).await?;
    if let Err(error) = verify_consistency((before.size, before.root), (now.size, now.root), &proof) {
        return Err(refused(format!(
            "one of the first {} entries was changed: the fleet's tree does not go on from the checkpoint in {file} \
             ({error}). To find which, verify a copy of a controller's database: npanel audit verify --database",
            before.size
        )));
    }
    Ok(format!("{} entries; they go on from the {} of the checkpoint in {file}", now.size, before.size))
}

/// What was kept, if what is there now can be later: it is signed by the same key, and of no fewer entries.
fn require_later(kept: &KeptFile, present: &Present) -> Result<Checkpoint, Failure> {
    let file = kept.path.display();
    if let Some(expected) = kept.key.as_ref().filter(|expected| **expected != present.key) {
        return Err(refused(format!(
            "the log's key was replaced (got {}, kept {expected} in {file})",
            present.key
        )));
    }
    let (before, now) = (kept.believed(&present.key)?, &present.now);
    if now.size < before.size {
        return Err(refused(format!(
            "entry {} and all after it are missing: the checkpoint in {file} was made of {} entries. The state was rolled \
             back, or this controller has been cut off from the others",
            now.size, before.size
        )));
    }
    Ok(before)
}

pub(super) async fn proof(client: &Client, first: u64, second: u64) -> Result<Vec<Hash>, Failure> {
    hashes(&client.audit_consistency(first, second).await?.hashes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

    /// The log as it is when its key of this seed vouches for so many entries.
    fn present(seed: u8, size: u64) -> Present {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("a key");
        let key = VerifierKey::new("npanel/x", pair.public_key().as_ref()).expect("a key");
        let now = Checkpoint { origin: "npanel/x".into(), size, root: Hash::of(b"") };
        let signature = pair.sign(now.text().as_bytes());
        Present { note: now.clone().signed(&key, signature.as_ref()), now, key }
    }

    fn kept(seed: u8, size: u64) -> KeptFile {
        let Present { key, note, .. } = present(seed, size);
        KeptFile { path: "kept".into(), key: Some(key), checkpoint: note }
    }

    fn refusal(kept: &KeptFile, present: &Present) -> String {
        require_later(kept, present).expect_err("refused").to_string()
    }

    #[test]
    fn what_was_kept_is_earlier_and_of_the_same_key() {
        assert_eq!(require_later(&kept(1, 5), &present(1, 5)).expect("the same").size, 5);
        assert_eq!(require_later(&kept(1, 5), &present(1, 9)).expect("earlier").size, 5);
    }

    #[test]
    fn fewer_entries_than_were_kept_are_a_rollback() {
        let said = refusal(&kept(1, 9), &present(1, 5));
        assert!(said.starts_with("entry 5 and all after it are missing"), "{said}");
    }

    #[test]
    fn another_key_and_what_the_key_did_not_sign_are_refused() {
        let said = refusal(&kept(1, 5), &present(2, 9));
        assert!(said.contains("key was replaced"), "{said}");
        let forged = KeptFile { checkpoint: kept(2, 5).checkpoint, ..kept(1, 5) };
        let said = refusal(&forged, &present(1, 9));
        assert!(said.contains("forged"), "{said}");
    }
}
