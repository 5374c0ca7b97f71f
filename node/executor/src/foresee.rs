//! What an operation would change, without changing anything: the differences, what becomes of units, and whether a
//! checker refuses it. Where a service has a checker that leaves no trace, it is given the configuration aside.

use npanel_host::{AccountUser, Layout, blocking};
use npanel_model::NodeRole;
use npanel_services::{
    Difference, ServiceError, UnitEffects, What, cron, journal, nginx, packet_filter, php, powerdns,
};

use crate::{
    failure::PerformError,
    operation::{Operation, Preview},
    perform::{Machine, accounts},
};

impl Machine {
    /// What an operation would change. Fails as the operation would, as far as that shows before it is tried.
    pub(crate) async fn preview(&self, operation: &Operation) -> Result<Preview, PerformError> {
        if let Operation::EnsureAccount { uid, username, .. } = operation {
            let user = AccountUser { uid: *uid, username: username.clone() };
            let (accounts, _) = accounts()?;
            blocking(move || accounts.check_allowed(&user)).await?;
        }
        let differences = match operation.removes() {
            Some(_) => self.removals(operation).await?,
            None => self.differences(operation).await?,
        };
        let units = self.units(operation, &differences).await?.and(UnitEffects::starting(&differences));
        Ok(Preview { differences, units })
    }

    /// What becomes of units that are up. Sites, databases and zones concern none.
    async fn units(
        &self,
        operation: &Operation,
        differences: &[Difference],
    ) -> Result<UnitEffects, ServiceError> {
        Ok(match operation {
            Operation::EnsureBase { roles } => {
                let mut effects = UnitEffects::default();
                for role in roles {
                    effects = effects.and(self.units_of_base(*role, differences).await?);
                }
                effects
            }
            Operation::EnsureAccount { uid, username, php, suspended, .. } => {
                let user = AccountUser { uid: *uid, username: username.clone() };
                let (os, systemd) = (&self.os, &self.systemd);
                let own = php::foresee_account(os, systemd, &user, php, *suspended, differences).await?;
                let jobs = if *suspended { cron::waiting(systemd, *uid).await? } else { Vec::new() };
                own.and(UnitEffects::stopping(jobs))
            }
            Operation::RetireAccount { uid, .. } => {
                UnitEffects::stopping(php::running(&self.systemd, *uid).await?)
            }
            Operation::EnsureCronTable { uid, username, jobs } => {
                let user = AccountUser { uid: *uid, username: username.clone() };
                cron::foresee_account(&self.os, &self.systemd, &user, jobs).await?
            }
            Operation::RemoveCronTable { uid } => {
                UnitEffects::stopping(cron::waiting(&self.systemd, *uid).await?)
            }
            _ => UnitEffects::default(),
        })
    }

    async fn units_of_base(
        &self,
        role: NodeRole,
        differences: &[Difference],
    ) -> Result<UnitEffects, ServiceError> {
        let (os, systemd) = (&self.os, &self.systemd);
        Ok(match role {
            NodeRole::Web => {
                let loaded = self.packet_filter_difference().await?.is_none();
                packet_filter::foresee_base(os, &self.guarded().await, differences, loaded)
                    .await?
                    .and(nginx::foresee_base(os, systemd, differences).await?)
                    .and(php::foresee_base(os, systemd).await?)
                    .and(journal::foresee_base(differences))
            }
            NodeRole::Database => self.mariadb.foresee_base(os, systemd, differences).await?,
            NodeRole::Dns => powerdns::foresee_base(os, differences),
        })
    }

    async fn removals(&self, operation: &Operation) -> Result<Vec<Difference>, PerformError> {
        let resource = |there: bool, what: String| {
            if there { vec![Difference::removing(What::Resource(what))] } else { Vec::new() }
        };
        Ok(match operation {
            Operation::RetireAccount { uid, username } => {
                let user = AccountUser { uid: *uid, username: username.clone() };
                let (accounts, _) = accounts()?;
                let managed = accounts.managed(&user).into_iter().chain(php::removed_with_account(&user));
                // The home is moved aside whole.
                let home = Layout::home(username);
                let managed: Vec<_> = managed.filter(|one| one.path.parent() != Some(&home)).collect();
                blocking(move || Ok::<_, ServiceError>(Difference::removing_files(&managed))).await?
            }
            Operation::RemoveSite { domain } => {
                Difference::removing_files(&[nginx::managed_of_domain(domain)])
            }
            Operation::RemoveCronTable { uid } => {
                Difference::removing_files(&cron::removed_with_account(*uid)?)
            }
            Operation::DropDatabase { name } => {
                let missing = self.mariadb.database_difference(name).await?.is_some();
                resource(!missing, format!("database {name}"))
            }
            Operation::DropDatabaseUser { name } => {
                let there = self.mariadb.user_prints(Some(name)).await?.contains_key(name.as_str());
                resource(there, format!("database user {name}"))
            }
            Operation::RemoveZone { name } => {
                resource(self.powerdns.has_zone(name).await?, format!("zone {name}"))
            }
            _ => Vec::new(),
        })
    }
}
