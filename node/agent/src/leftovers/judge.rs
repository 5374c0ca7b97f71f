//! What of all that is on the machine belongs to no object. Pure.

use std::collections::{BTreeMap, BTreeSet};

use npanel_executor::{Belonging, Belongings, Operation, Target};
use npanel_ledger::Entry;
use npanel_model::{NodeRole, Uid};

/// What a node with these roles can have.
pub(crate) fn kinds(roles: &[NodeRole]) -> Vec<Belongings> {
    let of = |role: &NodeRole| match role {
        NodeRole::Web => &[Belongings::Accounts, Belongings::CronTables, Belongings::Sites][..],
        NodeRole::Database => &[Belongings::Databases, Belongings::DatabaseUsers],
        NodeRole::Dns => &[Belongings::Zones],
    };
    roles.iter().flat_map(of).copied().collect()
}

/// Of which kind it is.
pub(crate) fn kind(target: &Target) -> Option<Belongings> {
    Some(match target {
        Target::Base(_) => return None,
        Target::Account(_) => Belongings::Accounts,
        Target::CronTable(_) => Belongings::CronTables,
        Target::Site(_) => Belongings::Sites,
        Target::Database(_) => Belongings::Databases,
        Target::DatabaseUser(_) => Belongings::DatabaseUsers,
        Target::Zone(_) => Belongings::Zones,
    })
}

/// What an object of the ledger has on the machine; none if nothing of it is left there.
pub(crate) fn target(entry: &Entry) -> Option<Target> {
    entry.bears()?;
    entry.intent().map(npanel_converge::target)
}

/// What belongs to nothing that is known. A database is an administrator's own, whatever its name, unless it is of
/// an account that is left over as well, or of a node that this machine was (`earlier`).
pub(crate) fn leftovers(
    found: Vec<Belonging>,
    known: &BTreeSet<Target>,
    earlier: &BTreeSet<Target>,
) -> Vec<Belonging> {
    let mut left: Vec<Belonging> = found.into_iter().filter(|one| !known.contains(&one.target)).collect();
    let accounts: BTreeSet<String> =
        left.iter().filter_map(|one| one.username.as_ref().map(ToString::to_string)).collect();
    left.retain(|one| match &one.target {
        Target::Database(name) => accounts.contains(name.prefix()) || earlier.contains(&one.target),
        Target::DatabaseUser(name) => accounts.contains(name.prefix()) || earlier.contains(&one.target),
        _ => true,
    });
    left
}

/// By what they are, in words: their names.
pub(crate) fn names(leftovers: &[Belonging]) -> BTreeMap<&'static str, Vec<String>> {
    let mut names: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for one in leftovers {
        let (what, name) = match &one.target {
            Target::Base(_) => continue,
            Target::Account(uid) => {
                ("accounts", one.username.as_ref().map_or(uid.to_string(), ToString::to_string))
            }
            Target::CronTable(uid) => ("scheduled jobs", uid.to_string()),
            Target::Site(domain) => ("sites", domain.to_string()),
            Target::Database(name) => ("databases", name.to_string()),
            Target::DatabaseUser(name) => ("database users", name.to_string()),
            Target::Zone(name) => ("zones", name.to_string()),
        };
        names.entry(what).or_default().push(name);
    }
    names
}

/// What ends the serving of what the machine had as another node, and deletes nothing that is not in that node's
/// ledger: each once, for accounts stay.
pub(crate) fn rest(target: &Target, rested: &mut BTreeSet<Uid>) -> Option<Operation> {
    Some(match target {
        Target::Account(uid) => {
            if !rested.insert(*uid) {
                return None;
            }
            Operation::RestAccount { uid: *uid }
        }
        Target::CronTable(uid) => Operation::RemoveCronTable { uid: *uid },
        Target::Site(domain) => Operation::RemoveSite { domain: domain.clone() },
        Target::Zone(name) => Operation::RemoveZone { name: name.clone() },
        Target::Base(_) | Target::Database(_) | Target::DatabaseUser(_) => return None,
    })
}

/// What removes a leftover for good.
pub(crate) fn discard(leftover: &Belonging) -> Option<Operation> {
    Some(match &leftover.target {
        Target::Account(uid) => {
            Operation::SetAccountAside { uid: *uid, username: leftover.username.clone()? }
        }
        Target::Database(name) => Operation::DropDatabase { name: name.clone() },
        Target::DatabaseUser(name) => Operation::DropDatabaseUser { name: name.clone() },
        target => return rest(target, &mut BTreeSet::new()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(number: u32) -> Uid {
        Uid::new(Uid::FIRST.get() + number).expect("a uid")
    }

    fn account(number: u32, name: &str) -> Belonging {
        Belonging { target: Target::Account(uid(number)), username: Some(name.parse().expect("a name")) }
    }

    fn one(target: Target) -> Belonging {
        Belonging { target, username: None }
    }

    fn database(name: &str) -> Target {
        Target::Database(name.parse().expect("a name"))
    }

    #[test]
    fn what_an_object_has_is_no_leftover_and_an_accounts_name_alone_is_not_it() {
        let known = BTreeSet::from([Target::Account(uid(1)), Target::CronTable(uid(1))]);
        let found = || vec![account(1, "acme"), account(2, "beta"), one(Target::CronTable(uid(1)))];
        assert_eq!(leftovers(found(), &known, &BTreeSet::new()), [account(2, "beta")]);
        let renamed = BTreeSet::from([Target::Account(uid(7))]);
        assert_eq!(leftovers(vec![account(1, "acme")], &renamed, &BTreeSet::new()), [account(1, "acme")]);
    }

    #[test]
    fn an_administrators_own_database_is_never_a_leftover() {
        let found = || ["acme_shop", "beta_shop", "gamma_shop"].map(|name| one(database(name))).to_vec();
        assert_eq!(leftovers(found(), &BTreeSet::new(), &BTreeSet::new()), []);
        let earlier = BTreeSet::from([database("beta_shop")]);
        let left = leftovers([vec![account(1, "acme")], found()].concat(), &BTreeSet::new(), &earlier);
        let expected = [account(1, "acme"), one(database("acme_shop")), one(database("beta_shop"))];
        assert_eq!(left, expected);
        let known = BTreeSet::from([Target::Account(uid(1))]);
        assert_eq!(leftovers([vec![account(1, "acme")], found()].concat(), &known, &BTreeSet::new()), []);
    }

    #[test]
    fn data_is_deleted_by_a_persons_word_alone() {
        let mut rested = BTreeSet::new();
        let all = [account(1, "acme"), one(database("acme_shop")), one(Target::CronTable(uid(1)))];
        let by_itself: Vec<_> = all.iter().filter_map(|one| rest(&one.target, &mut rested)).collect();
        assert_eq!(
            by_itself,
            [Operation::RestAccount { uid: uid(1) }, Operation::RemoveCronTable { uid: uid(1) }]
        );
        assert_eq!(rest(&all[0].target, &mut rested), None, "once is enough");
        assert!(all.iter().all(|one| discard(one).is_some()));
    }
}
