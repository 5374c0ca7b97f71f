//! The controllers as the one that answers sees them: what the state knows of each, and what each says of itself.

use std::collections::BTreeMap;

use npanel_consensus::Asked;
use npanel_model::ControllerId;
use npanel_sdk_types::{Controller, ControllerRole};

use crate::agreement::AgreementStatus;

/// What was said, all at about the same time.
pub(super) struct View<'a> {
    agreement: &'a AgreementStatus,
    asked: BTreeMap<ControllerId, Asked>,
    /// The end of the log: the leader's; of whoever has most, if the leader does not say.
    end: u64,
    /// The last entry that each controller is known to have, if the leader says so.
    replicated: BTreeMap<ControllerId, u64>,
}

impl<'a> View<'a> {
    pub(super) fn new(agreement: &'a AgreementStatus, asked: BTreeMap<ControllerId, Asked>) -> Self {
        let leader = agreement.leader_id.and_then(|id| asked.get(&id)?.health());
        let most = asked.values().filter_map(|one| Some(one.health()?.last_log_index)).max();
        let end = leader.map(|leader| leader.last_log_index).or(most).or(agreement.last_log_index);
        let replicated =
            leader.map_or_else(|| agreement.replicated.clone(), |leader| leader.replicated.clone());
        Self { agreement, end: end.unwrap_or(0), replicated, asked }
    }

    pub(super) fn of(&self, row: npanel_state::Controller) -> Controller {
        let asked = self.asked.get(&row.id);
        let health = asked.and_then(Asked::health);
        let disk = health.and_then(|health| health.disk);
        let replicated = self.replicated.get(&row.id).copied();
        let has = health.map(|health| health.applied_index).or(replicated);
        Controller {
            id: row.id,
            name: row.name.into(),
            fleet_address: row.fleet_address,
            role: self.role(row.id),
            replaces_id: row.replaces,
            reachable: asked.map(|asked| *asked != Asked::Unreached),
            follows_id: health.and_then(|health| health.leader),
            term: health.map(|health| health.term),
            last_log_index: health.map(|health| health.last_log_index),
            applied_index: health.map(|health| health.applied_index),
            entries_behind: has.map(|has| self.end.saturating_sub(has)),
            disk_total_bytes: disk.map(|disk| disk.total),
            disk_free_bytes: disk.map(|disk| disk.free),
            version: health.map(|health| health.version.clone()),
            max_feature_level: asked.and_then(Asked::max_feature_level),
            certificate_expires_at: row.certificate_expires_at,
            replicated_index: replicated,
        }
    }

    fn role(&self, id: ControllerId) -> ControllerRole {
        if self.agreement.leader_id == Some(id) {
            ControllerRole::Leader
        } else if self.agreement.voters.contains(&id) {
            ControllerRole::Voter
        } else if self.agreement.learners.contains(&id) {
            ControllerRole::Learner
        } else {
            ControllerRole::Enrolled
        }
    }
}

#[cfg(test)]
mod tests {
    use npanel_consensus::Health;
    use npanel_model::Timestamp;
    use npanel_state::space::Space;

    use super::*;

    fn health(last: u64, applied: u64, replicated: &[(u64, u64)]) -> Asked {
        Asked::Told(Health {
            term: 3,
            leader: Some(ControllerId(1)),
            last_log_index: last,
            applied_index: applied,
            disk: Some(Space { total: 100, free: 40 }),
            version: "0.1.0".to_owned(),
            max_feature_level: 4,
            replicated: replicated.iter().map(|(id, index)| (ControllerId(*id), *index)).collect(),
        })
    }

    fn row(id: u64) -> npanel_state::Controller {
        npanel_state::Controller {
            id: ControllerId(id),
            name: format!("c{id}").parse().expect("a name"),
            fleet_address: "192.0.2.1:8444".to_owned(),
            replaces: None,
            certificate_expires_at: None,
            created_at: Timestamp::now(),
        }
    }

    fn shown(leader: Option<u64>, asked: [Asked; 3]) -> Vec<Controller> {
        let ids = (1..).map(ControllerId);
        let agreement = AgreementStatus {
            controller_id: 2,
            leader_id: leader.map(ControllerId),
            voters: ids.clone().take(3).collect(),
            ..AgreementStatus::default()
        };
        let view = View::new(&agreement, ids.zip(asked).collect());
        (1..=3).map(|id| view.of(row(id))).collect()
    }

    #[test]
    fn each_is_behind_by_its_own_word_and_who_is_silent_by_the_leaders() {
        let asked = [health(90, 90, &[(2, 88), (3, 50)]), health(88, 80, &[]), Asked::Unreached];
        let shown = shown(Some(1), asked);
        let behind: Vec<_> = shown.iter().map(|one| one.entries_behind).collect();
        assert_eq!(behind, [Some(0), Some(10), Some(40)]);
        assert_eq!((shown[0].reachable, shown[2].reachable), (Some(true), Some(false)));
        assert_eq!(
            (shown[2].term, shown[2].disk_free_bytes, shown[2].replicated_index),
            (None, None, Some(50))
        );
        assert_eq!((shown[1].follows_id, shown[1].disk_free_bytes), (Some(ControllerId(1)), Some(40)));
        assert_eq!((shown[0].role, shown[1].role), (ControllerRole::Leader, ControllerRole::Voter));
    }

    #[test]
    fn without_a_leader_all_are_compared_with_who_has_most() {
        let shown = shown(None, [Asked::Unreached, health(88, 80, &[]), health(91, 91, &[])]);
        let behind: Vec<_> = shown.iter().map(|one| one.entries_behind).collect();
        assert_eq!(behind, [None, Some(11), Some(0)]);
    }

    #[test]
    fn one_of_an_earlier_version_answers_and_says_little() {
        let terse = Asked::Terse { max_feature_level: 3 };
        let shown = shown(Some(1), [health(9, 9, &[]), terse, Asked::Unreached]);
        assert_eq!((shown[1].reachable, shown[1].max_feature_level), (Some(true), Some(3)));
        assert_eq!((shown[1].term, shown[1].version.as_deref()), (None, None));
    }
}
