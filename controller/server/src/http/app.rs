//! What the routes share.

use std::{future::Future, net::IpAddr, ops::Deref, sync::Arc, time::Duration};

use npanel_cloud::Outgoing;
use npanel_model::{DeviceLoginId, LoginName, NodeId, OperationId, TenantId, Timestamp, UserId};
use npanel_pki::{DataKey, SealError};
use npanel_proto::{
    command::{Accepted, Envelope, Outcome, Refused, envelope::Command, outcome},
    controller::foresee_response::Foresight,
};
use npanel_state::{QueryError, Reader, RefusalCode, StoredDataKey};
use tokio::sync::Semaphore;

use super::{
    admission::Requests,
    asked::Asked,
    client_address::TrustedProxies,
    listening::Listeners,
    placements,
    preview::{self, Ended},
    problem::{Failure, Kind},
    public_address::PublicAddress,
};
use crate::{
    agreement::{Agreement, Unproposed},
    auth::Passwords,
    authorities::Authorities,
    backup::BackupStore,
    rates::{Guesses, Rates},
    telemetry::Metrics,
};

/// So many exports are made at once: what they take of a processor is missing elsewhere.
const EXPORTS_AT_ONCE: usize = 2;

/// Whether this controller reaches a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodePresence {
    /// It has not been connected since this controller started.
    NeverSeen,
    /// It is connected.
    Connected {
        /// Since when.
        since: Timestamp,
    },
    /// It was connected.
    Lost {
        /// Since when it is not.
        since: Timestamp,
    },
}

/// Who of the nodes is connected to this controller.
pub trait Presence: Send + Sync + 'static {
    /// Whether the node is.
    fn of(&self, node: NodeId) -> NodePresence;
}

/// What the API is made of.
#[derive(Clone)]
pub struct Services {
    /// The replicated state.
    pub agreement: Arc<dyn Agreement>,
    /// Which nodes are connected.
    pub presence: Arc<dyn Presence>,
    /// The authorities (the pin of the one that issues is part of bootstrap tokens), and the cluster keys, which open the
    /// tenants' data keys.
    pub authorities: Authorities,
    /// The bucket for backups, if there is one.
    pub backups: Option<BackupStore>,
    /// Where requests are counted.
    pub metrics: Metrics,
    /// How many requests may be at work.
    pub requests: Requests,
    /// Who has asked how often.
    pub rates: Rates,
    /// Who is believed that says for whom it asks.
    pub proxies: TrustedProxies,
    /// The way out, to identity providers.
    pub outgoing: Outgoing,
    /// Where browsers reach this controller.
    pub public_address: PublicAddress,
}

/// [`Services`], shared.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

struct Shared {
    services: Services,
    listeners: Listeners,
    backup_place: Arc<Semaphore>,
    export_places: Arc<Semaphore>,
    passwords: Passwords,
    guesses: Guesses,
}

impl Deref for App {
    type Target = Services;
    fn deref(&self) -> &Services {
        &self.0.services
    }
}

/// A write that was accepted.
#[derive(Debug)]
pub(crate) struct Written {
    accepted: Accepted,
    /// From here on the state shows it.
    pub(crate) index: u64,
}

impl Deref for Written {
    type Target = Accepted;
    fn deref(&self) -> &Accepted {
        &self.accepted
    }
}

impl App {
    pub(crate) fn new(services: Services) -> Self {
        Self(Arc::new(Shared {
            services,
            listeners: Listeners::default(),
            backup_place: Arc::new(Semaphore::new(1)),
            export_places: Arc::new(Semaphore::new(EXPORTS_AT_ONCE)),
            passwords: Passwords::default(),
            guesses: Guesses::default(),
        }))
    }

    pub(super) fn listeners(&self) -> &Listeners {
        &self.0.listeners
    }

    /// Held by the one backup that is made at a time: its copy takes as much of the disk as the state.
    pub(super) fn backup_place(&self) -> Arc<Semaphore> {
        Arc::clone(&self.0.backup_place)
    }

    /// Held by each export that is made: beside it, the write-ahead log is not begun anew.
    pub(super) fn export_places(&self) -> Arc<Semaphore> {
        Arc::clone(&self.0.export_places)
    }

