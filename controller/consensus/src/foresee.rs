//! What a command would come to: asked of the leader, who chooses nodes as for a real one, has the rules try it, and
//! asks the nodes concerned. Nothing is proposed, so nothing of it is in the log.

use std::time::Duration;

use npanel_model::ControllerId;
use npanel_proto::{
    command::{Envelope, Refused},
    controller::{
        ExceededLimit, ForeseeRequest, ForeseeResponse, Foreseen as Told, ForeseenObject as ToldObject,
        NodeAnswer, foresee_response,
    },
};
use npanel_state::{Exceeded, Foreseen, ForeseenWish, Foresight};
use tokio::time::{Instant, timeout_at};

use crate::{
    admission::Overload,
    cluster::Cluster,
    config::Purpose,
    lines::client,
    propose::{ProposeError, is_for_want_of_a_node},
};

/// How long a leader is looked for, and asked.
const DEADLINE: Duration = Duration::from_secs(15);

impl Cluster {
    /// What the command would come to now, wherever the leader is.
    ///
    /// # Errors
    /// If no leader answered in time.
    pub async fn foresee(&self, mut envelope: Envelope) -> Result<ForeseeResponse, ProposeError> {
        if let Err(too_low) = self.require_level(&mut envelope).await {
            return Ok(refused(too_low));
        }
        let deadline = Instant::now() + DEADLINE;
        loop {
            match timeout_at(deadline, self.foresee_once(&envelope)).await {
                Ok(Ok(Some(answer))) => return Ok(answer),
                Ok(Err(overload)) => return Err(overload.into()),
                Ok(Ok(None)) | Err(_) => {}
            }
            if Instant::now() >= deadline {
                return Err(ProposeError::NoLeader);
            }
            self.wait_for_other_leader(deadline).await;
        }
    }

    async fn foresee_once(&self, envelope: &Envelope) -> Result<Option<ForeseeResponse>, Overload> {
        let Some((leader, address)) = self.leader() else { return Ok(None) };
        if leader == self.id() {
            return self.foresee_as_leader(envelope.clone()).await;
        }
        let mut remote = client(self.channel(leader, &address));
        let request = ForeseeRequest { envelope: Some(envelope.clone()) };
        match remote.foresee(request).await {
            Ok(answer) => Ok(Some(answer.into_inner())),
            Err(status) => Overload::of(&status).map_or(Ok(None), Err),
        }
    }

    /// Whether a command of the leader's own would be refused now, and why: it is prepared and tried as it would be
    /// when it is proposed, by the same code, and nothing of it is in the log. `None`: it would not, or this is not the
    /// leader, or nobody can say; then to propose it shows.
    pub async fn foresee_refusal(&self, envelope: Envelope) -> Option<Refused> {
        match self.try_out(envelope).await? {
            Foresight::Refused(refused) => Some(refused),
            Foresight::Accepted(_) => None,
        }
    }

    /// Here, or not at all.
    pub(crate) async fn foresee_as_leader(
        &self,
        envelope: Envelope,
    ) -> Result<Option<ForeseeResponse>, Overload> {
        if self.is_newer(&envelope) {
            return Ok(None);
        }
        let _place = self.admission().foresee(&envelope, self.state()).await?;
        Ok(match self.try_out(envelope).await {
            None => None,
            Some(Foresight::Refused(why)) => Some(refused(why)),
            Some(Foresight::Accepted(foreseen)) => {
                let answers = self.consult(&foreseen.objects).await;
                Some(told(*foreseen, answers))
            }
        })
    }

    /// What the rules make of it, if this is the leader.
    async fn try_out(&self, mut envelope: Envelope) -> Option<Foresight> {
        if self.leader()?.0 != self.id() {
            return None;
        }
        if let Err(by_leader) = self.require_quorum_after(&envelope).await {
            return Some(Foresight::Refused(by_leader));
        }
        envelope.time_millis = self.clock().stamp().await.as_millis();
        envelope.feature_level = self.level();
        // Whether it was asked before is no matter: what would it come to now?
        envelope.idempotency_key.clear();
        let unprepared = self.prepare(&mut envelope, Purpose::Foresee).await.err();
        // In turn, so that real commands need not wait behind many.
        let _turn = self.admission().foreseeing.acquire().await.ok()?;
        match self.store().foresee(envelope).await {
            Ok(Foresight::Refused(by_rules)) => Some(Foresight::Refused(match unprepared {
                Some(reasons) if is_for_want_of_a_node(&by_rules) => reasons,
                _ => by_rules,
            })),
            Ok(accepted) => Some(accepted),
            Err(error) => {
                tracing::error!(error = %error, "a command could not be foreseen");
                None
            }
        }
    }

    fn leader(&self) -> Option<(ControllerId, String)> {
        let metrics = self.raft().metrics();
        let now = metrics.borrow();
        let leader = now.current_leader?;
        let node = now.membership_config.membership().get_node(&leader)?;
        Some((ControllerId(leader), node.addr.clone()))
    }
}

fn refused(refused: Refused) -> ForeseeResponse {
    ForeseeResponse { foresight: Some(foresee_response::Foresight::Refused(refused)) }
}

/// A foresight as controllers tell it each other; the answers are those of the nodes, one per object.
pub fn told(foreseen: Foreseen, answers: Vec<NodeAnswer>) -> ForeseeResponse {
    let object = |(object, answer): (npanel_state::ForeseenObject, NodeAnswer)| ToldObject {
        node_id: object.node_id.to_bytes(),
        kind: object.kind.as_str().to_owned(),
        object_id: object.id,
        generation: object.generation.0,
        removal: matches!(object.wish, ForeseenWish::Remove { .. }),
        answer: Some(answer),
    };
    let told = Told {
        placement_report: foreseen.placement_report,
        objects: foreseen.objects.into_iter().zip(answers).map(object).collect(),
        warnings: foreseen.warnings,
        exceeding_accounts: foreseen.exceeding_accounts,
        exceeding: foreseen.exceeding.into_iter().map(exceeded).collect(),
    };
    ForeseeResponse { foresight: Some(foresee_response::Foresight::Foreseen(told)) }
}

fn exceeded(one: Exceeded) -> ExceededLimit {
    ExceededLimit {
        account_id: one.account_id.to_bytes(),
        username: one.username,
        limit: one.limit,
        used: one.used,
        allowed: one.allowed,
    }
}
