//! Which commands are let in. There is room for so many at once, shared fairly between credentials, on each controller for what it
//! is asked and on the leader for what is forwarded, too; whoever finds none is told so at once and is not made to wait. What is
//! let in is never dropped.
//!
//! A command has its place until it is decided, whether or not its caller still waits: so a leader that cannot decide anything
//! does not gather commands without end. When the log takes long, each key has a few at a time: what the others wait for is then
//! not made longer. The fleet's own commands are bounded by who makes them.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use npanel_model::{ApiKeyId, SessionId};
use npanel_proto::command::{Envelope, principal::Who};
use npanel_state::{Credential, Reader};
use prost::Message;
use tokio::{sync::Semaphore, time::Instant};
use tonic::{
    Status,
    metadata::{Ascii, MetadataValue},
};

use crate::shares::{Crowded, Place, Room, Shares, Standing, Usage};

/// Commands at once: with an ordinary disk, less than a second's work. A single key gets half of it.
const PROPOSALS: Room = Room { count: 4096, bytes: 64 * 1024 * 1024 };

/// Dry runs at once, those that wait included.
const FORESIGHTS: Room = Room { count: 256, bytes: 64 * 1024 * 1024 };

/// So many dry runs are tried at the same time. Each takes the state's writer for as long as the command itself would, and
/// real commands wait meanwhile.
const FORESIGHTS_AT_WORK: usize = 4;

/// The log takes long when what was written to it so long ago is not decided yet: a caller waits for 15 seconds.
const LONG: Duration = Duration::from_secs(8);

/// So many commands a key may have under way while the log takes long.
const FEW: usize = 16;

/// Why a command is not let in. Nothing of it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Overload {
    /// The key has too many under way.
    #[error("this API key has {0} commands under way, and others have to find a place, too")]
    Share(usize),
    /// All places are taken.
    #[error("the controllers have as many commands under way as they take")]
    Full,
    /// What is under way takes too long.
    #[error("the controllers take {} s for a command at the moment", .0.as_secs())]
    Slow(Duration),
}

impl From<Crowded> for Overload {
    fn from(crowded: Crowded) -> Self {
        match crowded {
            Crowded::Share(have) => Self::Share(have),
            Crowded::Full => Self::Full,
        }
    }
}

/// What a leader's refusal says in its metadata: which one, and its number.
const KIND: &str = "npanel-overload";
const NUMBER: &str = "npanel-overload-number";

impl Overload {
    /// As another controller hears it.
    pub(crate) fn status(self) -> Status {
        let (kind, number) = match self {
            Self::Share(have) => ("share", have as u64),
            Self::Full => ("full", 0),
            Self::Slow(waits) => ("slow", waits.as_secs()),
        };
        let mut status = Status::unavailable(self.to_string());
        status.metadata_mut().insert(KIND, MetadataValue::from_static(kind));
        status.metadata_mut().insert(NUMBER, MetadataValue::from(number));
        status
    }

    /// What another controller said.
    pub(crate) fn of(status: &Status) -> Option<Self> {
        let text = |key: &'static str| {
            status.metadata().get(key).and_then(|value: &MetadataValue<Ascii>| value.to_str().ok())
        };
        let number: u64 = text(NUMBER)?.parse().ok()?;
        match text(KIND)? {
            "share" => Some(Self::Share(usize::try_from(number).ok()?)),
            "full" => Some(Self::Full),
            "slow" => Some(Self::Slow(Duration::from_secs(number))),
            _ => None,
        }
    }

    /// When it is worth to ask again.
    pub fn retry_after(&self) -> Duration {
        match self {
            Self::Share(_) | Self::Full => Duration::from_secs(1),
            Self::Slow(waits) => (*waits / 2).clamp(Duration::from_secs(1), Duration::from_secs(30)),
        }
    }
}

/// A command's place, shared by all who are at work on it.
pub(crate) type Admitted = Option<Arc<Place<Credential>>>;

/// What was written to the log and is not decided yet.
#[derive(Debug, Default)]
struct UnderWay(Mutex<BTreeSet<(Instant, u64)>>);

/// Is in the log, as far as anyone knows, until it is dropped.
#[derive(Debug)]
pub(crate) struct Writing {
    under_way: Arc<UnderWay>,
    since: (Instant, u64),
    _place: Admitted,
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.under_way.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.since);
    }
}

/// How much is taken of each room.
#[derive(Debug, Clone, Copy)]
pub struct Admissions {
    /// Commands under way.
    pub proposals: Usage,
    /// Dry runs under way.
    pub foresights: Usage,
    /// How long the oldest that was written to the log, as the leader, has not been decided.
    pub oldest: Duration,
    /// How many were refused because that takes long.
    pub refused_slow: u64,
}

