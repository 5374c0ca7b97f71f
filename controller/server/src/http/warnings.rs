//! What an operator should look at: the warnings of the cluster's status.

use std::time::Duration;

use npanel_model::{Limit, Timestamp};
use npanel_pki::Lifetimes;
use npanel_sdk_types::{ClusterStatus, Controller, ControllerRole};

/// An authority is to be rotated well before it ends.
const CA_NOTICE: Duration = Duration::from_secs(365 * 24 * 3600);

/// A snapshot wants 64 MiB beside itself, and writes end at 32: there is to be time to look.
const LITTLE_SPACE: u64 = 256 << 20;

/// Nobody is so far behind by a moment's load, and to catch up takes seconds.
const FAR_BEHIND: u64 = 10_000;

/// What an operator should look at. A certificate is renewed at two thirds of its life; one that has less than a
/// quarter left was not.
pub(super) fn of(
    status: &ClusterStatus,
    ca_expires: Option<Timestamp>,
    lifetimes: Lifetimes,
    now: Timestamp,
) -> Vec<String> {
    let mut warnings = Vec::new();
    if status.recovery_key.is_empty() {
        warnings.push(
            "there is no recovery key, so no backup can be made: npanel-controller recovery-key".to_owned(),
        );
    }
    if status.leader_id.is_none() {
        warnings.push("no leader is known: nothing can be changed".to_owned());
    }
    warnings.extend(of_majority(status));
    let is_late = |expiry: Timestamp, life: Duration| expiry < now.plus(life / 4);
    for controller in &status.controllers {
        let name = &controller.name;
        if controller.reachable == Some(false) {
            warnings.push(format!("controller {name} cannot be reached: it does not answer within a second"));
        }
        warnings.extend(of_disk(controller));
        if controller.entries_behind.is_some_and(|behind| behind >= FAR_BEHIND) {
            warnings.push(format!("controller {name} is far behind the end of the log"));
        }
        if status.leader_id.is_some() && controller.term.is_some() && controller.follows_id.is_none() {
            warnings.push(format!("controller {name} answers, and hears no leader"));
        }
        if let Some(expiry) = controller.certificate_expires_at
            && is_late(expiry, lifetimes.controller)
        {
            warnings
                .push(format!("the certificate of controller {name} ends at {expiry} and was not renewed"));
        }
    }
    if let Some(expiry) = status.node_certificates_expire_at
        && is_late(expiry, lifetimes.node)
    {
        warnings.push(format!(
            "a node's certificate ends at {expiry} and was not renewed (see: npanel node list)"
        ));
    }
    if status.ca_trusted > 1 {
        warnings.push("the certificate authority was rotated and the old one is still trusted".to_owned());
    }
    if let Some(expiry) = ca_expires
        && expiry < now.plus(CA_NOTICE)
    {
        warnings.push(format!("the certificate authority ends at {expiry}; rotate it: npanel ca rotate"));
    }
    warnings
}

/// Once too few of those who vote answer, this is what has to be mended first.
fn of_majority(status: &ClusterStatus) -> Option<String> {
    let votes = |one: &&Controller| matches!(one.role, ControllerRole::Leader | ControllerRole::Voter);
    let voters: Vec<_> = status.controllers.iter().filter(votes).collect();
    let answering = voters.iter().filter(|one| one.reachable != Some(false)).count();
    (2 * answering <= voters.len() && !voters.is_empty()).then(|| {
        format!(
            "{} controllers vote, and {answering} of them can be reached from this one: too few to decide anything; start those that \
             are down, or see docs/operations/lost-quorum.md",
            voters.len()
        )
    })
}

fn of_disk(controller: &Controller) -> Option<String> {
    let free = controller.disk_free_bytes.filter(|free| *free < LITTLE_SPACE)?;
    let (name, megabytes) = (&controller.name, free >> 20);
    Some(format!(
        "controller {name} has {megabytes} MiB left on its disk: free some, for below 32 MiB it takes no writes as leader"
    ))
}

