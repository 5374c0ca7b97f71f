//! The way of a write: to the leader, whoever that is, and back once this replica shows its effect.

use std::{sync::Arc, time::Duration};

use npanel_model::{ControllerId, RequestId};
use npanel_proto::{
    command::{Envelope, Outcome, Refused, envelope::Command, outcome, principal},
    controller::{Answer, ProposeRequest, Question},
};
use npanel_state::RefusalCode;
use tokio::time::{Instant, timeout_at};
use tonic::Code;

use crate::{
    admission::{Admitted, Overload},
    applying::Stopped,
    cluster::Cluster,
    config::Purpose,
    quorum::Judged,
    reading,
    writing::Written,
};

/// How long a write is tried: an election after a leader's death takes up to 3 s, and on a machine under load
/// may need a second round.
const WRITE_DEADLINE: Duration = Duration::from_secs(15);

/// How long to wait before asking again who leads, when nothing said that it changed.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// How often nodes are chosen for one command. A second choice sees why the first was refused; more are only needed
/// when many commands want the last places at once.
const PLACINGS: usize = 5;

/// How long the leader is asked: longer than it waits for nodes to turn up.
const ASK_DEADLINE: Duration = Duration::from_secs(8);

/// A command that was not decided.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProposeError {
    /// No leader was found in time. The command may still be decided later if it had been sent before.
    #[error("the cluster has no leader at the moment")]
    NoLeader,
    /// The leader's disk is full. The command was not begun.
    #[error("the disk of the controller that leads is full")]
    DiskFull,
    /// There is too much under way. The command was not begun.
    #[error(transparent)]
    Overloaded(#[from] Overload),
    /// This replica has stopped.
    #[error("this controller has stopped taking part in the cluster")]
    Stopped,
}

/// A read that could not be made linearizable.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the cluster has no leader at the moment")]
pub struct ReadError;

/// One try.
enum Try {
    Decided(Outcome),
    /// Not decided as far as known; the leader may have changed.
    Again,
    Full,
    Overloaded(Overload),
    Stopped,
}

impl Cluster {
    /// Has the command decided, wherever the leader is, and returns once this replica has applied it. Tries
    /// again when the leader is lost; a command of a caller is then still carried out once, because it carries
    /// an idempotency key (the caller's, or one made of its request id).
    ///
    /// A refusal is an `Ok`: see the outcome.
    ///
    /// # Errors
    /// If no leader decided it in time.
    pub async fn propose(&self, mut envelope: Envelope) -> Result<Outcome, ProposeError> {
        make_repeatable(&mut envelope);
        if let Err(too_low) = self.require_level(&mut envelope).await {
            return Ok(self.refused_here(too_low));
        }
        let place = self.admission().propose(&envelope, self.state()).await?;
        let deadline = Instant::now() + WRITE_DEADLINE;
        let mut is_first = true;
        loop {
            let attempt = timeout_at(deadline, self.try_leader(&envelope, &place, deadline));
            match attempt.await.unwrap_or(Try::Again) {
                Try::Decided(outcome) => {
                    self.wait_applied(outcome.index, deadline).await?;
                    return Ok(outcome);
                }
                Try::Full => return Err(ProposeError::DiskFull),
                Try::Overloaded(overload) if is_first => return Err(overload.into()),
                Try::Stopped => return Err(ProposeError::Stopped),
                Try::Again | Try::Overloaded(_) if Instant::now() >= deadline => {
                    return Err(ProposeError::NoLeader);
                }
                // A leader before may have it in its log: that nothing was done can no longer be said.
                Try::Again | Try::Overloaded(_) => self.wait_for_other_leader(deadline).await,
            }
            is_first = false;
        }
    }

    /// Asks the leader; gives up on it as soon as another is known, for a leader that was cut off never answers.
    async fn try_leader(&self, envelope: &Envelope, place: &Admitted, deadline: Instant) -> Try {
        let mut leader = self.known_leader();
        let asked = *leader.borrow_and_update();
        let replaced = leader.wait_for(|now| now.is_some() && *now != asked);
        tokio::select! {
            answer = self.try_once(envelope, place, deadline) => answer,
            _ = replaced, if asked.is_some() => Try::Again,
        }
    }

