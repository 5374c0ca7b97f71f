//! What is due of the members: a function of the state and of who the members are.

use std::collections::BTreeSet;

use npanel_state::Controller;

/// What the leader sees at one moment. No change of the members is under way.
pub(super) struct Seen<'a> {
    pub(super) controllers: &'a [Controller],
    pub(super) members: BTreeSet<u64>,
    pub(super) voters: BTreeSet<u64>,
    pub(super) caught_up: BTreeSet<u64>,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Due {
    /// One that is enrolled gets the log.
    Learn { id: u64, address: String },
    /// One that has the log votes, and in its place another no longer, if it was enrolled for that. Both in one change: with one
    /// more voter in between, a dead one among them, it would take one more to decide anything.
    Vote { id: u64, in_place_of: Option<u64>, before: BTreeSet<u64>, after: BTreeSet<u64> },
    /// Another votes in the place of this one, which goes from the state.
    Retire { id: u64, by: u64 },
    /// A voter that the state does not have any more goes.
    Resign { id: u64, before: BTreeSet<u64>, after: BTreeSet<u64> },
    /// Any other member that the state does not have any more goes.
    Leave { id: u64 },
}

/// A change of those who vote.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change<'a> {
    /// Who begins to vote.
    pub(super) learner: Option<u64>,
    pub(super) before: &'a BTreeSet<u64>,
    pub(super) after: &'a BTreeSet<u64>,
}

impl Due {
    /// What it changes of those who vote.
    pub(super) fn change(&self) -> Option<Change<'_>> {
        match self {
            Self::Vote { id, before, after, .. } => Some(Change { learner: Some(*id), before, after }),
            Self::Resign { before, after, .. } => Some(Change { learner: None, before, after }),
            Self::Learn { .. } | Self::Retire { .. } | Self::Leave { .. } => None,
        }
    }
}

impl Change<'_> {
    /// Whether the learner answers, and a majority of those who vote before and of those who vote after.
    pub(super) fn is_decidable(&self, answering: &BTreeSet<u64>) -> bool {
        let is_majority = |voters: &BTreeSet<u64>| 2 * voters.intersection(answering).count() > voters.len();
        self.learner.is_none_or(|learner| answering.contains(&learner))
            && is_majority(self.before)
            && is_majority(self.after)
    }
}

impl Seen<'_> {
    /// The first that can be begun is to be; one at a time.
    pub(super) fn due(&self) -> Vec<Due> {
        let of_state = self.controllers.iter().filter_map(|one| self.due_of(one));
        of_state.chain(self.stranger()).collect()
    }

    fn due_of(&self, one: &Controller) -> Option<Due> {
        let (id, is_voter) = (one.id.0, self.voters.contains(&one.id.0));
        if let Some(by) = self.replaced_by(id) {
            // Until then it stays what it is: neither let in nor promoted.
            return self.voters.contains(&by).then_some(Due::Retire { id, by });
        }
        if !self.members.contains(&id) {
            return Some(Due::Learn { id, address: one.fleet_address.clone() });
        }
        (!is_voter && self.caught_up.contains(&id)).then(|| {
            let in_place_of = one.replaces.map(|other| other.0).filter(|other| self.voters.contains(other));
            let before = self.voters.clone();
            let staying = before.iter().copied().filter(|voter| Some(*voter) != in_place_of);
            let after = staying.chain([id]).collect();
            Due::Vote { id, in_place_of, before, after }
        })
    }

    fn replaced_by(&self, id: u64) -> Option<u64> {
        let by = self.controllers.iter().find(|one| one.replaces.is_some_and(|other| other.0 == id));
        by.map(|one| one.id.0)
    }

    fn stranger(&self) -> Option<Due> {
        let present: BTreeSet<u64> = self.controllers.iter().map(|one| one.id.0).collect();
        // Before the cluster is made, nobody is in the state.
        let mut strangers = self.members.iter().filter(|id| !present.is_empty() && !present.contains(id));
        strangers.next_back().map(|id| self.leaving(*id))
    }

    fn leaving(&self, id: u64) -> Due {
        let before = self.voters.clone();
        let mut after = before.clone();
        if after.remove(&id) { Due::Resign { id, before, after } } else { Due::Leave { id } }
    }
}

#[cfg(test)]
mod tests {
    use npanel_model::{ControllerId, Timestamp};

    use super::*;

    fn controller(id: u64, replaces: Option<u64>) -> Controller {
        Controller {
            id: ControllerId(id),
            name: format!("c{id}").parse().expect("a name"),
            fleet_address: format!("c{id}.example:1"),
            replaces: replaces.map(ControllerId),
            certificate_expires_at: None,
            created_at: Timestamp::now(),
        }
    }

