//! What a user's grants should be, as `SHOW GRANTS` writes them.

use std::collections::BTreeSet;

use npanel_model::{DatabaseUserName, MysqlPasswordHash, Privileges};

use super::{Grant, sql};

/// A user's grants as the server shows them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// Whether the user has this password.
    pub(super) password: bool,
    /// All grants but the one that says that the user exists.
    pub(super) grants: BTreeSet<String>,
}

impl Shown {
    /// Reads the rows of `SHOW GRANTS`.
    pub(super) fn read(rows: &[String], user: &DatabaseUserName, hash: &MysqlPasswordHash) -> Self {
        let usage = format!("GRANT USAGE ON *.* TO {}", sql::account(user.as_str()));
        let with_password = format!("{usage} IDENTIFIED BY PASSWORD '{}'", hash.expose());
        let password = rows.contains(&with_password);
        let grants = rows.iter().filter(|row| **row != with_password && **row != usage).cloned().collect();
        Self { password, grants }
    }
}

/// The privileges as SQL names them, in the server's order.
fn privileges(privileges: Privileges) -> &'static str {
    match privileges {
        Privileges::All => "ALL PRIVILEGES",
        Privileges::ReadOnly => "SELECT, SHOW VIEW",
    }
}

/// The statement of one grant, which is also the row that the server then shows.
pub(super) fn statement(user: &DatabaseUserName, grant: &Grant) -> String {
    let database = sql::identifier(&sql::pattern(grant.database.as_str()));
    let user = sql::account(user.as_str());
    format!("GRANT {} ON {database}.* TO {user}", privileges(grant.privileges))
}

/// The rows that should be shown.
pub(super) fn wanted(user: &DatabaseUserName, grants: &[Grant]) -> BTreeSet<String> {
    grants.iter().map(|grant| statement(user, grant)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_written_as_the_server_shows_it() {
        let user: DatabaseUserName = "acme_app".parse().expect("a name");
        let database = "acme_wp".parse().expect("a name");
        let grant = Grant { database, privileges: Privileges::All };
        let row = r"GRANT ALL PRIVILEGES ON `acme\_wp`.* TO `acme_app`@`localhost`";
        assert_eq!(statement(&user, &grant), row);
        let hash: MysqlPasswordHash = format!("*{}", "0".repeat(40)).parse().expect("a hash");
        let usage = format!(
            "GRANT USAGE ON *.* TO `acme_app`@`localhost` IDENTIFIED BY PASSWORD '*{}'",
            "0".repeat(40)
        );
        let shown = Shown::read(&[usage, row.to_owned()], &user, &hash);
        assert_eq!(shown, Shown { password: true, grants: wanted(&user, &[grant]) });
    }

    #[test]
    fn another_password_is_noticed() {
        let user: DatabaseUserName = "acme_app".parse().expect("a name");
        let hash: MysqlPasswordHash = format!("*{}", "1".repeat(40)).parse().expect("a hash");
        let usage = "GRANT USAGE ON *.* TO `acme_app`@`localhost`".to_owned();
        assert!(!Shown::read(&[usage], &user, &hash).password);
    }
}
