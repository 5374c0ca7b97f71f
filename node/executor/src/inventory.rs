//! What is on this machine, by the names that only this fleet gives: whoever made it.

use npanel_host::blocking;
use npanel_model::{DatabaseName, DatabaseUserName};
use npanel_services::{ServiceError, cron, nginx};

use crate::{
    Belonging, Belongings, Target,
    failure::PerformError,
    perform::{Machine, accounts},
};

impl Machine {
    pub(crate) async fn inventory(&self, of: Belongings) -> Result<Vec<Belonging>, PerformError> {
        let targets: Vec<Target> = match of {
            Belongings::Accounts => return self.present_accounts().await,
            Belongings::CronTables => {
                cron::accounts(&self.systemd).await?.into_iter().map(Target::CronTable).collect()
            }
            Belongings::Sites => blocking(nginx::sites).await?.into_iter().map(Target::Site).collect(),
            Belongings::Databases => {
                let names = self.mariadb.databases().await?;
                let ours = names.iter().filter_map(|name| name.parse::<DatabaseName>().ok());
                ours.map(Target::Database).collect()
            }
            Belongings::DatabaseUsers => {
                let names = self.mariadb.user_prints(None).await?.into_keys();
                let ours = names.filter_map(|name| name.parse::<DatabaseUserName>().ok());
                ours.map(Target::DatabaseUser).collect()
            }
            Belongings::Zones => {
                let zones = self.zones.clone();
                let names = blocking(move || zones.all()).await?.into_keys();
                names.filter_map(|name| name.parse().ok()).map(Target::Zone).collect()
            }
        };
        Ok(targets.into_iter().map(|target| Belonging { target, username: None }).collect())
    }

    async fn present_accounts(&self) -> Result<Vec<Belonging>, PerformError> {
        let (accounts, _) = accounts()?;
        let present = blocking(move || accounts.present().map_err(ServiceError::from)).await?;
        let belonging = |user: npanel_host::AccountUser| Belonging {
            target: Target::Account(user.uid),
            username: Some(user.username),
        };
        Ok(present.into_iter().map(belonging).collect())
    }
}
