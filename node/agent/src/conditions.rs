//! What is wrong with this node. Pure: it is told how things are, and says what of it is wrong.

use std::{collections::BTreeMap, time::Duration};

use npanel_converge::{BaseFailure, Slowness};
use npanel_executor::{Capacity, FailedService, FileSystem};
use npanel_model::{Megabytes, NodeCondition, NodeConditionKind as Kind, NodeRole, Timestamp};
use npanel_proto::node;

use crate::leftovers;

/// Below this share of it, in percent, there is little left; it takes a little more to be well again, so that
/// nothing flaps.
const LOW: u64 = 5;
const WELL_AGAIN: u64 = 7;

/// Certificates, time-outs and logs bear this much; see also the heartbeat's own way, which counts as skew.
const SKEW: Duration = Duration::from_secs(10);

/// How things are.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) capacity: Option<Capacity>,
    pub(crate) file_systems: Vec<FileSystem>,
    pub(crate) failed: Vec<FailedService>,
    pub(crate) executor_answers: bool,
    pub(crate) slowness: Option<Slowness>,
    pub(crate) ledger_unwritable: bool,
    /// How far the node's clock is before the leader's, in milliseconds; none if no leader told its time lately.
    pub(crate) clock_ahead_millis: Option<i64>,
    pub(crate) held: usize,
    pub(crate) bases: BTreeMap<NodeRole, BaseFailure>,
    /// What lies here and belongs to no object.
    pub(crate) leftovers: leftovers::Known,
}

/// Which condition: of those with one key there is one at a time.
type Key = (Kind, String, String);

/// Since when what is wrong.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    since: BTreeMap<Key, Timestamp>,
}

impl Conditions {
    /// What is wrong now.
    pub(crate) fn of(&mut self, findings: &Findings, now: Timestamp) -> Vec<NodeCondition> {
        let found = self.judge(findings, now);
        self.since = found
            .iter()
            .map(|one| ((one.kind, one.subject.clone(), one.reason.clone()), one.since))
            .collect();
        found
    }

