//! Checkpoints: the tree's size and root (C2SP `tlog-checkpoint`), signed (C2SP `signed-note`).

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{Hash, VerifierKey};

/// Longer ones are not read.
const LONGEST: usize = 16 * 1024;

/// Why a checkpoint is none, or is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not the text of one.
    #[error("it is not a checkpoint: {0}")]
    Form(&'static str),
    /// Of another log.
    #[error("the checkpoint is of the log {got}, not {expected}")]
    Origin {
        /// The log that it is of.
        got: String,
        /// The log that it should be of.
        expected: String,
    },
    /// The key has not signed it.
    #[error("the checkpoint of size {size} is forged: it has no good signature of the key {key}")]
    Signature {
        /// Its size.
        size: u64,
        /// The key.
        key: String,
    },
}

/// What a log was at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log.
    pub origin: String,
    /// How many entries it had.
    pub size: u64,
    /// The root of their tree.
    pub root: Hash,
}

impl Checkpoint {
    /// What is signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root)
    }

    /// The checkpoint with a signature by this key of [`Checkpoint::text`].
    pub fn signed(self, key: &VerifierKey, signature: &[u8]) -> SignedCheckpoint {
        let line =
            format!("\u{2014} {} {}\n", key.name(), STANDARD.encode([&key.id()[..], signature].concat()));
        SignedCheckpoint { note: format!("{}\n{line}", self.text()), checkpoint: self }
    }

    fn parse(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.split('\n');
        let origin =
            lines.next().filter(|line| !line.is_empty()).ok_or(CheckpointError::Form("no origin"))?;
        let size = lines.next().unwrap_or_default();
        let size = size.parse().ok().filter(|number: &u64| number.to_string() == size);
        let size = size.ok_or(CheckpointError::Form("its second line is not a size"))?;
        let root = lines.next().and_then(|line| line.parse().ok());
        let root = root.ok_or(CheckpointError::Form("its third line is not a root"))?;
        Ok(Self { origin: origin.to_owned(), size, root })
    }
}

/// A checkpoint with its signatures, of which nothing is believed before [`SignedCheckpoint::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    note: String,
    checkpoint: Checkpoint,
}

impl SignedCheckpoint {
    /// What it says, whoever has signed it.
    pub fn unverified(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// What it says, if the key has signed it and it is of the key's log.
    ///
    /// # Errors
    /// If not.
    pub fn verify(&self, key: &VerifierKey) -> Result<&Checkpoint, CheckpointError> {
        let Checkpoint { origin, size, .. } = &self.checkpoint;
        if origin != key.name() {
            return Err(CheckpointError::Origin { got: origin.clone(), expected: key.name().to_owned() });
        }
        let (text, signatures) = parts(&self.note)?;
        let by_key = signatures.lines().filter_map(|line| {
            let (name, signature) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
            let signature = STANDARD.decode(signature).ok()?;
            let (id, signature) = signature.split_first_chunk()?;
            (name == key.name() && *id == key.id()).then(|| signature.to_vec())
        });
        let is_good = by_key.into_iter().any(|signature| key.has_signed(text.as_bytes(), &signature));
        if is_good {
            Ok(&self.checkpoint)
        } else {
            Err(CheckpointError::Signature { size: *size, key: key.to_string() })
        }
    }
}

/// The signed text with its last line end, and the signatures.
fn parts(note: &str) -> Result<(&str, &str), CheckpointError> {
    let blank = note.rfind("\n\n").ok_or(CheckpointError::Form("no signatures"))?;
    Ok((&note[..=blank], &note[blank + 2..]))
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.note)
    }
}

impl FromStr for SignedCheckpoint {
    type Err = CheckpointError;
    fn from_str(note: &str) -> Result<Self, CheckpointError> {
        if note.len() > LONGEST {
            return Err(CheckpointError::Form("it is too long"));
        }
        let checkpoint = Checkpoint::parse(parts(note)?.0)?;
        Ok(Self { note: note.to_owned(), checkpoint })
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

    use super::*;

    fn pair(seed: u8) -> (Ed25519KeyPair, VerifierKey) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("a key");
        let key = VerifierKey::new("npanel/test", pair.public_key().as_ref()).expect("a key");
        (pair, key)
    }

    fn signed(seed: u8, size: u64) -> SignedCheckpoint {
        let (pair, key) = pair(seed);
        let checkpoint = Checkpoint { origin: "npanel/test".into(), size, root: Hash::of(b"root") };
        let signature = pair.sign(checkpoint.text().as_bytes());
        checkpoint.signed(&key, signature.as_ref())
    }

    #[test]
    fn a_signed_checkpoint_reads_back() {
        let (_, key) = pair(1);
        let note = signed(1, 42).to_string();
        assert!(
            note.starts_with("npanel/test\n42\n") && note.contains("\n\n\u{2014} npanel/test "),
            "{note}"
        );
        let read: SignedCheckpoint = note.parse().expect("a checkpoint");
        assert_eq!(read.verify(&key).expect("signed").size, 42);
        assert_eq!(key.to_string().parse(), Ok(key));
    }

    #[test]
    fn what_another_key_signed_is_forged() {
        let (_, key) = pair(1);
        assert!(matches!(signed(2, 42).verify(&key), Err(CheckpointError::Signature { size: 42, .. })));
        let mended: SignedCheckpoint =
            signed(1, 42).to_string().replacen("42", "43", 1).parse().expect("a note");
        assert!(matches!(mended.verify(&key), Err(CheckpointError::Signature { size: 43, .. })));
        let other = VerifierKey::new("npanel/other", &[1; 32]).expect("a key");
        assert!(matches!(signed(1, 42).verify(&other), Err(CheckpointError::Origin { .. })));
    }

    #[test]
    fn what_is_no_checkpoint_is_refused() {
        for note in
            ["", "x", "\n\n", "a\n1\n\n", "a\n01\nAA==\n\n\u{2014} a b\n", "a\nx\ny\n\n\u{2014} a b\n"]
        {
            assert!(note.parse::<SignedCheckpoint>().is_err(), "{note:?}");
        }
        for key in ["", "a", "a+b", "a+00000000+AA==", "a b+00000000+AA=="] {
            assert!(key.parse::<VerifierKey>().is_err(), "{key:?}");
        }
    }
}
