//! A power cut as it is drawn: whose, and when.

use std::{fmt, time::Duration};

use npanel_lossy_disk::{Step, When};

/// Whose power goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    Leader,
    Follower,
    All,
}

/// One cut.
#[derive(Debug, Clone)]
pub(crate) struct Blow {
    pub(crate) whose: Whose,
    /// The step with which it goes.
    pub(crate) when: When,
    /// After so long it goes in any case.
    pub(crate) within: Duration,
    /// How long the power is away.
    pub(crate) dark: Duration,
}

/// Steps that are worth meeting: what is done to which files, and how many of them may pass before.
const MOMENTS: &[(Option<Step>, &str, u32)] = &[
    // An append, its mark, and what is between them.
    (Some(Step::Write), "raft-log/", 60),
    (Some(Step::Sync), "raft-log/", 60),
    // The next segment, the vote and the purge.
    (Some(Step::Rename), "raft-log/", 1),
    (Some(Step::Create), "raft-log/", 1),
    (Some(Step::Remove), "raft-log/", 1),
    (Some(Step::SyncDirectory), "raft-log", 4),
    // A commit, a checkpoint.
    (Some(Step::Write), "state/", 300),
    (Some(Step::Sync), "state/", 3),
    // A snapshot that is made, received, handed on, installed.
    (None, "snapshots/", 40),
    (Some(Step::Rename), "snapshots/", 1),
    (Some(Step::Rename), "state/", 0),
    (Some(Step::SyncDirectory), "snapshots", 1),
    // Anything.
    (None, "", 600),
];

impl Blow {
    pub(crate) fn drawn(chance: &mut fastrand::Rng) -> Self {
        let whose =
            [Whose::Leader, Whose::Leader, Whose::Follower, Whose::Follower, Whose::All][chance.usize(0..5)];
        Self {
            whose,
            when: moment(chance),
            within: Duration::from_millis(chance.u64(300..2500)),
            dark: Duration::from_millis(chance.u64(0..2000)),
        }
    }
}

/// A step that is drawn.
pub(crate) fn moment(chance: &mut fastrand::Rng) -> When {
    let (step, path, most) = MOMENTS[chance.usize(0..MOMENTS.len())];
    When { step, path: path.to_owned(), passing: chance.u32(0..=most) }
}

impl fmt::Display for Blow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let When { step, path, passing } = &self.when;
        write!(
            f,
            "the power of {:?} goes after {passing} of {step:?} {path:?}, or {:?}",
            self.whose, self.within
        )?;
        write!(f, ", for {:?}", self.dark)
    }
}
