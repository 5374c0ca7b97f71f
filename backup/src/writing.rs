//! Writing a backup: what comes before the state's bytes, and what after them.

use tar::{EntryType, Header};

use crate::{BLOCK, MANIFEST, SECRETS, STATE};

/// Everything up to the state's first byte. `manifest` is as [`crate::Manifest::to_bytes`] gives it.
pub fn head(manifest: &[u8], secrets: &[u8], state_bytes: u64, made_seconds: u64) -> Vec<u8> {
    let mut head = Vec::with_capacity(manifest.len() + secrets.len() + 8 * BLOCK as usize);
    for (name, content) in [(MANIFEST, manifest), (SECRETS, secrets)] {
        head.extend_from_slice(header(name, content.len() as u64, made_seconds).as_bytes());
        head.extend_from_slice(content);
        head.resize(head.len() + padding(content.len() as u64), 0);
    }
    head.extend_from_slice(header(STATE, state_bytes, made_seconds).as_bytes());
    head
}

/// Everything after the state's last byte: what fills its last block, and two empty ones, which end an archive.
pub fn tail(state_bytes: u64) -> Vec<u8> {
    vec![0; padding(state_bytes) + 2 * BLOCK as usize]
}

fn padding(length: u64) -> usize {
    (length.next_multiple_of(BLOCK) - length) as usize
}

fn header(name: &str, size: u64, made_seconds: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_path(name).expect("the names are short");
    header.set_size(size);
    header.set_mode(0o600);
    header.set_mtime(made_seconds);
    header.set_entry_type(EntryType::Regular);
    header.set_cksum();
    header
}