#[derive(Debug)]
pub(crate) struct Admission {
    proposals: Shares<Credential>,
    foresights: Shares<Credential>,
    /// Turns at the state's writer.
    pub(crate) foreseeing: Semaphore,
    under_way: Arc<UnderWay>,
    next: AtomicU64,
    refused_slow: AtomicU64,
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            proposals: Shares::new(PROPOSALS),
            foresights: Shares::new(FORESIGHTS),
            foreseeing: Semaphore::new(FORESIGHTS_AT_WORK),
            under_way: Arc::default(),
            next: AtomicU64::new(0),
            refused_slow: AtomicU64::new(0),
        }
    }
}

fn key(envelope: &Envelope) -> Option<Credential> {
    credential(envelope.principal.as_ref()?.who.as_ref()?)
}

/// What was shown by who asks. Users who are signing in have nothing yet: how many do so at once is bounded where they ask.
pub(crate) fn credential(who: &Who) -> Option<Credential> {
    match who {
        Who::ApiKeyId(id) => ApiKeyId::from_bytes(id).ok().map(Credential::ApiKey),
        Who::SessionId(id) => SessionId::from_bytes(id).ok().map(Credential::Session),
        Who::UserId(_) | Who::IdentityProviderId(_) => None,
        Who::NodeId(_) | Who::ControllerId(_) | Who::TokenId(_) => None,
    }
}

impl Admission {
    /// Lets a command in to be decided.
    pub(crate) async fn propose(&self, envelope: &Envelope, state: &Reader) -> Result<Admitted, Overload> {
        let Some(key) = key(envelope) else { return Ok(None) };
        let waits = self.waits();
        if waits > LONG && self.proposals.taken_by(&key) >= FEW {
            self.refused_slow.fetch_add(1, Ordering::Relaxed);
            return Err(Overload::Slow(waits));
        }
        enter(&self.proposals, key, envelope.encoded_len(), state).await
    }

    /// Lets a command in to be looked at.
    pub(crate) async fn foresee(&self, envelope: &Envelope, state: &Reader) -> Result<Admitted, Overload> {
        let Some(key) = key(envelope) else { return Ok(None) };
        enter(&self.foresights, key, envelope.encoded_len(), state).await
    }

    /// Notes that a command is written to the log now.
    pub(crate) fn writing(&self, place: Admitted) -> Writing {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let since = (Instant::now(), number);
        self.under_way.0.lock().unwrap_or_else(PoisonError::into_inner).insert(since);
        Writing { under_way: Arc::clone(&self.under_way), since, _place: place }
    }

    /// How long the oldest that was written to the log has waited.
    fn waits(&self) -> Duration {
        let under_way = self.under_way.0.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.first().map_or(Duration::ZERO, |(since, _)| since.elapsed())
    }

    pub(crate) fn usage(&self) -> Admissions {
        Admissions {
            proposals: self.proposals.usage(),
            foresights: self.foresights.usage(),
            oldest: self.waits(),
            refused_slow: self.refused_slow.load(Ordering::Relaxed),
        }
    }
}

/// Administrators find a place also when others have taken them all. Who is one is only asked then.
async fn enter(
    room: &Shares<Credential>,
    key: Credential,
    bytes: usize,
    state: &Reader,
) -> Result<Admitted, Overload> {
    let crowded = match room.enter(key, bytes, Standing::Ordinary) {
        Ok(place) => return Ok(Some(Arc::new(place))),
        Err(crowded) => crowded,
    };
    let is_platforms =
        state.access(key).await.ok().flatten().is_some_and(|access| access.allowance.is_platform);
    if is_platforms && let Ok(place) = room.enter(key, bytes, Standing::Reserved) {
        return Ok(Some(Arc::new(place)));
    }
    room.refused(crowded);
    Err(crowded.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_leader_says_is_heard_as_it_was_meant() {
        for overload in [Overload::Share(17), Overload::Full, Overload::Slow(Duration::from_secs(9))] {
            assert_eq!(Overload::of(&overload.status()), Some(overload));
        }
        assert_eq!(Overload::of(&Status::unavailable("gone")), None);
    }

    #[tokio::test]
    async fn a_key_has_few_commands_under_way_while_the_log_takes_long() {
        let directory = tempfile::tempdir().expect("a directory");
        let state = npanel_state::Store::open(directory.path()).await.expect("a store").reader().clone();
        tokio::time::pause();
        let admission = Admission::default();
        let of = |key: ApiKeyId| Envelope {
            principal: Some(npanel_proto::command::Principal { who: Some(Who::ApiKeyId(key.to_bytes())) }),
            ..Envelope::default()
        };
        let (one, other) = (ApiKeyId::generate(), ApiKeyId::generate());
        let mut places = Vec::new();
        for _ in 0..FEW {
            places.push(admission.propose(&of(one), &state).await.expect("a place"));
        }
        let writing = admission.writing(places[0].clone());
        tokio::time::advance(LONG + Duration::from_secs(1)).await;
        let refused = admission.propose(&of(one), &state).await.expect_err("it takes long");
        assert!(matches!(refused, Overload::Slow(_)), "{refused}");
        admission.propose(&of(other), &state).await.expect("another has its few");
        drop(writing);
        admission.propose(&of(one), &state).await.expect("it was decided");
        assert_eq!(admission.usage().refused_slow, 1);
    }
}
