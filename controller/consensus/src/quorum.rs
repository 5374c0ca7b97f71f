//! Whether the others can decide without a controller, and whether that one still answers: what only the leader can know of a
//! removal and of a replacement.

use npanel_model::ControllerId;
use npanel_proto::command::{Envelope, Refused, RemoveController, ReplaceController, envelope::Command};
use npanel_state::{QueryError, RefusalCode};

use crate::{cluster::Cluster, reading};

/// What the leader says of a command before the log.
pub(crate) enum Judged {
    /// It is for the log to decide.
    Passes,
    Refused(Refused),
    /// This controller does not lead any more, as far as it can say.
    NotLeader,
}

impl Cluster {
    /// Judges a removal or a replacement by who answers, but only a new one: who asks again for what was accepted is answered
    /// again by the log, for since then another may have come back, or gone.
    pub(crate) async fn judge(&self, envelope: &Envelope) -> Judged {
        if !matches!(envelope.command, Some(Command::RemoveController(_) | Command::ReplaceController(_))) {
            return Judged::Passes;
        }
        // What another leader has accepted may be in the log alone.
        if !reading::is_caught_up(self.raft(), self.applying()).await {
            return Judged::NotLeader;
        }
        match self.was_accepted(envelope).await {
            Ok(true) => Judged::Passes,
            Ok(false) => {
                self.require_quorum_after(envelope).await.map_or_else(Judged::Refused, |()| Judged::Passes)
            }
            Err(_) => Judged::Refused(unreadable()),
        }
    }

    /// Whether there is an answer under the idempotency key already. Whether it is to the same request is the rules' matter.
    async fn was_accepted(&self, envelope: &Envelope) -> Result<bool, QueryError> {
        let who = envelope.principal.as_ref().and_then(|principal| principal.who.as_ref());
        // Nobody else asks for this.
        let Some(credential) = who.and_then(crate::admission::credential) else { return Ok(false) };
        let Some(access) = self.state().access(credential).await? else { return Ok(false) };
        let earlier = self.state().earlier(access.purview.tenant_id, &envelope.idempotency_key).await?;
        Ok(earlier.is_some())
    }

    /// Refuses a removal, or a replacement, after which too few of those who vote would answer to decide anything; and the
    /// replacement of one that answers, unless that is said. Anything else passes.
    pub(crate) async fn require_quorum_after(&self, envelope: &Envelope) -> Result<(), Refused> {
        match &envelope.command {
            Some(Command::RemoveController(RemoveController { controller_id })) => {
                self.require_quorum_without(ControllerId(*controller_id), 0).await
            }
            Some(Command::ReplaceController(body)) => {
                self.require_dead(body).await?;
                self.require_quorum_without(ControllerId(body.controller_id), 1).await
            }
            _ => Ok(()),
        }
    }

    async fn require_dead(&self, body: &ReplaceController) -> Result<(), Refused> {
        let id = ControllerId(body.controller_id);
        let found = self.state().controller(id).await.map_err(|_| unreadable())?;
        // One that is gone is the rules' matter.
        let Some(controller) = found.filter(|_| !body.even_if_alive) else { return Ok(()) };
        let answers =
            id == self.id() || self.max_feature_level_of(id, &controller.fleet_address).await.is_some();
        if !answers {
            return Ok(());
        }
        let name = controller.name;
        Err(refused(format!(
            "controller {name} is alive and answers the leader: to replace it all the same, ask for that (--even-if-alive)"
        )))
    }