    async fn try_once(&self, envelope: &Envelope, place: &Admitted, deadline: Instant) -> Try {
        let (own, leader, address) = {
            let metrics = self.raft().metrics();
            let now = metrics.borrow();
            if now.running_state.is_err() {
                return Try::Stopped;
            }
            let address =
                now.current_leader.and_then(|id| now.membership_config.membership().get_node(&id).cloned());
            (now.id, now.current_leader, address)
        };
        match (leader, address) {
            (Some(leader), _) if leader == own => self.propose_here(envelope.clone(), place).await,
            (Some(leader), Some(node)) => {
                let mut call = self.lines().call(ControllerId(leader), &node.addr);
                let mut request = tonic::Request::new(ProposeRequest { envelope: Some(envelope.clone()) });
                request.set_timeout(deadline.saturating_duration_since(Instant::now()));
                let answer = call.client().propose(request).await;
                call.ended(&answer);
                match answer {
                    Ok(answer) => answer.into_inner().outcome.map_or(Try::Again, Try::Decided),
                    Err(status) if status.code() == DISK_FULL => Try::Full,
                    Err(status) => Overload::of(&status).map_or_else(
                        || {
                            tracing::debug!(code = ?status.code(), leader, "the leader did not decide a command");
                            Try::Again
                        },
                        Try::Overloaded,
                    ),
                }
            }
            _ => Try::Again,
        }
    }

    /// Prepares and proposes, as the leader; anew when the rules refuse the nodes that were chosen, for what was
    /// known when they were chosen may be over when the command's turn has come.
    async fn propose_here(&self, mut envelope: Envelope, place: &Admitted) -> Try {
        if self.room().is_short() {
            return Try::Full;
        }
        let _alone = match envelope.command {
            // One at a time: two that could each be done without may not both be.
            Some(Command::RemoveController(_)) => Some(self.removing().lock().await),
            _ => None,
        };
        match self.judge(&envelope).await {
            Judged::Passes => {}
            Judged::Refused(refused) => return Try::Decided(self.refused_here(refused)),
            Judged::NotLeader => return Try::Again,
        }
        for _ in 1..PLACINGS {
            let (tried, is_prepared, tried_with) = self.prepare_and_write(envelope, place).await;
            match &tried {
                Try::Decided(outcome) if is_prepared && lacks_node(outcome) => {
                    tracing::info!(
                        index = outcome.index,
                        "the rules refuse the nodes chosen; choosing again"
                    );
                    envelope = Arc::unwrap_or_clone(tried_with);
                }
                _ => return tried,
            }
        }
        self.prepare_and_write(envelope, place).await.0
    }

    /// One try, whether the command could be prepared, and what was written.
    async fn prepare_and_write(
        &self,
        mut envelope: Envelope,
        place: &Admitted,
    ) -> (Try, bool, Arc<Envelope>) {
        envelope.time_millis = self.clock().stamp().await.as_millis();
        // A command that cannot be prepared is proposed all the same: it may have been carried out before, and
        // is then answered again; or the rules refuse it for what is wrong with it.
        let unprepared = self.prepare(&mut envelope, Purpose::Propose).await.err();
        let is_prepared = unprepared.is_none();
        // Preparing may have filled in what is newer than what was asked.
        if let Err(too_low) = self.require_level(&mut envelope).await {
            self.settled(&envelope);
            return (Try::Decided(self.refused_here(too_low)), is_prepared, Arc::new(envelope));
        }
        envelope.feature_level = self.level();
        let envelope = Arc::new(envelope);
        let written = self.write(Arc::clone(&envelope), place.clone()).await;
        let tried = match written {
            Written::Decided(outcome) => Try::Decided(explained(outcome, unprepared)),
            Written::NotLeader => Try::Again,
            Written::Failed(error) => {
                tracing::error!(%error, "a command could not be written");
                Try::Stopped
            }
        };
        self.settled(&envelope);
        (tried, is_prepared, envelope)
    }

    /// Has the leader answer what only it knows, wherever it is.
    ///
    /// # Errors
    /// If no leader answered in time.
    pub async fn ask(&self, question: Question) -> Result<Answer, ReadError> {
        let deadline = Instant::now() + ASK_DEADLINE;
        loop {
            match timeout_at(deadline, self.ask_once(question.clone(), deadline)).await {
                Ok(Some(answer)) => return Ok(answer),
                _ if Instant::now() >= deadline => return Err(ReadError),
                _ => self.wait_for_other_leader(deadline).await,
            }
        }
    }

    async fn ask_once(&self, question: Question, deadline: Instant) -> Option<Answer> {
        let (own, leader, address) = {
            let metrics = self.raft().metrics();
            let now = metrics.borrow();
            let address =
                now.current_leader.and_then(|id| now.membership_config.membership().get_node(&id).cloned());
            (now.id, now.current_leader?, address)
        };
        if leader == own {
            return Some(self.answer(question).await);
        }
        let mut call = self.lines().call(ControllerId(leader), &address?.addr);
        let mut request = tonic::Request::new(question);
        request.set_timeout(deadline.saturating_duration_since(Instant::now()));
        let answer = call.client().ask(request).await;
        call.ended(&answer);
        answer.ok().map(tonic::Response::into_inner)
    }

