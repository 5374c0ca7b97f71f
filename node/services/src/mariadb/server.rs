//! The server, over its socket as root, whom it knows by the kernel's word.

use std::{collections::BTreeSet, time::Duration};

use npanel_host::{OsProfile, Space, Stages, space};
use npanel_model::{DatabaseName, DatabaseUserName, Megabytes, MysqlPasswordHash};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Row,
    mysql::{MySqlConnectOptions, MySqlPool, MySqlPoolOptions},
    raw_sql,
};

use super::{Grant, grants, grants::Shown, sql};
use crate::ServiceError;

/// Statements change shared tables, so more at once gain nothing.
const CONNECTIONS: u32 = 4;
const CONNECT: Duration = Duration::from_secs(20);
/// ER_NONEXISTING_GRANT: there is no such user, or it has no such grant.
const NO_SUCH_GRANT: u16 = 1141;

/// A node's MariaDB. Cheap to clone; connects when it is first needed.
#[derive(Debug, Clone)]
pub struct Mariadb {
    pool: MySqlPool,
    data: &'static str,
}

impl Mariadb {
    /// The server of this machine.
    pub fn new(os: &OsProfile) -> Self {
        let options = MySqlConnectOptions::new()
            .socket(os.mariadb_socket)
            .username("root")
            .charset("utf8mb4")
            // They would hold password hashes.
            .disable_statement_logging();
        let pool = MySqlPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(CONNECT)
            .idle_timeout(Duration::from_secs(300))
            .connect_lazy_with(options);
        Self { pool, data: os.mariadb_data }
    }

    pub(super) fn pool(&self) -> &MySqlPool {
        &self.pool
    }

