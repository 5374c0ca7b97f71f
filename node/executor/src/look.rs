//! Looking without changing anything: what differs from what an operation makes, and which of all that was made was
//! touched.

use std::{future::Future, time::Duration};

use npanel_host::{AccountUser, Managed, blocking};
use npanel_model::NodeRole;
use npanel_services::{
    Change, Difference, ServiceError, What, cron, journal, mariadb,
    nginx::{self, SiteSpec},
    packet_filter, php, powerdns, walls,
};
use tokio::time::timeout;

use crate::{
    failure::PerformError,
    made::{PARTS, Thing, hash},
    operation::{Operation, Sweep},
    perform::{Machine, accounts},
    target::Target,
};

/// A service that takes longer to be looked at is not looked at this time.
const PATIENCE: Duration = Duration::from_secs(5);

/// Files, and units that should be active.
type Listed = (Vec<Managed>, Vec<String>);

impl Machine {
    /// What is not as the operation would make it.
    pub(crate) async fn differences(&self, operation: &Operation) -> Result<Vec<Difference>, PerformError> {
        let (files, units) = self.listed(operation).await?;
        let mut differences = blocking(move || Difference::of_files(&files)).await?;
        for unit in units {
            differences.extend(Difference::of_unit(self.systemd.state(&unit).await?));
        }
        match operation {
            Operation::EnsureBase { roles } if roles.contains(&NodeRole::Web) => {
                differences.extend(self.packet_filter_difference().await?);
            }
            Operation::EnsureDatabase { name } => {
                differences.extend(self.mariadb.database_difference(name).await?);
            }
            Operation::EnsureDatabaseUser { name, password_hash, grants, locked } => {
                let user = self.mariadb.user_difference(name, password_hash, grants, *locked);
                differences.extend(user.await?);
            }
            Operation::EnsureZone { zone } => differences.extend(self.powerdns.zone_differences(zone).await?),
            Operation::EnsureAccount { uid, allotment, .. } => {
                differences.extend(php::limits_difference(&self.systemd, *uid, allotment).await?);
            }
            _ => {}
        }
        Ok(differences)
    }

    /// The list that ensuring, previews and the sweep have in common.
    async fn listed(&self, operation: &Operation) -> Result<Listed, PerformError> {
        let (os, guarded, operation) = (self.os.clone(), self.guarded().await, operation.clone());
        let list = move || -> Result<Listed, ServiceError> {
            Ok(match operation {
                Operation::EnsureBase { roles } => {
                    let mut files = Vec::new();
                    if roles.contains(&NodeRole::Web) {
                        let web_gid = nginx::web_group()?;
                        files.extend(packet_filter::managed_base(&os, &guarded)?);
                        files.extend(journal::managed_base());
                        files.extend(walls::managed_base());
                        files.extend(nginx::managed_base(&os, web_gid)?);
                        files.extend(php::managed_base(&os, web_gid)?);
                        files.extend(cron::managed_base());
                    }
                    if roles.contains(&NodeRole::Database) {
                        files.extend(mariadb::managed_base(&os)?);
                    }
                    if roles.contains(&NodeRole::Dns) {
                        files.extend(powerdns::managed_base(&os)?);
                    }
                    (
                        files,
                        roles
                            .iter()
                            .flat_map(|role| os.base_units(*role))
                            .map(|unit| (*unit).to_owned())
                            .collect(),
                    )
                }
                Operation::EnsureAccount { uid, username, php, suspended, .. } => {
                    let user = AccountUser { uid, username };
                    let (files, socket) = php::managed_account(&os, &user, &php, suspended)?;
                    let (accounts, _) = accounts()?;
                    (accounts.managed(&user).into_iter().chain(files).collect(), socket.into_iter().collect())
                }
                Operation::EnsureSite { uid, username, domain, document_root, suspended } => {
                    let user = AccountUser { uid, username };
                    let site = SiteSpec { user, domain, document_root, suspended };
                    let (accounts, web_gid) = accounts()?;
                    (nginx::managed_site(&accounts, web_gid, &site), Vec::new())
                }
                Operation::EnsureCronTable { uid, username, jobs } => {
                    cron::managed_account(&os, &AccountUser { uid, username }, &jobs)?
                }
                _ => Listed::default(),
            })
        };
        Ok(blocking(list).await?)
    }

    pub(crate) async fn packet_filter_difference(&self) -> Result<Option<Difference>, ServiceError> {
        let found = packet_filter::loaded(&self.os).await?;
        let known = self.loaded_rules();
        let good = known.is_none() || known == found;
        Ok((!good).then(|| Difference {
            what: What::Resource("the packet filter's table inet npanel".to_owned()),
            change: if found.is_some() { Change::Replace } else { Change::Create },
            expected: "the rules that were loaded".to_owned(),
            found: if found.is_some() { "other rules" } else { "nothing" }.to_owned(),
        }))
    }

    /// Remembers how things are now that the operation was carried out.
    pub(crate) async fn remember(&self, operation: &Operation, target: Target) -> Result<(), PerformError> {
        let (files, _) = self.listed(operation).await?;
        if let Target::Base(NodeRole::Web) = target {
            self.note_loaded_rules(packet_filter::loaded(&self.os).await?);
        }
        let resource = self.print_of(&target).await?;
        let operation = operation.clone();
        let thing = blocking(move || Ok::<_, ServiceError>(Thing::of(&operation, &files, resource))).await?;
        self.made.remember(target, thing);
        Ok(())
    }

