//! Which commits a follower is told of, and when.
//!
//! Only those that are on this leader's disk, too: the library counts its entries before they are. And those that come with nothing
//! else wait for the next entries, which tell of them as well: the library sends one message at a time to a follower, so each such
//! word would hold up the entries behind it, and cost every controller a call. If no entries come, the word follows by itself.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use npanel_model::ControllerId;
use npanel_proto::controller::RaftMessage;
use openraft::raft::AppendEntriesRequest;
use tokio::time::{Instant, sleep_until, timeout};
use tonic::{Request, Response, Status};

use crate::{
    belonging::Belonging,
    encoding::to_bytes,
    lines::Lines,
    log::Synced,
    types::{LogId, Types, Vote},
};

type Append = AppendEntriesRequest<Types>;

/// How long a word that tells nothing but a commit waits for this leader's disk.
const DISK_PATIENCE: Duration = Duration::from_millis(50);

/// How long it waits for entries that tell it, too. Whoever reads from the follower what was just written waits as long.
const ENTRIES_PATIENCE: Duration = Duration::from_millis(2);

/// The follower has answered so lately that the library may take it for having done so now. A tenth of a heartbeat: the age of a
/// leader's majority is that much older than it says.
const LATELY: Duration = Duration::from_millis(20);

/// How long a follower may take to answer a word that nobody waits for.
const ANSWER_PATIENCE: Duration = Duration::from_millis(200);

/// Where a follower is, for words that are not the library's to wait for.
pub(crate) struct Follower {
    pub(crate) id: ControllerId,
    pub(crate) address: String,
    pub(crate) lines: Arc<Lines>,
    pub(crate) belonging: Arc<Belonging>,
}

impl Follower {
    /// Says a word to it, by a line that others use, too.
    pub(crate) async fn say(&self, request: Request<RaftMessage>) -> Result<Response<RaftMessage>, Status> {
        let mut call = self.lines.call(self.id, &self.address);
        let answer = call.client().append_entries(request).await;
        call.ended(&answer);
        answer
    }
}

/// What one follower was told.
pub(crate) struct Commits {
    follower: Arc<Follower>,
    synced: Synced,
    /// The last commit that it was told of.
    told: Option<LogId>,
    answered: Option<Answered>,
    waiting: Arc<Waiting>,
}

/// The last message that it agreed to.
struct Answered {
    vote: Vote,
    /// It has the log up to here.
    upto: Option<LogId>,
    /// When that was sent.
    at: Instant,
}

/// The word that waits.
#[derive(Default)]
struct Waiting(Mutex<Held>);

#[derive(Default)]
struct Held {
    word: Option<(Instant, Append)>,
    /// Whether somebody is to say it.
    is_attended: bool,
}

impl Waiting {
    /// Every change is whole in itself, so a panic elsewhere harms nothing.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// In the place of what waits. Whether somebody has to be found who says it.
    #[must_use]
    fn put(&self, word: Append) -> bool {
        let mut held = self.held();
        held.word = Some((Instant::now() + ENTRIES_PATIENCE, word));
        !std::mem::replace(&mut held.is_attended, true)
    }

    fn forget(&self) {
        self.held().word = None;
    }

    /// Returns what waits once its time has come; `None` once nothing does, after which nobody attends.
    async fn due(&self) -> Option<Append> {
        loop {
            let due = {
                let mut held = self.held();
                let due = held.word.as_ref().map(|(due, _)| *due);
                held.is_attended = due.is_some();
                due?
            };
            sleep_until(due).await;
            // Another may have taken its place meanwhile.
            let word = self.held().word.take_if(|(due, _)| *due <= Instant::now());
            if let Some((_, word)) = word {
                return Some(word);
            }
        }
    }
}

impl Commits {
    pub(crate) fn new(follower: Arc<Follower>, synced: Synced) -> Self {
        Self { follower, synced, told: None, answered: None, waiting: Arc::default() }
    }

    /// Takes a message that tells nothing but a commit, to a follower that has just said what it would say again. Whether it did.
    pub(crate) fn take(&mut self, message: &Append) -> bool {
        let tells_commit = message.entries.is_empty() && message.leader_commit > self.told;
        let is_known = self.answered.as_ref().is_some_and(|answered| {
            answered.vote == message.vote
                && answered.upto == message.prev_log_id
                && answered.at.elapsed() < LATELY
        });
        if !tells_commit || !is_known {
            return false;
        }
        let word = AppendEntriesRequest {
            vote: message.vote,
            prev_log_id: message.prev_log_id,
            entries: Vec::new(),
            leader_commit: message.leader_commit,
        };
        if self.waiting.put(word) {
            let (waiting, follower) = (Arc::clone(&self.waiting), Arc::clone(&self.follower));
            tokio::spawn(attend(waiting, follower, self.synced.clone()));
        }
        true
    }

    /// Before a message goes out: leaves in it the commit that the follower may know.
    pub(crate) async fn limit(&mut self, message: &mut Append) {
        let Some(commit) = message.leader_commit else { return };
        if message.entries.is_empty() {
            // Nothing else is told: it may as well wait, for less than a heartbeat.
            let _ = timeout(DISK_PATIENCE, self.synced.reaches(commit.index)).await;
        }
        if self.synced.upto() >= commit.index {
            self.told = Some(commit);
            self.waiting.forget();
        }
        message.leader_commit = self.told;
    }

