//! A cluster that goes on from an older state, with one controller: what `restore` and `recover` have in common.
//!
//! Everything that such a cluster gives out begins with one number, the restoration's: the seconds since 1970, and more than every
//! epoch and every controller's id that the state knows. So it is higher than those that another restoration from the same state has
//! had or will have, without anybody remembering it. It is the epoch, what controllers' ids go on from, and the generation that
//! everything that lives has at least; and the log begins at its 2^20-fold, beyond every index that was ever given.

use std::{path::Path, time::Duration};

use npanel_consensus::{Beginning, begin};
use npanel_model::{ControllerId, Timestamp};
use npanel_pki::{ClusterSecrets, Identity};
use npanel_proto::command::{EnrolController, RestoreCluster, envelope::Command};
use npanel_state::{Standing, Store};

use super::files::Staged;
use crate::{
    authorities::{Authorities, certificate},
    config::Config,
};

/// A million indices a second, at least, are between two restorations: more than any log takes, and JSON's numbers reach them for
/// two centuries.
const INDICES_PER_SECOND: u64 = 1 << 20;

/// So many accounts may have been made at once since the state, and so many more for each second of its age: a fleet of a million
/// accounts that is loaded at full speed, and then grows by 30 million a year.
const UIDS_AT_LEAST: u64 = 100_000;
const UIDS_PER_SECOND: u64 = 1;

/// Nobody goes on from a state that is older, and a clock that is off must not take all uids.
const OLDEST: Duration = Duration::from_secs(2 * 365 * 24 * 3600);

/// The number of a restoration that begins now.
pub(super) fn number(standing: &Standing, now: Timestamp) -> u64 {
    let seconds = u64::try_from(now.as_millis() / 1000).unwrap_or(0);
    seconds.max(standing.epoch + 1).max(standing.next_controller_id.0)
}

/// How many uids may have been given out since the state.
fn uids_passed_over(standing: &Standing, now: Timestamp) -> u32 {
    let age = now.since(standing.clock).min(OLDEST).as_secs();
    u32::try_from(UIDS_AT_LEAST + UIDS_PER_SECOND * age).unwrap_or(u32::MAX)
}

/// Makes a controller, not in its place yet, from the file of a state, which is moved. `keeps`: the controller that goes on; without
/// it, it is a new one.
pub(super) async fn begin_anew(
    config: &Config,
    staged: &Staged,
    state: &Path,
    secrets: &ClusterSecrets,
    keeps: Option<ControllerId>,
) -> anyhow::Result<Begun> {
    let (standing, now) = (Standing::of_file(state)?, Timestamp::now());
    let number = number(&standing, now);
    let id = keeps.unwrap_or(ControllerId(number));
    let (credentials, issued) =
        Authorities::new(secrets.clone(), config.lifetimes)?.certify(Identity::Controller(id), &[])?;
    let command = RestoreCluster {
        epoch: number,
        controller: Some(EnrolController {
            controller_id: id.0,
            name: config.name.to_string(),
            fleet_address: config.fleet_advertise.clone(),
            certificate: Some(certificate(&issued)),
            ..EnrolController::default()
        }),
        from_index: Store::applied_in(state)?.position.map_or(0, |at| at.index),
        uids_passed_over: uids_passed_over(&standing, now),
    };
    let beginning = Beginning {
        id,
        address: config.fleet_advertise.clone(),
        after: number * INDICES_PER_SECOND,
        command: Command::RestoreCluster(command),
    };
    let from = begin(staged.files().root(), state, beginning).await?;
    staged.files().save(&credentials, secrets)?;
    Ok(Begun { id, epoch: number, from_index: from.index, from_term: from.term, state_of: standing.clock })
}

/// What has begun.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) id: ControllerId,
    pub(super) epoch: u64,
    pub(super) from_index: u64,
    pub(super) from_term: u64,
    /// The time of the state's last command.
    pub(super) state_of: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(epoch: u64, next: u64, clock: i64) -> Standing {
        let clock = Timestamp::from_millis(clock);
        Standing {
            epoch,
            feature_level: 4,
            clock,
            next_controller_id: ControllerId(next),
            cluster_keys: Vec::new(),
        }
    }

    #[test]
    fn every_restoration_has_a_higher_number_whatever_it_is_from() {
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        let backup = standing(1, 4, 0);
        let first = number(&backup, at(1_790_000_000));
        assert_eq!(first, 1_790_000_000);
        assert!(
            number(&backup, at(1_790_000_090)) > first + 3,
            "from the same backup, with three controllers meanwhile"
        );
        assert!(number(&standing(first, first + 3, 0), at(1_790_000_000)) >= first + 3, "at once");
        assert!(number(&standing(first, first + 3, 0), at(0)) > first, "by a clock that is wrong");
        let (one, next) = (first * INDICES_PER_SECOND, (first + 1) * INDICES_PER_SECOND);
        assert!(next - one > 1_000_000 && next < 1 << 53);
    }

    #[test]
    fn the_older_the_state_the_more_uids_are_passed_over() {
        let now = Timestamp::from_millis(1_790_000_000_000);
        let age = |seconds: i64| uids_passed_over(&standing(1, 4, now.as_millis() - seconds * 1000), now);
        assert_eq!(age(0), 100_000);
        assert_eq!(age(86_400), 186_400);
        assert_eq!(age(-60), 100_000, "the state's clock was ahead");
        assert!(u64::from(age(1_000_000_000)) < 70_000_000, "there are 247 million");
    }
}