/// Of the controller that answers: each compares its own.
pub(super) fn of_clock(seconds_ahead: i64) -> Option<String> {
    let (seconds, word) = match seconds_ahead {
        0 => return None,
        ahead @ 1.. => (ahead, "ahead of"),
        behind => (-behind, "behind"),
    };
    Some(format!(
        "the clock of the controller that answers is {seconds} s {word} the others'; theirs counts, set this one"
    ))
}

/// A machine may join in the place of a controller, and has not.
pub(super) fn of_waiting(
    controllers: &[Controller],
    token: &npanel_state::Token,
    now: Timestamp,
) -> Option<String> {
    let replaced = token.replaces.filter(|_| token.expires_at > now)?;
    let name = &controllers.iter().find(|one| one.id == replaced)?.name;
    let (until, id) = (token.expires_at, token.id);
    Some(format!(
        "controller {name} is to be replaced: until {until} a machine may join in its place (token {id})"
    ))
}

/// Who keeps the cluster from a feature level that other controllers can go up to.
pub(super) fn of_level(status: &ClusterStatus) -> Option<String> {
    let most = |controller: &Controller| controller.max_feature_level;
    let highest = status.controllers.iter().filter_map(most).max()?;
    let wanted = match status.feature_level_limit {
        Limit::AtMost(limit) => highest.min(u32::try_from(limit).unwrap_or(u32::MAX)),
        Limit::Unlimited => highest,
    };
    if wanted <= status.feature_level {
        return None;
    }
    let keeps = |controller: &&Controller| most(controller).is_none_or(|most| most < wanted);
    let names: Vec<&str> = status.controllers.iter().filter(keeps).map(|one| one.name.as_str()).collect();
    if names.is_empty() {
        // The leader is about to raise it.
        return None;
    }
    Some(format!(
        "the cluster is at feature level {}, and goes to {wanted} once these controllers do, or are removed: {}",
        status.feature_level,
        names.join(", ")
    ))
}