    fn judge(&self, findings: &Findings, now: Timestamp) -> Vec<NodeCondition> {
        let mut found = Vec::new();
        let mut say = |kind: Kind, subject: &str, reason: &str, message: String, since: Option<Timestamp>| {
            let key = (kind, subject.to_owned(), reason.to_owned());
            let since = since.or(self.since.get(&key).copied()).unwrap_or(now);
            found.push(NodeCondition {
                kind,
                subject: subject.to_owned(),
                reason: reason.to_owned(),
                message,
                since,
            });
        };
        for one in &findings.file_systems {
            let subject = one.names.join(", ");
            if self.is_low(Kind::DiskPressure, &subject, "SpaceLow", one.free.0, one.total.0) {
                let message = format!("{} of {} MB are free", one.free.0, one.total.0);
                say(Kind::DiskPressure, &subject, "SpaceLow", message, None);
            }
            if self.is_low(Kind::DiskPressure, &subject, "InodesLow", one.inodes_free, one.inodes) {
                let message = format!("{} of {} inodes are free", one.inodes_free, one.inodes);
                say(Kind::DiskPressure, &subject, "InodesLow", message, None);
            }
        }
        if let Some(Capacity { memory_total: Megabytes(total), memory_free: Megabytes(free), .. }) =
            findings.capacity
            && self.is_low(Kind::MemoryPressure, "", "MemoryLow", free, total)
        {
            say(Kind::MemoryPressure, "", "MemoryLow", format!("{free} of {total} MB are available"), None);
        }
        for service in &findings.failed {
            let message = format!("the service is {}; its last result is {}", service.state, service.result);
            say(Kind::ServiceFailed, &service.unit, "NotRunning", message, Some(service.since));
        }
        if !findings.executor_answers {
            let message = "the executor does not answer: see npanel-executor.service".to_owned();
            say(Kind::ExecutorUnreachable, "", "NoAnswer", message, None);
        }
        match &findings.slowness {
            Some(Slowness::Slow(name, median, usual)) => {
                let message = format!("half of them take more than {median:.1?}, and usually {usual:.1?}");
                say(Kind::Slow, name, "SlowerThanUsual", message, None);
            }
            Some(Slowness::Hangs(name, for_how_long)) => {
                let message = format!("an operation has been running for {} s", for_how_long.as_secs());
                say(Kind::Slow, name, "OperationHangs", message, None);
            }
            None => {}
        }
        if findings.ledger_unwritable {
            let message = "the ledger cannot be written: new intents are not accepted".to_owned();
            say(Kind::LedgerUnwritable, "", "WriteFailed", message, None);
        }
        let ahead = findings.clock_ahead_millis.unwrap_or_default();
        if Duration::from_millis(ahead.unsigned_abs()) > SKEW {
            let (seconds, word) =
                (ahead.unsigned_abs() / 1000, if ahead > 0 { "ahead of" } else { "behind" });
            let message = format!("the node's clock is {seconds} s {word} the controllers'");
            say(Kind::ClockSkewed, "", "ClockDiffers", message, None);
        }
        if findings.held > 0 {
            let message = format!("{} deletions wait for npanel-node release-deletions", findings.held);
            say(Kind::DeletionsHeld, "", "ManyDeletions", message, None);
        }
        for (role, failure) in &findings.bases {
            let message = failure.message.clone();
            say(Kind::ConfigurationFailed, role.as_str(), &failure.reason, message, Some(failure.since));
        }
        match &findings.leftovers {
            leftovers::Known::NotLooked => {
                let message = "the ledger is a new one, and nobody has looked yet what lies here".to_owned();
                say(Kind::Leftovers, "", "NotLookedYet", message, None);
            }
            leftovers::Known::Found(found) => {
                for (what, names) in found {
                    let message = format!(
                        "{} {what} belong to no object of this node ({}): see npanel-node discard-leftovers",
                        names.len(),
                        first_of(names)
                    );
                    say(Kind::Leftovers, what, "NotOfThisNode", message, None);
                }
            }
        }
        found
    }

    fn is_low(&self, kind: Kind, subject: &str, reason: &str, free: u64, total: u64) -> bool {
        let is_so = self.since.contains_key(&(kind, subject.to_owned(), reason.to_owned()));
        let percent = if is_so { WELL_AGAIN } else { LOW };
        total > 0 && free.saturating_mul(100) < total.saturating_mul(percent)
    }
}

/// So many names that a person knows what it is about; `npanel-node discard-leftovers` shows all.
fn first_of(names: &[String]) -> String {
    const SHOWN: usize = 10;
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN { format!("{shown}, …") } else { shown }
}

