//! What nodes carried that are gone for good is placed anew: the leader looks for it, and proposes to itself.

use std::{collections::HashMap, time::Duration};

use npanel_consensus::{Cluster, ProposeError, Purpose};
use npanel_model::{AccountId, OperationId};
use npanel_proto::command::{PlaceAccount, PlaceZone, Refused, envelope::Command, outcome::Outcome};
use npanel_state::{QueryError, Reader, UnplacedAccount};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::{
    placing::{self, Placing, SETTLING, Stop},
    recorder::own_envelope,
};

/// How often it is looked. Nodes are lost rarely, and what they carried can be placed at once or not for long.
const EVERY: Duration = Duration::from_secs(2);

/// How many are looked at in one round: the others have their turn in the next.
const AT_ONCE: u32 = 32;

/// Before what was refused is proposed again: a refused proposal is in the log, too.
const AFTER_REFUSAL: Duration = Duration::from_secs(10);

impl Placing {
    pub(crate) async fn account_anew(
        &self,
        body: &mut PlaceAccount,
        purpose: Purpose,
        state: &Reader,
    ) -> Result<(), Stop> {
        body.assignments.clear();
        let Ok(id) = AccountId::from_bytes(&body.account_id) else { return Ok(()) };
        // Nothing to do any more, or no plan: the rules will say so.
        let Some(account) = state.unplaced_account(id).await? else { return Ok(()) };
        let tenant = Some(account.tenant_id);
        let Some(terms) = self.terms(tenant, &account.plan_id.to_bytes(), None, state).await? else {
            return Ok(());
        };
        let terms = terms.anew(&account);
        let (assignments, report) = self.parts(&account.parts, &terms, account.near, purpose, state).await?;
        (body.assignments, body.placement_report) = (assignments, placing::json(&report));
        Ok(())
    }

    pub(crate) async fn zone_anew(
        &self,
        body: &mut PlaceZone,
        purpose: Purpose,
        state: &Reader,
    ) -> Result<(), Stop> {
        body.assignments = self.name_servers(purpose, state).await?.0;
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
enum Stumbled {
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error(transparent)]
    Propose(#[from] ProposeError),
}

/// Looks again and again, as long as this controller leads.
pub(crate) async fn run(cluster: Cluster) {
    // What a new leader has not heard of yet may be the best place.
    let mut ticks = interval_at(Instant::now() + SETTLING, EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut rounds = Rounds { cluster, after: None, no_zones_before: None, refused: HashMap::new() };
    loop {
        ticks.tick().await;
        if let Err(error) = rounds.round().await {
            tracing::warn!(%error, "what is unplaced could not be placed anew; trying again");
        }
    }
}

struct Rounds {
    cluster: Cluster,
    /// Where the last round ended.
    after: Option<AccountId>,
    no_zones_before: Option<Instant>,
    /// When an account that was refused has its turn again.
    refused: HashMap<AccountId, Instant>,
}

impl Rounds {
    async fn round(&mut self) -> Result<(), Stumbled> {
        if self.no_zones_before.is_none_or(|at| Instant::now() >= at) {
            self.zones().await?;
        }
        self.accounts().await
    }

    /// Any DNS node will do for any zone: after one refusal there is no use in trying the others.
    async fn zones(&mut self) -> Result<(), Stumbled> {
        for zone in self.cluster.state().unplaced_zones(AT_ONCE).await? {
            let command = PlaceZone {
                zone_id: zone.to_bytes(),
                operation_id: OperationId::generate().to_bytes(),
                ..PlaceZone::default()
            };
            match self.place(Command::PlaceZone(command)).await? {
                Placed::Yes => tracing::info!(%zone, "a zone has name servers again"),
                Placed::Foreseen(refused) | Placed::Refused(refused) => {
                    tracing::warn!(%zone, reason = refused.message, "no node answers for a zone, and none can");
                    self.no_zones_before = Some(Instant::now() + AFTER_REFUSAL);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// One account's refusal is no other's: another may be smaller, or wished somewhere else.
    async fn accounts(&mut self) -> Result<(), Stumbled> {
        let now = Instant::now();
        self.refused.retain(|_, again| *again > now);
        let found = self.cluster.state().unplaced_accounts(self.after, AT_ONCE).await?;
        if found.is_empty() {
            self.after = None;
        }
        for UnplacedAccount { id: account, .. } in found {
            self.after = Some(account);
            if self.refused.contains_key(&account) {
                continue;
            }
            let command = PlaceAccount {
                account_id: account.to_bytes(),
                operation_id: OperationId::generate().to_bytes(),
                ..PlaceAccount::default()
            };
            match self.place(Command::PlaceAccount(command)).await? {
                Placed::Yes => tracing::info!(%account, "an account is placed anew"),
                Placed::Foreseen(refused) => {
                    tracing::warn!(%account, reason = refused.message, "an account is unplaced, and no node can take it");
                }
                Placed::Refused(refused) => {
                    tracing::warn!(%account, reason = refused.message, "an account cannot be placed anew");
                    self.refused.insert(account, Instant::now() + AFTER_REFUSAL);
                }
            }
        }
        Ok(())
    }

    /// Tries the command first: a refusal that is foreseen costs nothing in the log.
    async fn place(&self, command: Command) -> Result<Placed, ProposeError> {
        let envelope = own_envelope(self.cluster.id(), command);
        if let Some(refused) = self.cluster.foresee_refusal(envelope.clone()).await {
            return Ok(Placed::Foreseen(refused));
        }
        Ok(match self.cluster.propose(envelope).await?.outcome {
            Some(Outcome::Refused(refused)) => Placed::Refused(refused),
            Some(Outcome::Accepted(_)) | None => Placed::Yes,
        })
    }
}

/// What came of a proposal.
enum Placed {
    Yes,
    /// It was not made.
    Foreseen(Refused),
    /// It is in the log.
    Refused(Refused),
}