pub(super) fn of_revoked_node(node: &npanel_state::Node) -> String {
    let (name, load) = (&node.name, node.load);
    format!(
        "node {name} is revoked and carries {} web and {} database parts of accounts and {} zones",
        load.web, load.database, load.zones
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn before(now: Timestamp, by: Duration) -> Timestamp {
        Timestamp::from_millis(now.as_millis() - i64::try_from(by.as_millis()).expect("a short time"))
    }

    /// A healthy cluster whose certificates are quite new.
    fn status(now: Timestamp) -> ClusterStatus {
        let lifetimes = Lifetimes::default();
        let controller = |id: u64, role: &str| {
            json!({"id": id, "name": format!("c{id}"), "fleet_address": "192.0.2.1:8444", "role": role,
                "reachable": true, "term": 1, "follows_id": 1, "entries_behind": 0,
                "certificate_expires_at": now.plus(lifetimes.controller)})
        };
        let status = json!({"cluster_id": "x", "controller_id": 1, "leader_id": 1, "term": 1, "applied_index": 9,
            "last_log_index": 9, "node_certificates_expire_at": now.plus(lifetimes.node), "ca_trusted": 1,
            "placement_strategy": "spread", "operation_retention_seconds": 1, "revision": 1,
            "recovery_key": "x",
            "controllers": [controller(1, "leader"), controller(2, "voter"), controller(3, "voter")]});
        serde_json::from_value(status).expect("a status")
    }

    fn told(change: impl FnOnce(&mut ClusterStatus), ca_life: Duration) -> Vec<String> {
        let now = Timestamp::now();
        let mut status = status(now);
        change(&mut status);
        of(&status, Some(now.plus(ca_life)), Lifetimes::default(), now)
    }

    #[test]
    fn a_healthy_cluster_warns_of_nothing() {
        assert_eq!(told(|_| {}, 9 * 365 * DAY), [""; 0]);
    }

    #[test]
    fn each_thing_that_an_operator_should_see_is_said_by_itself() {
        let now = Timestamp::now();
        let lifetimes = Lifetimes::default();
        let long = 9 * 365 * DAY;
        let one = |warnings: Vec<String>, expected: &str| {
            assert!(warnings.len() == 1 && warnings[0].contains(expected), "{expected}: {warnings:?}");
        };
        one(told(|status| status.leader_id = None, long), "no leader is known");
        one(told(|status| status.recovery_key.clear(), long), "no backup can be made");
        one(told(|status| status.controllers[1].reachable = Some(false), long), "c2 cannot be reached");
        one(told(|status| status.controllers[0].disk_free_bytes = Some(40 << 20), long), "40 MiB left");
        one(told(|status| status.controllers[1].entries_behind = Some(10_000), long), "c2 is far behind");
        one(told(|status| status.controllers[1].follows_id = None, long), "c2 answers, and hears no leader");
        let late = now.plus(lifetimes.controller / 5);
        one(
            told(|status| status.controllers[0].certificate_expires_at = Some(late), long),
            "of controller c1 ends at",
        );
        let late = now.plus(lifetimes.node / 5);
        one(
            told(|status| status.node_certificates_expire_at = Some(late), long),
            "a node's certificate ends at",
        );
        let over = before(now, DAY);
        one(
            told(|status| status.node_certificates_expire_at = Some(over), long),
            "a node's certificate ends at",
        );
        one(told(|status| status.ca_trusted = 2, long), "the old one is still trusted");
        one(told(|_| {}, 300 * DAY), "rotate it: npanel ca rotate");
    }

    #[test]
    fn that_too_few_answer_is_said_before_who_does_not() {
        let away = |status: &mut ClusterStatus| {
            for one in &mut status.controllers[1..] {
                one.reachable = Some(false);
            }
        };
        let warnings = told(away, 9 * 365 * DAY);
        assert!(warnings[0].starts_with("3 controllers vote, and 1 of them"), "{warnings:?}");
        assert_eq!(warnings.len(), 3, "{warnings:?}");
    }

    #[test]
    fn a_certificate_that_is_only_due_is_none_to_worry_about() {
        let now = Timestamp::now();
        let due = now.plus(Lifetimes::default().node / 3);
        assert_eq!(told(|status| status.node_certificates_expire_at = Some(due), 9 * 365 * DAY), [""; 0]);
    }

    #[test]
    fn who_keeps_the_cluster_from_a_feature_level_is_named() {
        let now = Timestamp::now();
        let mut status = status(now);
        status.feature_level = 3;
        status.controllers.pop();
        let levels = |status: &mut ClusterStatus, of: [Option<u32>; 2]| {
            for (controller, level) in status.controllers.iter_mut().zip(of) {
                controller.max_feature_level = level;
            }
            of_level(status)
        };
        assert_eq!(levels(&mut status, [Some(3), Some(3)]), None);
        assert_eq!(levels(&mut status, [Some(4), Some(4)]), None, "it is about to be raised");
        for keeps in [Some(3), None] {
            let warning = levels(&mut status, [Some(4), keeps]).expect("c2 keeps it from that");
            assert!(warning.contains("goes to 4") && warning.ends_with(": c2"), "{warning}");
        }
        status.feature_level_limit = Limit::AtMost(3);
        assert_eq!(levels(&mut status, [Some(4), Some(3)]), None, "it is held");
    }

    #[test]
    fn a_clock_that_is_off_is_said_with_its_direction() {
        assert_eq!(of_clock(0), None);
        assert!(of_clock(90).is_some_and(|text| text.contains("90 s ahead of")));
        assert!(of_clock(-90).is_some_and(|text| text.contains("90 s behind")));
    }
}
