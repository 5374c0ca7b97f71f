//! What lies on this machine and belongs to no object of the ledger: of a node that the machine was before, or that
//! lost its ledger. It is told as conditions, and the leader places nothing here while there is any.
//!
//! What the machine had as another node is served no longer: that node's ledger is set aside, so nothing is lost by it.
//! Data (homes, databases) go by a person's word alone.

mod judge;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use npanel_executor::{Belonging, Belongings, Client, Failure, Operation, Output, Target};
use npanel_ledger::Ledger;
use npanel_model::{NodeRole, Timestamp, Uid};
use tokio::{
    task::spawn_blocking,
    time::{interval, sleep, timeout},
};

use crate::{
    Config, owner,
    release::{self, ReleaseError},
    vitals::Vitals,
};

/// When a person discarded what there was.
const DISCARDED: &str = "leftovers-discarded";
/// What there is, for people on the machine: a line each.
const LIST: &str = "leftovers";

/// How long a person's word holds: it was given for what there was then.
const WORD_MILLIS: i64 = 600_000;
/// How soon a person's word is noticed, and a finding confirmed.
const TICK: Duration = Duration::from_secs(5);
/// How soon an executor that does not answer yet is asked again at the start, and for how long.
const SOON: Duration = Duration::from_millis(100);
const FIRST: Duration = Duration::from_secs(3);
/// How many ticks there are between looks: nothing comes by itself, so five minutes do; what there is can go.
const SELDOM: u32 = 60;
const OFTEN: u32 = 6;
/// A list of thousands takes a second; a service that hangs takes for ever.
const PATIENCE: Duration = Duration::from_secs(20);

/// What of the machine belongs to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Known {
    /// Nobody has looked, and the ledger is a new one: there may be anything.
    NotLooked,
    /// By what it is: its names.
    Found(BTreeMap<&'static str, Vec<String>>),
}

impl Default for Known {
    fn default() -> Self {
        Self::Found(BTreeMap::new())
    }
}

/// The leftovers that the daemon last saw, a line each; empty if there are none.
///
/// # Errors
/// If its list cannot be read.
pub fn list(config: &Config) -> io::Result<String> {
    match fs::read_to_string(config.data_directory.join(LIST)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => read,
    }
}

/// Has the daemon remove all leftovers: databases are dropped, homes moved aside.
///
/// # Errors
/// If it cannot be noted.
pub fn discard(config: &Config, now: Timestamp) -> Result<(), ReleaseError> {
    release::note(config, DISCARDED, now)
}

/// What there is to do about a person's word, which is kept until it is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    None,
    Holds,
    Expired,
}

impl Word {
    /// `given`: long ago if there is none.
    fn judge(given: Timestamp, now: Timestamp) -> Self {
        match now.as_millis() - given.as_millis() {
            _ if given.as_millis() == 0 => Self::None,
            age if age <= WORD_MILLIS => Self::Holds,
            _ => Self::Expired,
        }
    }
}

/// What was said of another node's leftovers, or is done, is not to be done again.
pub(crate) fn forget_word(data: &Path) {
    match fs::remove_file(data.join(DISCARDED)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::error!(%error, "the word to discard leftovers cannot be taken away");
        }
        _ => {}
    }
}

/// Looks for them.
pub(crate) struct Leftovers {
    ledger: Arc<Ledger>,
    executor: Client,
    vitals: Vitals,
    kinds: Vec<Belongings>,
    data: PathBuf,
    /// What the machine had as other nodes.
    earlier: BTreeSet<Target>,
    /// Of the last look: what was found then and is still there is no step of something that goes on.
    seen: Option<BTreeSet<Target>>,
    left: Vec<Belonging>,
    rested: BTreeSet<Uid>,
}