    /// The follower agreed to a message that was sent then.
    pub(crate) fn agreed(&mut self, vote: Vote, upto: Option<LogId>, at: Instant) {
        self.answered = Some(Answered { vote, upto, at });
    }
}

/// Says what waits, until nothing does.
async fn attend(waiting: Arc<Waiting>, follower: Arc<Follower>, synced: Synced) {
    while let Some(word) = waiting.due().await {
        tell(&follower, &synced, &word).await;
    }
}

async fn tell(follower: &Follower, synced: &Synced, word: &Append) {
    let Some(commit) = word.leader_commit else { return };
    let _ = timeout(DISK_PATIENCE, synced.reaches(commit.index)).await;
    if synced.upto() < commit.index {
        // The next heartbeat tells it, if the disk has come so far.
        return;
    }
    let mut request = Request::new(RaftMessage { payload: to_bytes(word), data: Vec::new() });
    request.set_timeout(ANSWER_PATIENCE);
    // Whatever it answers, it answers the next heartbeat as well.
    match timeout(ANSWER_PATIENCE, follower.say(request)).await {
        Ok(Ok(_)) => {}
        Ok(Err(status)) => follower.belonging.note(&status),
        Err(_) => tracing::debug!(controller = %follower.id, "a commit was told in vain"),
    }
}

#[cfg(test)]
mod tests {
    use openraft::CommittedLeaderId;
    use tokio::{
        sync::watch,
        time::{advance, timeout},
    };
    use tonic::transport::{Channel, Endpoint};

    use super::*;
    use crate::config::Dial;

    struct Nowhere;

    impl Dial for Nowhere {
        fn channel(&self, _: ControllerId, _: &str) -> Channel {
            Endpoint::from_static("http://controller.invalid").connect_lazy()
        }
    }

    fn at(index: u64) -> LogId {
        LogId::new(CommittedLeaderId::new(1, 1), index)
    }

    /// To a follower that has the log up to 7.
    fn tells(commit: u64) -> Append {
        AppendEntriesRequest {
            vote: Vote::new_committed(1, 1),
            prev_log_id: Some(at(7)),
            entries: Vec::new(),
            leader_commit: Some(at(commit)),
        }
    }

    fn commits(synced: Synced) -> Commits {
        let (id, lines, belonging) = (ControllerId(2), Lines::new(Arc::new(Nowhere)), Belonging::new());
        Commits::new(Arc::new(Follower { id, address: String::new(), lines, belonging }), synced)
    }

    /// The commit that goes out with a message that is not held back.
    async fn sent(commits: &mut Commits, mut message: Append) -> Option<u64> {
        assert!(!commits.take(&message));
        commits.limit(&mut message).await;
        commits.agreed(message.vote, message.prev_log_id, Instant::now());
        message.leader_commit.map(|id| id.index)
    }

    fn waits(commits: &Commits) -> Option<u64> {
        commits.waiting.held().word.as_ref().and_then(|(_, word)| word.leader_commit).map(|id| id.index)
    }

    #[tokio::test(start_paused = true)]
    async fn followers_are_not_told_of_a_commit_before_it_is_on_the_leaders_disk() {
        let disk = watch::Sender::new(Ok(4));
        let mut commits = commits(Synced::told_by(&disk));
        assert_eq!(sent(&mut commits, tells(5)).await, None);
        advance(LATELY).await;
        assert_eq!(sent(&mut commits, tells(3)).await, Some(3));
        advance(LATELY).await;
        assert_eq!(sent(&mut commits, tells(5)).await, Some(3));
        drop(disk.send_replace(Ok(5)));
        advance(LATELY).await;
        assert_eq!(sent(&mut commits, tells(5)).await, Some(5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_commit_waits_for_the_next_entries_only_where_the_follower_has_just_agreed_to_all_else() {
        let mut commits = commits(Synced::everything());
        assert_eq!(sent(&mut commits, tells(3)).await, Some(3));
        assert!(
            !commits.take(&tells(3)),
            "a heartbeat tells of no new commit: the follower's answer is the point"
        );
        assert!(!commits.take(&Append { prev_log_id: Some(at(8)), ..tells(4) }));
        assert!(!commits.take(&Append { vote: Vote::new_committed(2, 1), ..tells(4) }));
        assert!(commits.take(&tells(4)));
        assert!(commits.take(&tells(5)));
        assert_eq!(waits(&commits), Some(5));
        advance(LATELY).await;
        assert!(!commits.take(&tells(6)), "nobody knows whether the follower is still there");
        assert_eq!(sent(&mut commits, tells(6)).await, Some(6));
        assert_eq!(waits(&commits), None, "it was told");
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_is_due_by_itself_and_only_the_last() {
        let waiting = Waiting::default();
        assert!(waiting.put(tells(4)), "nobody attends");
        advance(ENTRIES_PATIENCE / 2).await;
        assert!(!waiting.put(tells(5)));
        let early = timeout(ENTRIES_PATIENCE - Duration::from_millis(1), waiting.due()).await;
        assert!(early.is_err(), "{early:?}");
        let due = waiting.due().await.expect("a word");
        assert_eq!(due.leader_commit, Some(at(5)));
        assert!(waiting.due().await.is_none());
        assert!(waiting.put(tells(6)), "nobody attends any more");
    }
}