    fn due(controllers: &[Controller], members: &[u64], voters: &[u64], caught_up: &[u64]) -> Option<Due> {
        let set = |ids: &[u64]| ids.iter().copied().collect();
        Seen { controllers, members: set(members), voters: set(voters), caught_up: set(caught_up) }
            .due()
            .into_iter()
            .next()
    }

    #[test]
    fn one_in_the_place_of_another_goes_its_way_step_by_step() {
        let all = [controller(1, None), controller(2, None), controller(3, None), controller(4, Some(3))];
        let learn = Due::Learn { id: 4, address: "c4.example:1".into() };
        assert_eq!(due(&all, &[1, 2, 3], &[1, 2, 3], &[1, 2]), Some(learn));
        assert_eq!(due(&all, &[1, 2, 3, 4], &[1, 2, 3], &[1, 2]), None, "it has not caught up");
        let vote =
            Due::Vote { id: 4, in_place_of: Some(3), before: [1, 2, 3].into(), after: [1, 2, 4].into() };
        assert_eq!(due(&all, &[1, 2, 3, 4], &[1, 2, 3], &[1, 2, 3, 4]), Some(vote), "in one change");
        let retire = Due::Retire { id: 3, by: 4 };
        assert_eq!(due(&all, &[1, 2, 4], &[1, 2, 4], &[1, 2, 4]), Some(retire), "and is not let in again");
        let after = [controller(1, None), controller(2, None), controller(4, None)];
        assert_eq!(due(&after, &[1, 2, 4], &[1, 2, 4], &[1, 2, 4]), None);
    }

    #[test]
    fn who_is_replaced_and_never_voted_does_not_begin_to() {
        let all = [controller(1, None), controller(2, None), controller(3, Some(2))];
        let vote = Due::Vote { id: 3, in_place_of: None, before: [1].into(), after: [1, 3].into() };
        assert_eq!(due(&all, &[1, 2, 3], &[1], &[2, 3]), Some(vote));
        assert_eq!(due(&all, &[1, 2, 3], &[1, 3], &[2, 3]), Some(Due::Retire { id: 2, by: 3 }));
        let after = [controller(1, None), controller(3, None)];
        assert_eq!(due(&after, &[1, 2, 3], &[1, 3], &[]), Some(Due::Leave { id: 2 }));
    }

    #[test]
    fn a_replacement_that_was_given_up_leaves_all_as_it_was() {
        let all = [controller(1, None), controller(2, None), controller(3, None)];
        assert_eq!(due(&all, &[1, 2, 3, 4], &[1, 2, 3], &[4]), Some(Due::Leave { id: 4 }));
        let back = Due::Learn { id: 3, address: "c3.example:1".into() };
        assert_eq!(
            due(&all, &[1, 2, 4], &[1, 2, 4], &[]),
            Some(back),
            "given up between the change and the removal"
        );
    }

    #[test]
    fn a_learner_is_let_vote_only_while_it_answers_and_enough_others_do() {
        let decidable = |after: &[u64], answering: &[u64]| {
            let set = |ids: &[u64]| ids.iter().copied().collect();
            let change = Change { learner: Some(4), before: &[1, 2, 3].into(), after: &set(after) };
            change.is_decidable(&set(answering))
        };
        assert!(decidable(&[1, 2, 4], &[1, 2, 4]), "in the place of a dead one");
        assert!(!decidable(&[1, 2, 4], &[1, 2]), "it had caught up, and is gone");
        assert!(!decidable(&[1, 2, 4], &[1, 4]), "two are dead");
        assert!(decidable(&[1, 2, 3, 4], &[1, 2, 4]), "besides a dead one");
    }

    #[test]
    fn a_voter_goes_only_while_enough_answer_without_it() {
        let all = [controller(1, None), controller(2, None)];
        let due = due(&all, &[1, 2, 3], &[1, 2, 3], &[1, 2, 3]).expect("3 goes");
        let change = due.change().expect("it changes who votes");
        assert!(change.is_decidable(&[1, 2].into()));
        assert!(!change.is_decidable(&[2, 3].into()), "2 alone could decide nothing after it");
        assert!(!change.is_decidable(&[2].into()));
    }

    #[test]
    fn before_there_is_a_state_nobody_is_a_stranger() {
        assert_eq!(due(&[], &[1], &[1], &[]), None);
    }

    #[test]
    fn one_that_cannot_be_let_vote_keeps_nobody_from_leaving() {
        let all = [controller(1, None), controller(2, None), controller(4, None)];
        let seen = Seen {
            controllers: &all,
            members: [1, 2, 3, 4].into(),
            voters: [1, 2, 3].into(),
            caught_up: [4].into(),
        };
        let due = seen.due();
        assert!(matches!(due[0], Due::Vote { id: 4, .. }), "{due:?}");
        let resign = Due::Resign { id: 3, before: [1, 2, 3].into(), after: [1, 2].into() };
        assert_eq!(due[1..], [resign]);
    }
}
