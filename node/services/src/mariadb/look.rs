//! Looking at databases and users: all of them at once, by prints, and one in words.

use std::{
    collections::{BTreeMap, BTreeSet, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
};

use npanel_model::{DatabaseName, DatabaseUserName, MysqlPasswordHash};
use sqlx::{AssertSqlSafe, Row, raw_sql};

use super::{Grant, Mariadb, grants, sql};
use crate::{Difference, ServiceError};

/// Every user of this machine with each of its rights: what it may do, by the server's own tables. The password's
/// hash stays in the server: what comes of it is a digest of a digest.
const RIGHTS: &str = "SELECT CONVERT(User USING utf8mb4) AS user, SHA2(Priv, 256) AS entry FROM mysql.global_priv WHERE Host = 'localhost'
UNION ALL SELECT CONVERT(User USING utf8mb4), CONCAT_WS(',', Db, Select_priv, Insert_priv, Update_priv, Delete_priv, Create_priv,
    Drop_priv, Grant_priv, References_priv, Index_priv, Alter_priv, Create_tmp_table_priv, Lock_tables_priv,
    Create_view_priv, Show_view_priv, Create_routine_priv, Alter_routine_priv, Execute_priv, Event_priv,
    Trigger_priv, Delete_history_priv) FROM mysql.db WHERE Host = 'localhost'
UNION ALL SELECT CONVERT(User USING utf8mb4), CONCAT_WS(',', Db, Table_name, Table_priv, Column_priv) FROM mysql.tables_priv
    WHERE Host = 'localhost'
UNION ALL SELECT CONVERT(User USING utf8mb4), CONCAT_WS(',', Db, Routine_name, Proc_priv) FROM mysql.procs_priv
    WHERE Host = 'localhost'
UNION ALL SELECT CONVERT(User USING utf8mb4), Role FROM mysql.roles_mapping WHERE Host = 'localhost'";

impl Mariadb {
    /// The names of all databases.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub async fn databases(&self) -> Result<BTreeSet<String>, ServiceError> {
        let query = "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA";
        let rows = raw_sql(query).fetch_all(self.pool()).await?;
        Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
    }

    /// All users of this machine with a print of their password and rights; or only one.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub async fn user_prints(
        &self,
        only: Option<&DatabaseUserName>,
    ) -> Result<BTreeMap<String, u64>, ServiceError> {
        let query = match only.map(|name| sql::string(name.as_str())) {
            None => RIGHTS.to_owned(),
            Some(Some(name)) => format!("SELECT * FROM ({RIGHTS}) AS rights WHERE user = {name}"),
            Some(None) => return Ok(BTreeMap::new()),
        };
        let mut entries: BTreeMap<String, BTreeSet<Vec<u8>>> = BTreeMap::new();
        for row in raw_sql(AssertSqlSafe(query)).fetch_all(self.pool()).await? {
            entries.entry(row.try_get(0)?).or_default().insert(row.try_get_unchecked(1)?);
        }
        let print = |entries: BTreeSet<Vec<u8>>| {
            let mut hasher = DefaultHasher::new();
            entries.hash(&mut hasher);
            hasher.finish()
        };
        Ok(entries.into_iter().map(|(user, entries)| (user, print(entries))).collect())
    }

    /// What is wrong with a database.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub async fn database_difference(&self, name: &DatabaseName) -> Result<Option<Difference>, ServiceError> {
        let there = self.has_database(name).await?;
        Ok((!there).then(|| Difference::resource(format!("database {name}"), "there", None)))
    }

    /// What is wrong with a database user. Repeats neither passwords nor the names of others' databases.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub async fn user_difference(
        &self,
        name: &DatabaseUserName,
        hash: &MysqlPasswordHash,
        wanted: &[Grant],
        locked: bool,
    ) -> Result<Option<Difference>, ServiceError> {
        let found = match self.shown(name, hash).await? {
            None => None,
            Some(shown) => {
                let rights = shown.grants == grants::wanted(name, wanted);
                match (shown.password, rights) {
                    (true, true) => match (self.is_locked(name).await?, locked) {
                        (is, wanted) if is == wanted => return Ok(None),
                        (true, _) => Some("locked".to_owned()),
                        (false, _) => Some("not locked".to_owned()),
                    },
                    // Its own grants are not told apart from the statement that holds another password.
                    (false, _) => Some("another password".to_owned()),
                    (true, false) => Some("other rights".to_owned()),
                }
            }
        };
        let expected = format!("its password and rights on {} databases", wanted.len());
        Ok(Some(Difference::resource(format!("database user {name}"), expected, found)))
    }
}
