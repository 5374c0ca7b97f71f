//! What all databases of a node share.

use std::{path::Path, time::Duration};

use npanel_host::{
    Attributes, Directory, Layout, Managed, OsProfile, Owner, ShouldBe, Stages, Systemd, blocking,
};
use sqlx::{Row, raw_sql};

use super::Mariadb;
use crate::ServiceError;

const SERVER_CNF: &str = include_str!("templates/server.cnf");
const CONFIGURATION: &str = "90-npanel.cnf";
const FILE: Attributes = Attributes { owner: Owner::ROOT, mode: 0o644 };
/// Recovering after a crash may take a while.
const START: Duration = Duration::from_secs(100);

/// The files that all databases share, as they should be.
pub fn managed_base(os: &OsProfile) -> Vec<Managed> {
    let file = Path::new(os.mariadb_configuration).join(CONFIGURATION);
    let enabled = Path::new(Layout::UNITS).join("multi-user.target.wants").join(os.mariadb_unit);
    vec![Managed::file(file, SERVER_CNF, FILE), Managed::new(enabled, ShouldBe::Enabled)]
}

impl Mariadb {
    /// MariaDB running, started at boot, and answering. Answers whether anything was changed.
    ///
    /// # Errors
    /// If it does not start or answer.
    pub async fn ensure_base(
        &self,
        os: &OsProfile,
        systemd: &Systemd,
        stages: &mut Stages,
    ) -> Result<bool, ServiceError> {
        stages.enter("mariadb-commit");
        let path = os.mariadb_configuration;
        let written = blocking(move || {
            let directory = Directory::open(path)?;
            let written = directory.write(CONFIGURATION, SERVER_CNF.as_bytes(), FILE)?;
            directory.sync().map(|()| written)
        });
        let written = written.await?;
        let mut changed = written | systemd.enable(os.mariadb_unit).await?;
        stages.enter("mariadb-start");
        if !systemd.state(os.mariadb_unit).await?.is_active() {
            systemd.reset_failed(os.mariadb_unit).await?;
            systemd.start(os.mariadb_unit, START).await?;
            changed = true;
        }
        if self.has_a_port().await? {
            systemd.restart(os.mariadb_unit, START).await?;
            changed = true;
        }
        stages.enter("mariadb-verify");
        // The same as in the file, without a restart.
        raw_sql("SET GLOBAL local_infile = 0").execute(self.pool()).await?;
        Ok(changed)
    }

    /// Whether the server still listens on a port, as it did before it read the file.
    async fn has_a_port(&self) -> Result<bool, ServiceError> {
        let row = raw_sql("SELECT @@GLOBAL.skip_networking AS closed").fetch_one(self.pool()).await?;
        let closed: i64 = row.try_get("closed")?;
        Ok(closed == 0)
    }
}
