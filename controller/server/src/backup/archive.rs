//! A backup that is about to be written, as a stream: the state may be larger than memory.

use std::{
    fs::File,
    io::{self, Read, Seek},
};

use bytes::Bytes;
use npanel_backup::{FORMAT, Manifest, Vouched, head, tail};
use npanel_model::{ControllerId, Timestamp};
use npanel_pki::{AuthorityError, ClusterSecrets, RecoveryPublicKey, SealError};
use npanel_state::StateCopy;
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use super::missing_key;
use crate::{agreement::Uncopied, http::Services};

/// Read so much at a time, and so many pieces ahead of whoever takes them.
const PIECE: usize = 256 * 1024;
const AHEAD: usize = 4;

/// The secrets change with a rotation, which is rare: a second look finds them settled.
const TRIES: usize = 5;

/// Why no backup was made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unmade {
    #[error(transparent)]
    Uncopied(#[from] Uncopied),
    #[error("the secrets cannot be sealed to the recovery key")]
    Seal(#[from] SealError),
    #[error("the authority cannot sign the backup")]
    Sign(#[from] AuthorityError),
    #[error("the cluster's secrets change all the time")]
    Restless,
    /// Of a rotation that this controller has not come to, or of one that it has missed.
    #[error(
        "this controller does not have the cluster key of version {version}, by which secrets in the state are sealed"
    )]
    NoKey { version: u64 },
    #[error("there is no state yet")]
    NoState,
}

/// The parts of a backup.
#[derive(Debug)]
pub(crate) struct Archive {
    manifest: Manifest,
    head: Vec<u8>,
    state: File,
    /// Held until it is written.
    _place: OwnedSemaphorePermit,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Archive {
    /// Copies the state, seals the secrets that go with it, and has the authority sign both.
    pub(crate) async fn make(
        services: &Services,
        key: RecoveryPublicKey,
        place: OwnedSemaphorePermit,
    ) -> Result<Self, Unmade> {
        for _ in 0..TRIES {
            let before = services.authorities.secrets();
            let copy = services.agreement.copy_state().await?;
            // What the state is sealed by must be what is in the backup.
            let secrets = services.authorities.secrets();
            if let Some(missing) = missing_key(&copy.standing, &secrets) {
                return Err(Unmade::NoKey { version: missing.version });
            }
            if before == secrets {
                let id = ControllerId(services.agreement.status().controller_id);
                return Self::of(copy, id, &secrets, key, place);
            }
        }
        Err(Unmade::Restless)
    }

    fn of(
        copy: StateCopy,
        controller_id: ControllerId,
        secrets: &ClusterSecrets,
        key: RecoveryPublicKey,
        place: OwnedSemaphorePermit,
    ) -> Result<Self, Unmade> {
        let at = copy.snapshot.applied.position.ok_or(Unmade::NoState)?;
        let now = Timestamp::now();
        let manifest = Manifest {
            format: FORMAT,
            cluster_id: copy.snapshot.cluster.clone(),
            epoch: copy.standing.epoch,
            term: at.term,
            index: at.index,
            feature_level: copy.standing.feature_level,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            controller_id,
            made_at: now,
            state_bytes: copy.snapshot.bytes,
            state_sha256: copy.snapshot.sha256_hex(),
            content_sha256: hex(&copy.content.hash),
            recovery_key: key.to_string(),
        };
        let bytes = manifest.to_bytes();
        let digest = Manifest::digest(&bytes);
        let sealed = key.seal(secrets, &digest)?;
        let authority = secrets.authority()?;
        let (certificate, signature) =
            (authority.certificate_pem(), authority.vouch_for_backup(&digest, &sealed)?);
        let vouched = Vouched {
            manifest: &bytes,
            secrets: &sealed,
            authority: certificate.as_bytes(),
            signature: &signature,
        };
        let seconds = u64::try_from(now.as_millis() / 1000).unwrap_or(0);
        let head = head(vouched, manifest.state_bytes, seconds);
        Ok(Self { manifest, head, state: copy.file, _place: place })
    }

    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// By which a backup is told from others; in the order of time.
    pub(crate) fn name(&self) -> String {
        let Manifest { cluster_id, index, made_at, .. } = &self.manifest;
        let time = made_at.to_string().replace([':', '-'], "");
        format!("npanel-{cluster_id}-{time}-{index}.tar")
    }

    pub(crate) fn length(&self) -> u64 {
        self.head.len() as u64 + self.manifest.state_bytes + tail(self.manifest.state_bytes).len() as u64
    }

    /// SHA-256 of all of it. Blocks.
    pub(crate) fn sha256(&mut self) -> io::Result<[u8; 32]> {
        let mut hasher = Sha256::new();
        self.each_piece(|piece| {
            hasher.update(&piece);
            true
        })?;
        Ok(hasher.finalize().into())
    }

    /// All of it, read as fast as it is taken. If the state's file cannot be read, the stream ends with an error.
    pub(crate) fn stream(mut self) -> ReceiverStream<io::Result<Bytes>> {
        let (pieces, taken) = mpsc::channel(AHEAD);
        tokio::task::spawn_blocking(move || {
            let read = self.each_piece(|piece| pieces.blocking_send(Ok(piece)).is_ok());
            if let Err(error) = read {
                tracing::error!(%error, "a backup cannot be read while it is sent");
                // Who has gone away does not need it.
                let _ = pieces.blocking_send(Err(error));
            }
        });
        ReceiverStream::new(taken)
    }

    /// Until `take` wants no more.
    fn each_piece(&mut self, mut take: impl FnMut(Bytes) -> bool) -> io::Result<()> {
        if !take(Bytes::from(self.head.clone())) {
            return Ok(());
        }
        self.state.rewind()?;
        let mut rest = self.manifest.state_bytes;
        while rest > 0 {
            let mut piece = vec![0; rest.min(PIECE as u64) as usize];
            self.state.read_exact(&mut piece)?;
            rest -= piece.len() as u64;
            if !take(Bytes::from(piece)) {
                return Ok(());
            }
        }
        take(Bytes::from(tail(self.manifest.state_bytes)));
        Ok(())
    }
}
