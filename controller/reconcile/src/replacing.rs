//! What nodes carried that are gone for good is placed anew: the leader looks for it, and proposes to itself.

use std::time::Duration;

use npanel_consensus::{Cluster, ProposeError, Purpose};
use npanel_model::{AccountId, OperationId, Part};
use npanel_proto::{
    command::{PlaceAccount, PlaceZone, Refused, envelope::Command, outcome::Outcome},
    controller::{Answer, Question, WouldPlace, answer, question},
};
use npanel_state::{QueryError, Reader, UnplacedAccount};
use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::{
    placing::{self, Placing, Stop},
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
        let Some(mut terms) = self.terms(tenant, &account.plan_id.to_bytes(), None, state).await? else {
            return Ok(());
        };
        terms.plan.php_version = account.php_version;
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
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut rounds = Rounds { cluster, after: None, no_zones_before: None, no_accounts_before: None };
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
    no_accounts_before: Option<Instant>,
}

fn is_time(not_before: Option<Instant>) -> bool {
    not_before.is_none_or(|at| Instant::now() >= at)
}

impl Rounds {
    async fn round(&mut self) -> Result<(), Stumbled> {
        if is_time(self.no_zones_before) {
            self.zones().await?;
        }
        if is_time(self.no_accounts_before) {
            self.accounts().await?;
        }
        Ok(())
    }

    /// Any DNS node will do for any zone: after one refusal there is no use in trying the others.
    async fn zones(&mut self) -> Result<(), Stumbled> {
        for zone in self.cluster.state().unplaced_zones(AT_ONCE).await? {
            let command = PlaceZone {
                zone_id: zone.to_bytes(),
                operation_id: OperationId::generate().to_bytes(),
                ..PlaceZone::default()
            };
            if let Some(refused) = self.propose(Command::PlaceZone(command)).await? {
                tracing::warn!(%zone, reason = refused.message, "no node answers for a zone, and none can");
                self.no_zones_before = Some(Instant::now() + AFTER_REFUSAL);
                return Ok(());
            }
            tracing::info!(%zone, "a zone has name servers again");
        }
        Ok(())
    }

    async fn accounts(&mut self) -> Result<(), Stumbled> {
        let found = self.cluster.state().unplaced_accounts(self.after, AT_ONCE).await?;
        if found.is_empty() {
            self.after = None;
        }
        for account in found {
            self.after = Some(account.id);
            if !self.would_fit(&account).await {
                tracing::warn!(account = %account.id, "an account is unplaced, and no node can take it");
                continue;
            }
            let command = PlaceAccount {
                account_id: account.id.to_bytes(),
                operation_id: OperationId::generate().to_bytes(),
                ..PlaceAccount::default()
            };
            match self.propose(Command::PlaceAccount(command)).await? {
                None => tracing::info!(account = %account.id, "an account is placed anew"),
                Some(refused) => {
                    tracing::warn!(account = %account.id, reason = refused.message, "an account cannot be placed anew");
                    self.no_accounts_before = Some(Instant::now() + AFTER_REFUSAL);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Whether there is a node for each part of such an account. Costs nothing in the log.
    async fn would_fit(&self, account: &UnplacedAccount) -> bool {
        let place = WouldPlace {
            tenant_id: account.tenant_id.to_bytes(),
            plan_id: account.plan_id.to_bytes(),
            placement: None,
        };
        let question = Question { question: Some(question::Question::WouldPlace(place)) };
        let Ok(Answer { answer: Some(answer::Answer::PlacementReport(json)) }) =
            self.cluster.ask(question).await
        else {
            return false;
        };
        let report: Value = serde_json::from_str(&json).unwrap_or_default();
        let has_node = |part: &Part| {
            let of_part = |verdict: &&Value| verdict["part"] == part.as_str();
            let verdict = report["parts"].as_array().into_iter().flatten().find(of_part);
            verdict.is_some_and(|verdict| verdict["chosen"].is_string())
        };
        account.parts.iter().all(has_node)
    }

    /// The refusal, if it is refused.
    async fn propose(&self, command: Command) -> Result<Option<Refused>, ProposeError> {
        let envelope = own_envelope(self.cluster.id(), command);
        match self.cluster.propose(envelope).await?.outcome {
            Some(Outcome::Refused(refused)) => Ok(Some(refused)),
            Some(Outcome::Accepted(_)) | None => Ok(None),
        }
    }
}
