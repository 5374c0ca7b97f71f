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
        // Of those that were removed already and are still members, none counts.
        let peers = self.status().peers;
        let voters = peers.iter().filter(|peer| peer.is_voter && present.iter().any(|one| one.id == peer.id));
        let (leaving, staying): (Vec<_>, Vec<_>) = voters.partition(|peer| peer.id == leaving);
        if leaving.is_empty() {
            // One that does not vote, or is gone: the rules know what to say.
            return Ok(());
        }
        let answers = staying
            .iter()
            .map(|peer| async { peer.id == self.id() || self.reaches(peer.id, &peer.address).await });
        let answering =
            futures::future::join_all(answers).await.into_iter().filter(|answers| *answers).count();
        enough(staying.len(), answering)
    }
}

/// Whether so many of the voters are a majority of them.
fn enough(voters: usize, answering: usize) -> Result<(), Refused> {
    match voters {
        0 => {
            Err(refused("it is the last controller that votes: without it nothing can be decided".to_owned()))
        }
        _ if 2 * answering > voters => Ok(()),
        _ => Err(refused(format!(
            "without it {voters} controllers would vote, and only {answering} of these answer: nothing could be decided \
             any more; bring the others back, or remove one that does not answer"
        ))),
    }
}

fn refused(message: String) -> Refused {
    Refused { code: RefusalCode::InUse.as_str().to_owned(), message, field: "/id".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_majority_of_those_who_stay_must_answer() {
        for (voters, answering) in [(1, 1), (2, 2), (3, 2), (4, 3)] {
            assert!(enough(voters, answering).is_ok(), "{answering} of {voters}");
        }
        for (voters, answering) in [(0, 0), (1, 0), (2, 1), (4, 2)] {
            assert!(enough(voters, answering).is_err(), "{answering} of {voters}");
        }
    }
}
