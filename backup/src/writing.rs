//! Writing a backup: what comes before the state's bytes, and what after them.

use tar::{EntryType, Header};

use crate::{AUTHORITY, BLOCK, MANIFEST, SECRETS, SIGNATURE, STATE};

/// What stands before the state.
#[derive(Debug, Clone, Copy)]
pub struct Vouched<'a> {
    /// As [`crate::Manifest::to_bytes`] gives it.
    pub manifest: &'a [u8],
    /// The secrets, sealed.
    pub secrets: &'a [u8],
    /// The certificate, in PEM, of the authority that signs.
    pub authority: &'a [u8],
    /// Its signature over the two before.
    pub signature: &'a [u8],
}

/// Everything up to the state's first byte.
pub fn head(vouched: Vouched<'_>, state_bytes: u64, made_seconds: u64) -> Vec<u8> {
    let Vouched { manifest, secrets, authority, signature } = vouched;
    let files = [(MANIFEST, manifest), (SECRETS, secrets), (AUTHORITY, authority), (SIGNATURE, signature)];
    let length: usize = files.iter().map(|(_, content)| content.len() + 2 * BLOCK as usize).sum();
    let mut head = Vec::with_capacity(length + BLOCK as usize);
    for (name, content) in files {
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