    /// With so many who come in its place, who are there then: what does not answer is not let vote.
    async fn require_quorum_without(&self, leaving: ControllerId, coming: usize) -> Result<(), Refused> {
        let present = self.state().controllers().await.map_err(|_| unreadable())?;
        let peers = self.status().peers;
        let voters: Vec<_> = peers.iter().filter(|peer| peer.is_voter).collect();
        if !voters.iter().any(|peer| peer.id == leaving && present.iter().any(|one| one.id == leaving)) {
            // One that does not vote, or is gone: the rules know what to say.
            return Ok(());
        }
        let answers = voters.iter().map(|peer| async {
            peer.id == self.id() || self.max_feature_level_of(peer.id, &peer.address).await.is_some()
        });
        let answers = futures::future::join_all(answers).await;
        // Those that were removed already and are still members decide on who goes, but not on anything after.
        let stays = |id| id != leaving && present.iter().any(|one| one.id == id);
        let voters: Vec<_> = voters
            .iter()
            .zip(answers)
            .map(|(peer, answers)| Voter { stays: stays(peer.id), answers })
            .collect();
        enough(&voters, coming)
    }
}

struct Voter {
    /// Whether it votes when the removal is done.
    stays: bool,
    answers: bool,
}

/// Whether those who answer are a majority of all, who decide that one goes, and of those who stay, with those who come.
fn enough(voters: &[Voter], coming: usize) -> Result<(), Refused> {
    let count = |is: &dyn Fn(&Voter) -> bool| voters.iter().filter(|voter| is(voter)).count();
    let (all, answering) = (voters.len(), count(&|voter| voter.answers));
    let (staying, left) = (count(&|voter| voter.stays), count(&|voter| voter.stays && voter.answers));
    let (staying, left) = (staying + coming, left + coming);
    if staying == 0 {
        return Err(refused(
            "it is the last controller that votes: without it nothing can be decided".to_owned(),
        ));
    }
    if 2 * left <= staying {
        return Err(refused(format!(
            "without it {staying} controllers would vote, and only {left} of these answer: nothing could be decided any \
             more; bring the others back, or remove one that does not answer"
        )));
    }
    if 2 * answering <= all {
        return Err(refused(format!(
            "{all} controllers vote, and only {answering} of these answer: too few to decide that one goes; bring the \
             others back"
        )));
    }
    Ok(())
}

fn unreadable() -> Refused {
    refused("the state cannot be read at the moment".to_owned())
}

fn refused(message: String) -> Refused {
    Refused { code: RefusalCode::InUse.as_str().to_owned(), message, field: "/id".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether it is enough that so many of those who stay answer, and the one that goes or not.
    fn is_enough(staying: usize, answering: usize, leaver_answers: bool) -> bool {
        let stays = (0..staying).map(|number| Voter { stays: true, answers: number < answering });
        let leaves = Voter { stays: false, answers: leaver_answers };
        enough(&stays.chain([leaves]).collect::<Vec<_>>(), 0).is_ok()
    }

    #[test]
    fn who_comes_in_the_place_of_one_counts_after_and_not_before() {
        let voter = |stays, answers| Voter { stays, answers };
        let is_enough = |voters: &[Voter]| enough(voters, 1).is_ok();
        let (dead, alive) = (voter(false, false), voter(true, true));
        assert!(is_enough(&[dead, alive, voter(true, true)]), "a dead one of three");
        let (goes, alive) = (voter(false, true), voter(true, true));
        assert!(
            is_enough(&[goes, alive, voter(true, false)]),
            "another is dead: two of three decide, before and after"
        );
        assert!(is_enough(&[voter(false, true)]), "the only one");
        assert!(!is_enough(&[voter(false, false), voter(true, true)]), "a dead one of two");
        assert!(!is_enough(&[voter(false, false), voter(true, false), voter(true, true)]), "one of three");
    }

    #[test]
    fn a_majority_of_those_who_stay_must_answer() {
        for (staying, answering) in [(1, 1), (2, 2), (3, 2), (4, 3)] {
            assert!(is_enough(staying, answering, true), "{answering} of {staying}");
        }
        for (staying, answering) in [(0, 0), (1, 0), (2, 1), (4, 2)] {
            assert!(!is_enough(staying, answering, true), "{answering} of {staying}");
        }
    }

    #[test]
    fn a_majority_of_all_must_answer_as_one_goes() {
        assert!(is_enough(2, 2, false), "a dead one of three");
        assert!(!is_enough(1, 1, false), "a dead one of two");
        assert!(!is_enough(3, 2, false), "a dead one of four, while another is dead");
    }
}