impl Leftovers {
    /// Nobody has looked yet.
    pub(crate) fn new(ledger: Arc<Ledger>, vitals: Vitals, roles: &[NodeRole], data: &Path) -> Self {
        if ledger.is_empty() {
            vitals.note_leftovers(Known::NotLooked);
        }
        Self {
            ledger,
            executor: vitals.executor().clone(),
            vitals,
            kinds: judge::kinds(roles),
            data: data.to_owned(),
            earlier: BTreeSet::new(),
            seen: None,
            left: Vec::new(),
            rested: BTreeSet::new(),
        }
    }

    /// Looks for the first time, before anybody gives this node anything: at once where there is a ledger, which says
    /// what it has; with a new one, as soon as the executor answers, for as long as that is worth waiting.
    pub(crate) async fn first_look(&mut self) {
        let data = self.data.clone();
        self.earlier = spawn_blocking(move || had_before(&data)).await.unwrap_or_default();
        if self.ledger.is_empty() {
            let looking = async {
                while !self.look().await {
                    sleep(SOON).await;
                }
            };
            if timeout(FIRST, looking).await.is_err() {
                tracing::warn!("the executor does not answer: it is not known what lies on this machine");
            }
        }
    }

    /// Never ends.
    pub(crate) async fn watch(mut self) {
        let (mut ticks, mut until_look) = (interval(TICK), 0);
        loop {
            ticks.tick().await;
            let is_discarded = self.is_discarded();
            if until_look > 0 && !is_discarded {
                until_look -= 1;
                continue;
            }
            let is_settled = self.look().await;
            let has_changed = if is_discarded { self.discard(is_settled).await } else { self.rest().await };
            until_look = match (is_settled && !has_changed, self.left.is_empty()) {
                (false, _) => 0,
                (true, true) => SELDOM,
                (true, false) => OFTEN,
            };
        }
    }

    /// Whether a person's word holds.
    fn is_discarded(&self) -> bool {
        let given = release::noted(&self.data, DISCARDED);
        match Word::judge(given, Timestamp::now()) {
            Word::None => false,
            Word::Holds => true,
            Word::Expired => {
                tracing::warn!(%given, "leftovers were to be discarded, and not all could be; say it again");
                forget_word(&self.data);
                false
            }
        }
    }

    /// Looks at everything. Answers whether another look would find the same.
    async fn look(&mut self) -> bool {
        let mut found = Vec::new();
        for of in self.kinds.clone() {
            match self.ask(Operation::Inventory { of }).await {
                Ok(Output::Inventory(listed)) => found.extend(listed),
                Ok(_) => {}
                Err(failure) if is_unreachable(&failure) => return false,
                Err(failure) => {
                    tracing::debug!(?of, %failure, "it cannot be seen what is on the machine");
                    let before = self.left.iter().filter(|one| judge::kind(&one.target) == Some(of));
                    found.extend(before.cloned());
                }
            }
        }
        // After it was looked: what is made is in the ledger first.
        let candidates = judge::leftovers(found, &self.known(), &self.earlier);
        let targets: BTreeSet<Target> = candidates.iter().map(|one| one.target.clone()).collect();
        let is_there = |one: &Belonging| self.seen.as_ref().is_none_or(|seen| seen.contains(&one.target));
        let left: Vec<Belonging> = candidates.into_iter().filter(is_there).collect();
        let is_settled = left.len() == targets.len();
        self.seen = Some(targets);
        self.tell(left).await;
        is_settled
    }

    fn known(&self) -> BTreeSet<Target> {
        self.ledger.entries().iter().filter_map(|(_, entry)| judge::target(entry)).collect()
    }