/// As messages carry it.
pub(crate) fn to_proto(condition: &NodeCondition) -> node::NodeCondition {
    use node::node_condition::Kind as Wire;
    let kind = match condition.kind {
        Kind::DiskPressure => Wire::DiskPressure,
        Kind::MemoryPressure => Wire::MemoryPressure,
        Kind::ServiceFailed => Wire::ServiceFailed,
        Kind::ExecutorUnreachable => Wire::ExecutorUnreachable,
        Kind::Slow => Wire::Slow,
        Kind::LedgerUnwritable => Wire::LedgerUnwritable,
        Kind::ClockSkewed => Wire::ClockSkewed,
        Kind::DeletionsHeld => Wire::DeletionsHeld,
        Kind::ConfigurationFailed => Wire::ConfigurationFailed,
        Kind::Leftovers => Wire::Leftovers,
        // The controllers say these; a node never does.
        Kind::Revoked | Kind::UnknownObjects => Wire::Unspecified,
    };
    node::NodeCondition {
        kind: kind.into(),
        subject: condition.subject.clone(),
        reason: condition.reason.clone(),
        message: condition.message.chars().take(1000).collect(),
        since_millis: condition.since.as_millis(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn well() -> Findings {
        Findings { executor_answers: true, ..Findings::default() }
    }

    fn disk(free: u64, inodes_free: u64) -> Findings {
        let file_system = FileSystem {
            names: vec!["homes".to_owned()],
            total: Megabytes(1000),
            free: Megabytes(free),
            inodes: 1000,
            inodes_free,
        };
        Findings { file_systems: vec![file_system], ..well() }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn reasons(conditions: &[NodeCondition]) -> Vec<&str> {
        conditions.iter().map(|one| one.reason.as_str()).collect()
    }

    #[test]
    fn nothing_is_wrong_with_a_node_that_is_well() {
        assert_eq!(Conditions::default().of(&well(), at(0)), []);
    }

    #[test]
    fn a_disk_without_space_or_inodes_is_named_and_does_not_flap() {
        let mut conditions = Conditions::default();
        assert_eq!(conditions.of(&disk(50, 50), at(0)), []);
        assert_eq!(reasons(&conditions.of(&disk(49, 49), at(1))), ["SpaceLow", "InodesLow"]);
        let still = conditions.of(&disk(65, 500), at(2));
        assert_eq!((reasons(&still), still[0].since), (vec!["SpaceLow"], at(1)));
        assert_eq!(conditions.of(&disk(70, 500), at(3)), []);
        assert_eq!(conditions.of(&disk(65, 500), at(4)), []);
    }

    #[test]
    fn a_file_system_without_a_bound_on_files_has_no_few() {
        let mut findings = disk(500, 0);
        findings.file_systems[0].inodes = 0;
        assert_eq!(Conditions::default().of(&findings, at(0)), []);
    }

    #[test]
    fn a_clock_that_differs_is_told_in_either_direction() {
        for (ahead, words) in [(11_000, "11 s ahead of"), (-11_000, "11 s behind")] {
            let findings = Findings { clock_ahead_millis: Some(ahead), ..well() };
            let found = Conditions::default().of(&findings, at(0));
            assert!(found[0].message.contains(words), "{}", found[0].message);
        }
        let findings = Findings { clock_ahead_millis: Some(9000), ..well() };
        assert_eq!(Conditions::default().of(&findings, at(0)), []);
    }

    #[test]
    fn leftovers_are_told_by_what_they_are_with_the_first_names() {
        let names = |count: usize| (0..count).map(|number| format!("a{number}")).collect();
        let found = BTreeMap::from([("accounts", names(12)), ("zones", names(1))]);
        let leftovers = leftovers::Known::Found(found);
        let found = Conditions::default().of(&Findings { leftovers, ..well() }, at(0));
        let said: Vec<_> = found.iter().map(|one| (one.kind, one.subject.as_str())).collect();
        assert_eq!(said, [(Kind::Leftovers, "accounts"), (Kind::Leftovers, "zones")]);
        assert!(found[0].message.starts_with("12 accounts") && found[0].message.contains("a9, …"));
    }

    #[test]
    fn everything_has_a_kind_of_its_own() {
        let findings = Findings {
            executor_answers: false,
            ledger_unwritable: true,
            held: 3,
            slowness: Some(Slowness::Hangs("ensure_site", Duration::from_secs(70))),
            failed: vec![FailedService {
                unit: "nginx.service".to_owned(),
                state: "failed".to_owned(),
                result: "exit-code".to_owned(),
                since: at(5),
            }],
            bases: BTreeMap::from([(
                NodeRole::Web,
                BaseFailure { reason: "CheckRefused".to_owned(), message: "no".to_owned(), since: at(6) },
            )]),
            ..well()
        };
        let found = Conditions::default().of(&findings, at(9));
        let kinds: Vec<Kind> = found.iter().map(|one| one.kind).collect();
        assert_eq!(
            kinds,
            [
                Kind::ServiceFailed,
                Kind::ExecutorUnreachable,
                Kind::Slow,
                Kind::LedgerUnwritable,
                Kind::DeletionsHeld,
                Kind::ConfigurationFailed
            ]
        );
        assert_eq!((found[0].since, found[5].since), (at(5), at(6)));
    }
}