    /// Where passwords are hashed.
    pub(crate) fn passwords(&self) -> &Passwords {
        &self.0.passwords
    }

    /// Counts a try to show a password or a code as this user.
    pub(crate) async fn count_guess(
        &self,
        login: &LoginName,
        from: Option<IpAddr>,
        user: Option<UserId>,
    ) -> Result<(), Failure> {
        // A request that came over no socket is a test's.
        let Some(from) = from else { return Ok(()) };
        let is_known = match user {
            Some(user) => self.reader().was_signed_in_from(user, &from.to_string()).await?,
            None => false,
        };
        self.0.guesses.count(login, from, is_known).map_err(Failure::too_many_guesses)
    }

    /// Counts a look for what waits under a code that somebody has typed.
    pub(crate) fn count_code(&self, from: Option<IpAddr>) -> Result<(), Failure> {
        from.map_or(Ok(()), |from| self.0.guesses.count_code(from)).map_err(Failure::too_many_guesses)
    }

    /// Counts a program that begins to wait for somebody to confirm its sign-in.
    pub(crate) fn count_begun(&self, from: Option<IpAddr>) -> Result<(), Failure> {
        from.map_or(Ok(()), |from| self.0.guesses.count_begun(from)).map_err(Failure::too_many_guesses)
    }

    /// Whether a program that waits asks no more often than it was told to.
    pub(crate) fn may_poll(&self, login: DeviceLoginId) -> bool {
        self.0.guesses.may_poll(login)
    }

    /// Counts a credential that is not good, or that the leader is to be asked about.
    pub(crate) fn count_failure(&self, from: Option<IpAddr>) -> Result<(), Failure> {
        from.map_or(Ok(()), |from| self.rates.of_failure(from)).map_err(Failure::failed_too_often)
    }

    pub(crate) fn reader(&self) -> &Reader {
        self.agreement.reader()
    }

    /// Has a command agreed on. A refusal is a failure here, and a dry run ends here.
    pub(crate) async fn propose(
        &self,
        asked: &Asked,
        body: &[u8],
        command: Command,
    ) -> Result<Written, Ended> {
        if asked.dry_run {
            return Err(self.foresee(asked, body, command).await?);
        }
        let envelope = asked.envelope(&self.authorities.keys().digests(), body, command);
        Ok(self.decided(envelope, |refused| placements::refusal(&asked.caller, refused).into()).await?)
    }

    /// Has a command agreed on whose principal has shown something else than a credential, or shows it otherwise.
    pub(crate) async fn propose_envelope(&self, envelope: Envelope) -> Result<Written, Failure> {
        self.decided(envelope, Failure::from).await
    }

    async fn decided(
        &self,
        envelope: Envelope,
        refusal: impl FnOnce(Refused) -> Failure,
    ) -> Result<Written, Failure> {
        let Outcome { index, outcome } = self.agreement.propose(envelope).await?;
        match outcome {
            Some(outcome::Outcome::Accepted(accepted)) => Ok(Written { accepted, index }),
            Some(outcome::Outcome::Refused(refused)) => Err(refusal(refused)),
            None => Err(Unproposed::Stopped("the outcome is empty".to_owned()).into()),
        }
    }

    /// The same where making the command takes a look at what is there. If that fails, the request may be one that was
    /// accepted before: what it was about has gone since.
    pub(crate) async fn propose_if_made(
        &self,
        asked: &Asked,
        body: &[u8],
        command: Result<Command, Failure>,
    ) -> Result<Written, Ended> {
        match command {
            Ok(command) => self.propose(asked, body, command).await,
            Err(failure) => match self.earlier(asked, body).await? {
                Some(written) => Ok(written),
                None => Err(failure.into()),
            },
        }
    }