    /// For a follower's question: answered here, or not at all.
    pub(crate) async fn answer_as_leader(&self, question: Question) -> Option<Answer> {
        let leads = {
            let metrics = self.raft().metrics();
            let now = metrics.borrow();
            now.current_leader == Some(now.id)
        };
        if leads { Some(self.answer(question).await) } else { None }
    }

    /// For a follower's command: decided here, or not at all.
    pub(crate) async fn propose_as_leader(&self, envelope: Envelope) -> Result<Option<Outcome>, Overload> {
        if self.is_newer(&envelope) {
            return Ok(None);
        }
        let place = self.admission().propose(&envelope, self.state()).await?;
        match self.propose_here(envelope, &place).await {
            Try::Decided(outcome) => Ok(Some(outcome)),
            Try::Overloaded(overload) => Err(overload),
            Try::Again | Try::Full | Try::Stopped => Ok(None),
        }
    }

    /// Decided without the log.
    fn refused_here(&self, refused: Refused) -> Outcome {
        Outcome { outcome: Some(outcome::Outcome::Refused(refused)), index: *self.applied().borrow() }
    }

    pub(crate) async fn wait_for_other_leader(&self, deadline: Instant) {
        let mut leadership = self.leadership();
        leadership.mark_unchanged();
        let until = deadline.min(Instant::now() + ASK_AGAIN);
        // Whether it changed or the time is over: look again.
        let _ = timeout_at(until, leadership.changed()).await;
    }

    async fn wait_applied(&self, index: u64, deadline: Instant) -> Result<(), ProposeError> {
        match timeout_at(deadline, self.applying().until(index)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Stopped)) => Err(ProposeError::Stopped),
            Err(_) => Err(ProposeError::NoLeader),
        }
    }

    /// Returns once this replica shows everything that was decided before the call.
    ///
    /// # Errors
    /// If no leader confirmed in time.
    pub async fn linearize(&self) -> Result<(), ReadError> {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let index = timeout_at(deadline, self.rounds().index()).await.map_err(|_| ReadError)?;
            match index {
                Some(index) => return self.wait_applied(index, deadline).await.map_err(|_| ReadError),
                None if Instant::now() >= deadline => return Err(ReadError),
                None => self.wait_for_other_leader(deadline).await,
            }
        }
    }

    /// The index that a linearizable read must have seen, confirmed by a majority. `None`: not the leader.
    pub(crate) async fn read_index(&self) -> Option<u64> {
        reading::confirmed(self.raft()).await
    }
}

fn lacks_node(outcome: &Outcome) -> bool {
    matches!(&outcome.outcome,
        Some(outcome::Outcome::Refused(refused)) if refused.code == RefusalCode::NoNode.as_str())
}

/// Where the rules miss what the preparation could not find, its refusal says why.
fn explained(outcome: Outcome, unprepared: Option<Refused>) -> Outcome {
    match (&outcome.outcome, unprepared) {
        (Some(outcome::Outcome::Refused(by_rules)), Some(refused)) if is_for_want_of_a_node(by_rules) => {
            Outcome { outcome: Some(outcome::Outcome::Refused(refused)), ..outcome }
        }
        _ => outcome,
    }
}

pub(crate) fn is_for_want_of_a_node(by_rules: &Refused) -> bool {
    by_rules.code == RefusalCode::NoNode.as_str()
}

/// A caller's command without an idempotency key gets one of its own, so that a try whose answer was lost is
/// not carried out twice. What controllers say of themselves is repeatable as it is.
fn make_repeatable(envelope: &mut Envelope) {
    let by_caller =
        envelope.principal.as_ref().and_then(|principal| principal.who.as_ref()).is_some_and(|who| {
            matches!(
                who,
                principal::Who::ApiKeyId(_)
                    | principal::Who::SessionId(_)
                    | principal::Who::UserId(_)
                    | principal::Who::IdentityProviderId(_)
                    | principal::Who::TokenId(_)
            )
        });
    if envelope.request_id.is_empty() {
        envelope.request_id = RequestId::generate().to_bytes();
    }
    if by_caller
        && envelope.idempotency_key.is_empty()
        && let Ok(id) = RequestId::from_bytes(&envelope.request_id)
    {
        envelope.idempotency_key = format!("request/{id}");
    }
}

/// Whether another controller's refusal to decide means "not the leader".
pub(crate) const NOT_LEADER: Code = Code::FailedPrecondition;

/// Another controller's refusal to decide when its disk is full.
pub(crate) const DISK_FULL: Code = Code::ResourceExhausted;
