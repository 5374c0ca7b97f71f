//! Unix user names of accounts.

use serde::{Deserialize, Serialize};

use crate::text::text_type;

/// The Unix user name of an account: 1 to 16 of `[a-z0-9]`, beginning with a letter, and not a name that the
/// system, a service or the panel itself uses.
///
/// Sixteen is what cPanel allows, and leaves room in MariaDB's 64 and 80 characters of database and user
/// names for the prefix. No `_`, `-` or `.`: `_` separates the prefix from a database's own name (and is a
/// wildcard in grants), `-` nests systemd slices, `.` separates user and group in chown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Username(String);

/// Why a user name is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UsernameError {
    /// Longer than allowed, or empty.
    #[error("a user name has 1 to 16 characters (got {0})")]
    Length(usize),
    /// A character outside the allowed set, or a digit in front.
    #[error("a user name is lower-case letters and digits, beginning with a letter (got {0:?})")]
    Characters(String),
    /// A name that belongs to the system.
    #[error("the user name {0:?} is reserved")]
    Reserved(String),
}

/// Names that Debian's base-passwd, the managed services, common group names, other distributions' packages
/// and the panel use. Sorted, so that it can be searched.
const RESERVED: &[&str] = &[
    "adm",
    "admin",
    "administrator",
    "amavis",
    "anonymous",
    "apache",
    "apt",
    "audio",
    "avahi",
    "backup",
    "bin",
    "bind",
    "cdrom",
    "chrony",
    "clamav",
    "colord",
    "cpanel",
    "crontab",
    "cyrus",
    "daemon",
    "debian",
    "default",
    "dialout",
    "dip",
    "disk",
    "dnsmasq",
    "docker",
    "dovecot",
    "dovenull",
    "exim",
    "exim4",
    "fax",
    "floppy",
    "ftp",
    "ftpd",
    "games",
    "gdm",
    "geoclue",
    "gnats",
    "guest",
    "halt",
    "hostmaster",
    "http",
    "httpd",
    "info",
    "input",
    "irc",
    "kmem",
    "kvm",
    "list",
    "localhost",
    "lock",
    "lp",
    "mail",
    "mailman",
    "mailnull",
    "majordom",
    "man",
    "mariadb",
    "memcache",
    "memcached",
    "messagebus",
    "munin",
    "mysql",
    "named",
    "netdev",
    "news",
    "nginx",
    "nobody",
    "nogroup",
    "npanel",
    "ntp",
    "openldap",
    "operator",
    "pcp",
    "pdns",
    "plugdev",
    "polkitd",
    "postfix",
    "postgres",
    "postmaster",
    "power",
    "powerdns",
    "proftpd",
    "proxy",
    "pureftpd",
    "rabbitmq",
    "redis",
    "render",
    "root",
    "roundcube",
    "rpc",
    "rpcuser",
    "rtkit",
    "sasl",
    "sgx",
    "shadow",
    "shutdown",
    "spamd",
    "src",
    "ssh",
    "sshd",
    "sslcert",
    "staff",
    "statd",
    "sudo",
    "support",
    "sync",
    "sys",
    "syslog",
    "system",
    "systemd",
    "tape",
    "tcpdump",
    "test",
    "toor",
    "tss",
    "tty",
    "users",
    "utmp",
    "uucp",
    "uuidd",
    "vcsa",
    "vhost",
    "video",
    "virtfs",
    "voice",
    "webmaster",
    "wheel",
    "www",
    "xfs",
];

impl Username {
    /// The longest user name, in characters.
    pub const MAX_LENGTH: usize = 16;

    fn parse_text(text: &str) -> Result<Self, UsernameError> {
        if text.is_empty() || text.len() > Self::MAX_LENGTH {
            return Err(UsernameError::Length(text.chars().count()));
        }
        let all_allowed = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if !all_allowed || !text.starts_with(|first: char| first.is_ascii_lowercase()) {
            return Err(UsernameError::Characters(text.to_owned()));
        }
        if RESERVED.binary_search(&text).is_ok() {
            return Err(UsernameError::Reserved(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

text_type!(Username, UsernameError);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_reserved_names_are_sorted() {
        assert!(RESERVED.is_sorted());
    }

    #[test]
    fn system_names_are_refused() {
        for name in ["root", "mysql", "www", "npanel", "admin"] {
            assert_eq!(name.parse::<Username>(), Err(UsernameError::Reserved(name.into())));
        }
    }

    #[test]
    fn metacharacters_are_refused() {
        for name in [
            "a;id", "$(id)", "`id`", "-oProxy", "a b", "a\n", "../x", "ä", "A", "1a", "a_b", "a-b", "a.b", "",
        ] {
            assert!(name.parse::<Username>().is_err(), "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn what_parses_is_safe_everywhere(text in ".{0,20}") {
            if let Ok(name) = text.parse::<Username>() {
                prop_assert!(name.as_str().bytes().all(|b| b.is_ascii_alphanumeric()));
                prop_assert!(name.as_str().len() <= 16);
            }
        }
    }
}
