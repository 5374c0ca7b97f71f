//! Databases and their users.

use serde::{Deserialize, Serialize};

use crate::{Secret, Username, role::named_enum, text::text_type};

/// Why a database's or database user's name is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseNameError {
    /// Not of the form.
    #[error("a database name is <account>_<name>, the name 1 to 40 of a-z, 0-9 and '_' (got {0:?})")]
    Form(String),
}

fn check(text: &str) -> Result<String, DatabaseNameError> {
    let refused = || DatabaseNameError::Form(text.chars().take(100).collect());
    let (owner, own) = text.split_once('_').ok_or_else(refused)?;
    owner.parse::<Username>().map_err(|_| refused())?;
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if (1..=40).contains(&own.len()) && own.bytes().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err(refused())
    }
}

macro_rules! database_names {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// `<account>_<name>`: the prefix is the account's user name, so no two accounts can collide; at most
        /// 57 characters, within MariaDB's 64 for a database and 80 for a user.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            fn parse_text(text: &str) -> Result<Self, DatabaseNameError> {
                check(text).map(Self)
            }

            /// The full name of an account's `name`.
            ///
            /// # Errors
            /// If `name` is not 1 to 40 of `a-z`, `0-9` and `_`.
            pub fn of_account(account: &Username, name: &str) -> Result<Self, DatabaseNameError> {
                Self::parse_text(&format!("{account}_{name}"))
            }

            /// The account's user name, which is the prefix.
            pub fn prefix(&self) -> &str {
                self.0.split_once('_').map_or("", |(prefix, _)| prefix)
            }
        }

        text_type!($name, DatabaseNameError);
    )*};
}

database_names! {
    /// A database's name.
    DatabaseName;
    /// A database user's name.
    DatabaseUserName;
}

named_enum! {
    /// What a database user may do in a database.
    Privileges, "privileges" {
        /// Everything that an application needs, schema changes included.
        All = "all",
        /// `SELECT` and `SHOW VIEW`.
        ReadOnly = "read_only",
    }
}

/// A password as MariaDB's `mysql_native_password` stores it: `*` and forty upper-case hexadecimal digits.
/// It is unsalted, so it is treated as a secret: sealed at rest, redacted in `Debug`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MysqlPasswordHash(Secret);

/// Text that is not such a hash. It is not repeated: it may be a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a native password hash: '*' and forty hexadecimal digits")]
pub struct MysqlPasswordHashError;

impl MysqlPasswordHash {
    /// The hash itself.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl std::str::FromStr for MysqlPasswordHash {
    type Err = MysqlPasswordHashError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix('*').ok_or(MysqlPasswordHashError)?;
        let hex = |byte: u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte);
        if digits.len() == 40 && digits.bytes().all(hex) {
            Ok(Self(Secret::new(text)))
        } else {
            Err(MysqlPasswordHashError)
        }
    }
}

impl TryFrom<String> for MysqlPasswordHash {
    type Error = MysqlPasswordHashError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<MysqlPasswordHash> for String {
    fn from(value: MysqlPasswordHash) -> String {
        value.expose().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_is_the_account() {
        let name =
            DatabaseName::of_account(&"acme".parse().expect("a name"), "wp_1").expect("a database name");
        assert_eq!((name.as_str(), name.prefix()), ("acme_wp_1", "acme"));
    }

    #[test]
    fn wildcards_and_quotes_are_refused() {
        for text in [
            "acme", "_x", "acme_", "acme_x%", "acme_`x", "acme_'x", "acme_X", "acme_x y", "mysql_x",
            "acme_x\\", "acme_x\0",
        ] {
            assert!(text.parse::<DatabaseName>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_hash_is_never_printed() {
        let hash: MysqlPasswordHash = format!("*{}", "A".repeat(40)).parse().expect("a hash");
        assert!(!format!("{hash:?}").contains('A'));
        assert!("*abc".parse::<MysqlPasswordHash>().is_err());
        assert!("x' OR '1".parse::<MysqlPasswordHash>().is_err());
    }
}
