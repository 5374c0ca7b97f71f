//! Whether the others can decide without a controller: the one thing about a removal that only the leader can know.

use npanel_model::ControllerId;
use npanel_proto::command::{Envelope, Refused, envelope::Command};
use npanel_state::RefusalCode;

use crate::cluster::Cluster;

impl Cluster {
    /// Refuses a removal after which too few of those who vote would answer to decide anything. Anything else passes.
    pub(crate) async fn require_quorum_after(&self, envelope: &Envelope) -> Result<(), Refused> {
        let Some(Command::RemoveController(body)) = &envelope.command else { return Ok(()) };
        let leaving = ControllerId(body.controller_id);
        let Ok(present) = self.state().controllers().await else {
            return Err(refused("the state cannot be read at the moment".to_owned()));
        };
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
        enough(&voters)
    }
}

struct Voter {
    /// Whether it votes when the removal is done.
    stays: bool,
    answers: bool,
}

/// Whether those who answer are a majority of all, who decide that one goes, and of those who stay.
fn enough(voters: &[Voter]) -> Result<(), Refused> {
    let count = |is: &dyn Fn(&Voter) -> bool| voters.iter().filter(|voter| is(voter)).count();
    let (all, answering) = (voters.len(), count(&|voter| voter.answers));
    let (staying, left) = (count(&|voter| voter.stays), count(&|voter| voter.stays && voter.answers));
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
        enough(&stays.chain([leaves]).collect::<Vec<_>>()).is_ok()
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