    /// A database, made if it is not there. Answers whether it was.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn ensure_database(
        &self,
        name: &DatabaseName,
        stages: &mut Stages,
    ) -> Result<bool, ServiceError> {
        stages.enter("check");
        if self.has_database(name).await? {
            return Ok(false);
        }
        self.require_room()?;
        stages.enter("commit");
        let create = format!(
            "CREATE DATABASE IF NOT EXISTS {} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
            sql::identifier(name.as_str())
        );
        self.execute(create).await?;
        stages.enter("verify");
        if self.has_database(name).await? { Ok(true) } else { Err(unverified("the database is not there")) }
    }

    /// Drops a database. Answers whether it was there.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn drop_database(
        &self,
        name: &DatabaseName,
        stages: &mut Stages,
    ) -> Result<bool, ServiceError> {
        stages.enter("commit");
        let there = self.has_database(name).await?;
        self.execute(format!("DROP DATABASE IF EXISTS {}", sql::identifier(name.as_str()))).await?;
        Ok(there)
    }

    /// A user with this password and exactly these grants, who can log in unless it is locked: then its
    /// connections end, too. Answers whether anything was changed. A privilege that is kept is never withdrawn in
    /// between.
    ///
    /// # Errors
    /// If the server refuses, or shows something else afterwards.
    pub async fn ensure_user(
        &self,
        name: &DatabaseUserName,
        hash: &MysqlPasswordHash,
        grants: &[Grant],
        locked: bool,
        stages: &mut Stages,
    ) -> Result<bool, ServiceError> {
        let wanted = grants::wanted(name, grants);
        let good = |shown: &Shown| shown.password && shown.grants == wanted;
        stages.enter("check");
        let found = self.shown(name, hash).await?;
        if found.as_ref().is_some_and(good) && self.is_locked(name).await? == locked {
            return Ok(false);
        }
        self.require_room()?;
        stages.enter("commit");
        if !found.as_ref().is_some_and(|shown| shown.password) {
            self.set_password(name, hash).await?;
        }
        self.set_locked(name, locked).await?;
        let found = found.map(|shown| shown.grants).unwrap_or_default();
        if !found.is_subset(&wanted) {
            self.revoke_others(name, hash, grants, &found).await?;
        }
        for statement in wanted {
            self.execute(statement).await?;
        }
        stages.enter("verify");
        let wanted = grants::wanted(name, grants);
        match self.shown(name, hash).await? {
            Some(shown) if shown.password && shown.grants == wanted => match self.is_locked(name).await? {
                is if is == locked => Ok(true),
                is => Err(unverified(&format!("whether the user is locked is {is}"))),
            },
            Some(shown) if !shown.password => Err(unverified("the user has another password")),
            Some(shown) => Err(unverified(&format!("the user has the grants {:?}", shown.grants))),
            None => Err(unverified("the user is not there")),
        }
    }

    /// Drops a user. Answers whether it was there.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn drop_user(
        &self,
        name: &DatabaseUserName,
        stages: &mut Stages,
    ) -> Result<bool, ServiceError> {
        stages.enter("commit");
        let there = self.show_grants(name).await?.is_some();
        self.execute(format!("DROP USER IF EXISTS {}", sql::account(name.as_str()))).await?;
        Ok(there)
    }

    /// On a full disk a statement does not fail: it waits for somebody to make room, and whoever needs the same table
    /// waits for it. So what would write is not begun.
    fn require_room(&self) -> Result<(), ServiceError> {
        match space(self.data) {
            Ok(Space { free: Megabytes(0), .. }) => {
                Err(ServiceError::Full { service: "mariadb", at: self.data })
            }
            // What cannot be asked is for the server to find out.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    async fn set_password(
        &self,
        name: &DatabaseUserName,
        hash: &MysqlPasswordHash,
    ) -> Result<(), ServiceError> {
        let unwritable = || ServiceError::Password("not a hash".to_owned());
        let hash = sql::string(hash.expose()).ok_or_else(unwritable)?;
        let user = sql::account(name.as_str());
        for verb in ["CREATE USER IF NOT EXISTS", "ALTER USER"] {
            let statement = format!("{verb} {user} IDENTIFIED VIA mysql_native_password USING {hash}");
            // The server's text may repeat the statement, and with it the hash.
            self.execute(statement).await.map_err(|error| ServiceError::Password(code(&error)))?;
        }
        Ok(())
    }

    /// Locks the user and ends its connections, which a lock leaves open; or unlocks it.
    async fn set_locked(&self, name: &DatabaseUserName, locked: bool) -> Result<(), ServiceError> {
        let user = sql::account(name.as_str());
        if !locked {
            return Ok(self.execute(format!("ALTER USER {user} ACCOUNT UNLOCK")).await?);
        }
        self.execute(format!("ALTER USER {user} ACCOUNT LOCK")).await?;
        Ok(self.execute(format!("KILL HARD CONNECTION USER {user}")).await?)
    }

    pub(super) async fn is_locked(&self, name: &DatabaseUserName) -> Result<bool, ServiceError> {
        let statement = format!("SHOW CREATE USER {}", sql::account(name.as_str()));
        let row = raw_sql(AssertSqlSafe(statement)).fetch_one(&self.pool).await?;
        // The row holds the password's hash. No name has a space in it.
        Ok(row.try_get::<String, _>(0)?.contains(" ACCOUNT LOCK"))
    }

    /// Takes everything from the user that it should not have: on other databases all, on its own ones what
    /// is too much.
    async fn revoke_others(
        &self,
        name: &DatabaseUserName,
        hash: &MysqlPasswordHash,
        grants: &[Grant],
        found: &BTreeSet<String>,
    ) -> Result<(), ServiceError> {
        let user = sql::account(name.as_str());
        for database in self.granted_databases(name).await? {
            let kept = grants.iter().find(|grant| sql::pattern(grant.database.as_str()) == database);
            let exact = kept.is_some_and(|grant| found.contains(&grants::statement(name, grant)));
            if !exact {
                let on = sql::identifier(&database);
                // The option first: without it, the last privilege takes the whole grant away.
                self.revoke(format!("REVOKE GRANT OPTION ON {on}.* FROM {user}")).await?;
                self.revoke(format!("REVOKE ALL PRIVILEGES ON {on}.* FROM {user}")).await?;
            }
        }
        // What is left is not on a whole database: global, or on tables, columns, routines. Nobody grants such.
        let left = self.shown(name, hash).await?.map(|shown| shown.grants).unwrap_or_default();
        if !left.is_subset(&grants::wanted(name, grants)) {
            self.execute(format!("REVOKE ALL PRIVILEGES, GRANT OPTION FROM {user}")).await?;
        }
        Ok(())
    }

    /// Carries out a revocation; what is not granted need not be revoked.
    async fn revoke(&self, statement: String) -> Result<(), ServiceError> {
        match self.execute(statement).await {
            Err(error) if code(&error) == NO_SUCH_GRANT.to_string() => Ok(()),
            done => Ok(done?),
        }
    }

    pub(super) async fn shown(
        &self,
        name: &DatabaseUserName,
        hash: &MysqlPasswordHash,
    ) -> Result<Option<Shown>, ServiceError> {
        Ok(self.show_grants(name).await?.map(|rows| Shown::read(&rows, name, hash)))
    }

    /// The rows of `SHOW GRANTS`; none if there is no such user. They hold the password's hash.
    async fn show_grants(&self, name: &DatabaseUserName) -> Result<Option<Vec<String>>, ServiceError> {
        let statement = format!("SHOW GRANTS FOR {}", sql::account(name.as_str()));
        match raw_sql(AssertSqlSafe(statement)).fetch_all(&self.pool).await {
            Ok(rows) => {
                let rows = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
                Ok(Some(rows))
            }
            Err(error) if code(&error) == NO_SUCH_GRANT.to_string() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The patterns of databases that the user has grants on.
    async fn granted_databases(&self, name: &DatabaseUserName) -> Result<Vec<String>, ServiceError> {
        let unwritable = || ServiceError::Password("not a user's name".to_owned());
        let user = sql::string(name.as_str()).ok_or_else(unwritable)?;
        let query = format!(
            "SELECT CONVERT(Db USING utf8mb4) FROM mysql.db WHERE User = {user} AND Host = 'localhost'"
        );
        let rows = raw_sql(AssertSqlSafe(query)).fetch_all(&self.pool).await?;
        Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
    }

    pub(super) async fn has_database(&self, name: &DatabaseName) -> Result<bool, ServiceError> {
        let unwritable = || ServiceError::Password("not a database's name".to_owned());
        let name = sql::string(name.as_str()).ok_or_else(unwritable)?;
        let query = format!("SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {name}");
        Ok(!raw_sql(AssertSqlSafe(query)).fetch_all(&self.pool).await?.is_empty())
    }

    async fn execute(&self, statement: String) -> Result<(), sqlx::Error> {
        raw_sql(AssertSqlSafe(statement)).execute(&self.pool).await.map(|_| ())
    }
}

/// The server's number of an error, or what kind of error it is.
fn code(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => match error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
            Some(error) => error.number().to_string(),
            None => "refused".to_owned(),
        },
        _ => "connection lost".to_owned(),
    }
}

fn unverified(detail: &str) -> ServiceError {
    ServiceError::Unverified { service: "mariadb", detail: detail.to_owned() }
}
