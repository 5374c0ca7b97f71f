//! How a node is not as an intent wants it.

use std::path::{Path, PathBuf};

use npanel_host::{FileError, Managed, ShouldBe, UnitState};
use serde::{Deserialize, Serialize};

/// Something that is not as it should be. Holds no secret and nothing of a file's contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What it is.
    pub what: What,
    /// What making it right comes to.
    pub change: Change,
    /// What should be.
    pub expected: String,
    /// What is.
    pub found: String,
}

/// What differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Something at a path.
    File(PathBuf),
    /// A unit's state.
    Unit(String),
    /// Something that is no file, in words, such as `database shop`.
    Resource(String),
}

/// What making something right comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// There is nothing yet.
    Create,
    /// There is something else.
    Replace,
    /// There should be nothing.
    Remove,
}

/// What making something right does to units.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitEffects {
    /// Those that read their configuration again or are started anew.
    pub reloads: Vec<String>,
    /// Those that are down and would be started.
    pub starts: Vec<String>,
    /// Those that are up and would be stopped.
    pub stops: Vec<String>,
}

impl UnitEffects {
    /// One unit that reads its configuration again or is started anew.
    pub(crate) fn reload(unit: &str) -> Self {
        Self { reloads: vec![unit.to_owned()], ..Self::default() }
    }

    /// Units that stop.
    pub fn stopping(units: Vec<String>) -> Self {
        Self { stops: units, ..Self::default() }
    }

    /// What differs by units that should be up and are not.
    pub fn starting(differences: &[Difference]) -> Self {
        let down = differences.iter().filter_map(|one| match &one.what {
            What::Unit(unit) => Some(unit.clone()),
            What::File(_) | What::Resource(_) => None,
        });
        Self { starts: down.collect(), ..Self::default() }
    }

    /// These and others. What starts anew because it is down is said to start.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.starts.extend(other.starts);
        self.stops.extend(other.stops);
        self.reloads.extend(other.reloads);
        for units in [&mut self.starts, &mut self.stops, &mut self.reloads] {
            units.sort();
            units.dedup();
        }
        self.reloads.retain(|unit| !self.starts.contains(unit));
        self
    }
}

/// How the thing at a path would change; none if it is as it should be.
pub(crate) fn change_at(differences: &[Difference], path: &Path) -> Option<Change> {
    let is_there = |one: &&Difference| matches!(&one.what, What::File(at) if at == path);
    differences.iter().find(is_there).map(|one| one.change)
}

const NOTHING: &str = "nothing";

impl Difference {
    /// Something that is no file: it should be `expected` and is `found`, or nothing.
    pub(crate) fn resource(what: String, expected: impl Into<String>, found: Option<String>) -> Self {
        let change = if found.is_some() { Change::Replace } else { Change::Create };
        let found = found.unwrap_or_else(|| NOTHING.to_owned());
        Self { what: What::Resource(what), change, expected: expected.into(), found }
    }

    /// A unit that should be active, unless it is.
    pub fn of_unit(state: UnitState) -> Option<Self> {
        let down = !state.is_active();
        down.then(|| Self {
            what: What::Unit(state.unit),
            change: Change::Replace,
            expected: "active".to_owned(),
            found: state.active,
        })
    }

    /// Those of a list that are not as they should be.
    ///
    /// # Errors
    /// If the system refuses to look.
    pub fn of_files(managed: &[Managed]) -> Result<Vec<Self>, FileError> {
        let mut differences = Vec::new();
        for one in managed {
            if let Some(differs) = one.differs()? {
                let change = match (&one.should_be, &differs.found) {
                    (ShouldBe::Absent, _) => Change::Remove,
                    (_, Some(_)) => Change::Replace,
                    (_, None) => Change::Create,
                };
                let found = differs.found.unwrap_or_else(|| NOTHING.to_owned());
                let what = What::File(one.path.clone());
                differences.push(Self { what, change, expected: differs.expected, found });
            }
        }
        Ok(differences)
    }

    /// The removal of those of a list that are there.
    pub fn removing_files(managed: &[Managed]) -> Vec<Self> {
        let there = managed.iter().filter(|one| one.path.symlink_metadata().is_ok());
        there.map(|one| Self::removing(What::File(one.path.clone()))).collect()
    }

    /// The removal of something.
    pub fn removing(what: What) -> Self {
        Self { what, change: Change::Remove, expected: NOTHING.to_owned(), found: "there".to_owned() }
    }
}
