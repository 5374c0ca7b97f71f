//! What all databases of a node share.

use std::{path::Path, time::Duration};

use npanel_host::{
    Attributes, Directory, Layout, Managed, OsProfile, Owner, ShouldBe, Stages, Systemd, blocking,
};
use sqlx::{Row, raw_sql};

use minijinja::context;

use super::Mariadb;
use crate::{
    Difference, ServiceError, UnitEffects,
    difference::change_at,
    template::{RenderError, Syntax, render},
};

const SERVER_CNF: &str = include_str!("templates/server.cnf");
const CONFIGURATION: &str = "90-npanel.cnf";
const FILE: Attributes = Attributes { owner: Owner::ROOT, mode: 0o644 };
/// Recovering after a crash may take a while.
const START: Duration = Duration::from_secs(100);

/// The files that all databases share, as they should be.
///
/// # Errors
/// If one cannot be rendered.
pub fn managed_base(os: &OsProfile) -> Result<Vec<Managed>, ServiceError> {
    let file = Path::new(os.mariadb_configuration).join(CONFIGURATION);
    let enabled = Path::new(Layout::UNITS).join("multi-user.target.wants").join(os.mariadb_unit);
    Ok(vec![Managed::file(file, configuration(os)?, FILE), Managed::new(enabled, ShouldBe::Enabled)])
}

fn configuration(os: &OsProfile) -> Result<String, RenderError> {
    render("server.cnf", Syntax::Plain, SERVER_CNF, context! { socket => os.mariadb_socket })
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
        let (path, text) = (os.mariadb_configuration, configuration(os)?);
        let written = blocking(move || {
            let directory = Directory::open(path)?;
            let written = directory.write(CONFIGURATION, text.as_bytes(), FILE)?;
            directory.sync().map(|()| written)
        });
        let written = written.await?;
        let mut changed = written | systemd.enable(os.mariadb_unit).await?;
        stages.enter("mariadb-start");
        if !systemd.state(os.mariadb_unit).await?.is_active() {
            systemd.reset_failed(os.mariadb_unit).await?;
            systemd.start(os.mariadb_unit, START).await?;
            changed = true;
        } else if written && !Path::new(os.mariadb_socket).exists() {
            // It runs with the socket that its package gave it.
            systemd.restart(os.mariadb_unit, START).await?;
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

    /// Whether making the configuration right starts the server anew: it runs, and does not yet run with it. It has
    /// no checker.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn foresee_base(
        &self,
        os: &OsProfile,
        systemd: &Systemd,
        differences: &[Difference],
    ) -> Result<UnitEffects, ServiceError> {
        if !systemd.state(os.mariadb_unit).await?.is_active() {
            return Ok(UnitEffects::default());
        }
        let file = Path::new(os.mariadb_configuration).join(CONFIGURATION);
        let is_elsewhere = change_at(differences, &file).is_some() && !Path::new(os.mariadb_socket).exists();
        let restarts = is_elsewhere || self.has_a_port().await?;
        Ok(if restarts { UnitEffects::reload(os.mariadb_unit) } else { UnitEffects::default() })
    }

    /// Whether the server still listens on a port, as it did before it read the file.
    async fn has_a_port(&self) -> Result<bool, ServiceError> {
        let row = raw_sql("SELECT @@GLOBAL.skip_networking AS closed").fetch_one(self.pool()).await?;
        let closed: i64 = row.try_get("closed")?;
        Ok(closed == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_system_has_its_socket_in_the_directory_that_tenants_see_and_nothing_else() {
        for os in OsProfile::all() {
            let text = configuration(&os).expect("rendered");
            let set: Vec<_> = text.lines().filter_map(|line| line.split_once(" = ")).collect();
            let expected = [("local_infile", "0"), ("socket", os.mariadb_socket), ("skip_networking", "1")];
            assert_eq!(set, expected, "{}", os.name);
            assert_eq!(Path::new(os.mariadb_socket).parent(), Some(Path::new(os.mariadb_run)), "{}", os.name);
        }
    }
}