    async fn tell(&mut self, left: Vec<Belonging>) {
        let names = judge::names(&left);
        if left != self.left {
            let counts: Vec<_> =
                names.iter().map(|(what, names)| format!("{} {what}", names.len())).collect();
            tracing::warn!(
                leftovers = counts.join(", "),
                "what belongs to no object of this node has changed"
            );
            let line = |(what, names): (&&str, &Vec<String>)| -> String {
                names.iter().map(|name| format!("{what}: {name}\n")).collect()
            };
            let (text, path) = (names.iter().map(line).collect::<String>(), self.data.join(LIST));
            if let Ok(Err(error)) = spawn_blocking(move || fs::write(path, text)).await {
                tracing::warn!(%error, "the list of leftovers cannot be written");
            }
        }
        self.left = left;
        self.vitals.note_leftovers(Known::Found(names));
    }

    /// Ends the serving of what the machine had as another node. Answers whether anything was to be done.
    async fn rest(&mut self) -> bool {
        let theirs = self.left.iter().filter(|one| self.earlier.contains(&one.target));
        let targets: Vec<Target> = theirs.map(|one| one.target.clone()).collect();
        let mut has_changed = false;
        for target in targets {
            if let Some(operation) = judge::rest(&target, &mut self.rested)
                && !self.known().contains(&target)
            {
                let is_done = self.carry_out(operation).await;
                has_changed |= is_done;
                if let (false, Target::Account(uid)) = (is_done, &target) {
                    self.rested.remove(uid);
                }
            }
        }
        has_changed
    }

    /// Removes all of it. What a leader is about to ask for is no leftover, so there must be one. The word is carried out
    /// once all is gone that a look found which has seen everything.
    async fn discard(&mut self, has_seen_all: bool) -> bool {
        if !self.vitals.is_led() {
            tracing::warn!("leftovers are discarded when a controller leads this node");
            return true;
        }
        let given = release::noted(&self.data, DISCARDED);
        // Accounts last: whose a database is, is told by them.
        let is_account = |one: &&Belonging| matches!(one.target, Target::Account(_));
        let (accounts, others): (Vec<&Belonging>, Vec<&Belonging>) = self.left.iter().partition(is_account);
        let mut all_done = true;
        for leftover in others.into_iter().chain(accounts) {
            if matches!(leftover.target, Target::Account(_)) && !all_done {
                break;
            }
            if let Some(operation) = judge::discard(leftover)
                && !self.known().contains(&leftover.target)
            {
                all_done &= self.carry_out(operation).await;
            }
        }
        if has_seen_all && all_done && release::noted(&self.data, DISCARDED) == given {
            forget_word(&self.data);
        }
        true
    }

    async fn carry_out(&self, operation: Operation) -> bool {
        let name = operation.name();
        match self.executor.run(operation).await {
            Ok(_) => true,
            Err(failure) => {
                tracing::warn!(operation = name, %failure, "a leftover stays");
                false
            }
        }
    }

    async fn ask(&self, operation: Operation) -> Result<Output, Failure> {
        Ok(self.executor.within(PATIENCE).run(operation).await?.output)
    }
}

fn is_unreachable(failure: &Failure) -> bool {
    failure.reason == "ExecutorUnreachable"
}

/// What the ledgers that were set aside name.
fn had_before(data: &Path) -> BTreeSet<Target> {
    let mut had = BTreeSet::new();
    for path in owner::set_aside_before(data).unwrap_or_default() {
        match Ledger::open(&path) {
            Ok(ledger) => had.extend(ledger.entries().iter().filter_map(|(_, entry)| judge::target(entry))),
            Err(error) => tracing::warn!(path = %path.display(), %error, "an earlier ledger cannot be read"),
        }
    }
    had
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_holds_for_ten_minutes() {
        let at = Timestamp::from_millis;
        assert_eq!(Word::judge(at(1_000), at(1_000)), Word::Holds);
        assert_eq!(Word::judge(at(1_000), at(1_000 + WORD_MILLIS)), Word::Holds);
        let later = at(1_001 + WORD_MILLIS);
        assert_eq!(Word::judge(at(1_000), later), Word::Expired, "it was given for what there was then");
        assert_eq!(Word::judge(at(0), later), Word::None);
    }
}