    async fn earlier(&self, asked: &Asked, body: &[u8]) -> Result<Option<Written>, Failure> {
        if asked.dry_run {
            return Ok(None);
        }
        let read = || self.reader().earlier(asked.caller.tenant_id, &asked.idempotency_key);
        let Some(found) = self.look_twice(read).await? else { return Ok(None) };
        let index = self.reader().applied_index();
        if !found.is(&asked.digest(&self.authorities.keys().digests(), body)) {
            return Err(Failure::new(
                Kind::Refused(RefusalCode::IdempotencyKeyReused),
                "this idempotency key was used with another request",
            ));
        }
        Ok(Some(Written { accepted: found.accepted, index }))
    }

    async fn foresee(&self, asked: &Asked, body: &[u8], command: Command) -> Result<Ended, Failure> {
        match self
            .agreement
            .foresee(asked.envelope(&self.authorities.keys().digests(), body, command))
            .await?
            .foresight
        {
            Some(Foresight::Foreseen(foreseen)) => {
                Ok(Ended::Previewed(Box::new(preview::shown(self, &asked.caller, foreseen).await?)))
            }
            Some(Foresight::Refused(refused)) => Err(placements::refusal(&asked.caller, refused).into()),
            None => Err(Unproposed::Stopped("the foresight is empty".to_owned()).into()),
        }
    }

    /// What a read is to show. How much this controller must have applied for it was seen to before: a read waits for what it
    /// is to show at least, and a write for its own effect.
    pub(crate) async fn find<T, F>(&self, what: &str, read: impl FnOnce() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<Option<T>, QueryError>>,
    {
        read().await?.ok_or_else(|| Failure::not_found(what))
    }

    /// What a write rests on: whatever one controller acknowledged is found on every other.
    pub(crate) async fn find_for_write<T, F>(&self, what: &str, read: impl Fn() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<Option<T>, QueryError>>,
    {
        self.look_twice(read).await?.ok_or_else(|| Failure::not_found(what))
    }

    /// Looks; if there is nothing, once more when this controller has all that was acknowledged. Who cannot find out does not
    /// say that there is nothing.
    pub(crate) async fn look_twice<T, F>(&self, read: impl Fn() -> F) -> Result<Option<T>, Failure>
    where
        F: Future<Output = Result<Option<T>, QueryError>>,
    {
        if let Some(found) = read().await? {
            return Ok(Some(found));
        }
        self.require_all().await?;
        Ok(read().await?)
    }

    /// Returns when this controller has all that was acknowledged before. It asks a leader, too: one that was deposed believes
    /// that it leads, and a new one has not applied all of its log.
    pub(crate) async fn require_all(&self) -> Result<(), Failure> {
        self.agreement.linearize().await.map_err(|error| match error {
            Unproposed::NoLeader => Failure::write_not_begun(),
            other => other.into(),
        })
    }

    /// Whether the operation finished within `time`. It must have been applied here.
    pub(crate) async fn is_finished_within(
        &self,
        operation: OperationId,
        time: Duration,
    ) -> Result<bool, Failure> {
        let mut applied = self.agreement.applied();
        let finished = async {
            loop {
                applied.borrow_and_update();
                // One that is gone is over.
                if self.reader().is_finished(operation).await?.unwrap_or(true) {
                    return Ok(true);
                }
                if applied.changed().await.is_err() {
                    return Ok(false);
                }
            }
        };
        tokio::time::timeout(time, finished).await.unwrap_or(Ok(false))
    }

    /// The key that seals the tenant's secrets.
    pub(crate) async fn data_key(&self, tenant: TenantId) -> Result<DataKey, Failure> {
        let key = self
            .reader()
            .data_key(tenant)
            .await?
            .ok_or_else(|| Failure::internal(&format!("the tenant {tenant} has no data key")))?;
        self.unwrapped(tenant, &key)
    }

    /// A data key of the tenant's.
    pub(crate) fn unwrapped(&self, tenant: TenantId, key: &StoredDataKey) -> Result<DataKey, Failure> {
        let keys = self.authorities.keys().now();
        match keys.unwrap(tenant, &key.name, &key.wrapped) {
            Err(SealError::NoKey(name)) => {
                let detail = format!(
                    "this controller does not have the cluster key {name} yet; it is asking the others"
                );
                Err(Failure::new(Kind::Refused(RefusalCode::KeyReplaced), detail))
            }
            opened => opened.map_err(|error| Failure::internal(&error)),
        }
    }
}