    async fn print_of(&self, target: &Target) -> Result<Option<u64>, ServiceError> {
        Ok(match target {
            Target::DatabaseUser(name) => self.mariadb.user_prints(Some(name)).await?.remove(name.as_str()),
            Target::Zone(name) => {
                let (zones, name) = (self.zones.clone(), name.clone());
                blocking(move || zones.one(&name)).await?
            }
            Target::Base(NodeRole::Web) => self.loaded_rules().map(|rules| hash(&rules)),
            Target::Base(_)
            | Target::Account(_)
            | Target::Site(_)
            | Target::Database(_)
            | Target::CronTable(_) => None,
        })
    }

    /// Looks at the files of a part of everything that was made, and at one of the services. What cannot be
    /// looked at now is looked at next time.
    pub(crate) async fn sweep(&self) -> Result<Sweep, PerformError> {
        let part = self.next_part();
        let things = self.made.part(part);
        let touched = move || -> Result<Vec<Target>, ServiceError> {
            let touched = things.into_iter().filter(|(_, thing)| thing.was_touched());
            Ok(touched.map(|(target, _)| target).collect())
        };
        let mut drifted = blocking(touched).await?;
        match part % PARTS {
            0 => drifted.extend(patiently("units", self.stopped()).await),
            1 => drifted.extend(patiently("databases", self.databases_gone()).await),
            2 => drifted.extend(patiently("database users", self.users_touched()).await),
            3 => drifted.extend(patiently("zones", self.zones_touched()).await),
            _ => drifted.extend(patiently("packet filter", self.rules_touched()).await),
        }
        drifted.sort();
        drifted.dedup();
        Ok(Sweep { executor: self.incarnation, drifted })
    }

    async fn stopped(&self) -> Result<Vec<Target>, ServiceError> {
        let mut drifted = Vec::new();
        for role in NodeRole::ALL {
            let target = Target::Base(*role);
            let down = ["inactive", "failed", "deactivating"];
            if self.made.knows(&target)
                && !self.systemd.list(&down, self.os.base_units(*role)).await?.is_empty()
            {
                drifted.push(target);
            }
        }
        if self.made.knows(&Target::Base(NodeRole::Web)) {
            let stopped = php::stopped(&self.systemd).await?.into_iter().map(Target::Account);
            drifted.extend(stopped.filter(|target| self.made.knows(target)));
            let stopped = cron::stopped(&self.systemd).await?.into_iter().map(Target::CronTable);
            drifted.extend(stopped.filter(|target| self.made.knows(target)));
        }
        Ok(drifted)
    }

    async fn databases_gone(&self) -> Result<Vec<Target>, ServiceError> {
        let known = self.made.select(|target| matches!(target, Target::Database(_)));
        if known.is_empty() {
            return Ok(Vec::new());
        }
        let there = self.mariadb.databases().await?;
        let gone =
            |target: &Target| matches!(target, Target::Database(name) if !there.contains(name.as_str()));
        Ok(known.into_iter().map(|(target, _)| target).filter(gone).collect())
    }

    async fn users_touched(&self) -> Result<Vec<Target>, ServiceError> {
        let known = self.made.select(|target| matches!(target, Target::DatabaseUser(_)));
        if known.is_empty() {
            return Ok(Vec::new());
        }
        let prints = self.mariadb.user_prints(None).await?;
        let touched = |(target, thing): (Target, std::sync::Arc<Thing>)| match &target {
            Target::DatabaseUser(name) if prints.get(name.as_str()).copied() != thing.resource() => {
                Some(target)
            }
            _ => None,
        };
        Ok(known.into_iter().filter_map(touched).collect())
    }

    async fn zones_touched(&self) -> Result<Vec<Target>, ServiceError> {
        let known = self.made.select(|target| matches!(target, Target::Zone(_)));
        if known.is_empty() {
            return Ok(Vec::new());
        }
        let zones = self.zones.clone();
        let prints = blocking(move || zones.all()).await?;
        let touched = |(target, thing): (Target, std::sync::Arc<Thing>)| match &target {
            Target::Zone(name) if prints.get(name.as_str()).copied() != thing.resource() => Some(target),
            _ => None,
        };
        Ok(known.into_iter().filter_map(touched).collect())
    }

    async fn rules_touched(&self) -> Result<Vec<Target>, ServiceError> {
        let base = Target::Base(NodeRole::Web);
        if !self.made.knows(&base) || self.packet_filter_difference().await?.is_none() {
            return Ok(Vec::new());
        }
        Ok(vec![base])
    }
}

async fn patiently(
    what: &'static str,
    look: impl Future<Output = Result<Vec<Target>, ServiceError>>,
) -> Vec<Target> {
    match timeout(PATIENCE, look).await {
        Ok(Ok(drifted)) => drifted,
        Ok(Err(error)) => {
            tracing::debug!(what, %error, "cannot look for drift");
            Vec::new()
        }
        Err(_) => {
            tracing::debug!(what, "looking for drift takes too long");
            Vec::new()
        }
    }
}
