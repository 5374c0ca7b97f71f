//! What differs between operating systems, in one place.

use std::{
    io,
    path::{Path, PathBuf},
};

use npanel_model::{NodeRole, PhpVersion};

/// Paths, units and users of the services as one operating system has them.
#[derive(Debug, Clone)]
pub struct OsProfile {
    /// Its name, such as `debian-12`.
    pub name: &'static str,
    /// nginx.
    pub nginx: NginxProfile,
    /// Where the PHP binaries are; the version follows, then [`OsProfile::php_suffix`].
    pub php_prefix: &'static str,
    /// What follows the version in a PHP binary's name.
    pub php_suffix: &'static str,
    /// MariaDB's unit.
    pub mariadb_unit: &'static str,
    /// The directory of MariaDB's socket, which is all that a tenant sees of other services.
    pub mariadb_run: &'static str,
    /// MariaDB's socket.
    pub mariadb_socket: &'static str,
    /// MariaDB's directory of configuration files.
    pub mariadb_configuration: &'static str,
    /// Where MariaDB keeps its databases.
    pub mariadb_data: &'static str,
    /// PowerDNS.
    pub powerdns: PowerDnsProfile,
    /// The units of a web server; the first is what serves.
    pub web_units: &'static [&'static str],
    /// The units of a database server.
    pub database_units: &'static [&'static str],
    /// The units of a name server.
    pub dns_units: &'static [&'static str],
    /// The packet filter's program.
    pub nft: &'static str,
    /// The program that makes system users.
    pub sysusers: &'static str,
    /// The program that makes directories in /run.
    pub tmpfiles: &'static str,
}

/// nginx as an operating system has it.
#[derive(Debug, Clone)]
pub struct NginxProfile {
    /// Its unit.
    pub unit: &'static str,
    /// Its program.
    pub program: &'static str,
    /// Its directory of configuration files.
    pub configuration: &'static str,
    /// Its directory of logs.
    pub logs: &'static str,
    /// The file with its process id, which the unit knows too.
    pub pid_file: &'static str,
}

/// PowerDNS as an operating system has it.
#[derive(Debug, Clone)]
pub struct PowerDnsProfile {
    /// Its unit.
    pub unit: &'static str,
    /// The directory whose files its configuration includes.
    pub configuration: &'static str,
    /// The user and group that it runs as.
    pub user: &'static str,
    /// Where its database is; owned by that user.
    pub data: &'static str,
}

/// Why the operating system is not known.
#[derive(Debug, thiserror::Error)]
pub enum OsError {
    /// The file that names it cannot be read.
    #[error("cannot read /etc/os-release: {0}")]
    Unreadable(#[from] io::Error),
    /// There is no profile for it.
    #[error("nPanel has no profile for {id} {version} (supported: debian 12)")]
    Unknown {
        /// Its ID.
        id: String,
        /// Its VERSION_ID.
        version: String,
    },
}

const DEBIAN_12: OsProfile = OsProfile {
    name: "debian-12",
    nginx: NginxProfile {
        unit: "nginx.service",
        program: "/usr/sbin/nginx",
        configuration: "/etc/nginx",
        logs: "/var/log/nginx",
        pid_file: "/run/nginx.pid",
    },
    php_prefix: "/usr/sbin/php-fpm",
    php_suffix: "",
    mariadb_unit: "mariadb.service",
    mariadb_run: "/run/mysqld",
    mariadb_socket: "/run/mysqld/mysqld.sock",
    mariadb_configuration: "/etc/mysql/mariadb.conf.d",
    mariadb_data: "/var/lib/mysql",
    powerdns: PowerDnsProfile {
        unit: "pdns.service",
        configuration: "/etc/powerdns/pdns.d",
        user: "pdns",
        data: "/var/lib/powerdns",
    },
    web_units: &["nginx.service", "npanel-packet-filter.service", "npanel-php.target"],
    database_units: &["mariadb.service"],
    dns_units: &["pdns.service"],
    nft: "/usr/sbin/nft",
    sysusers: "/usr/bin/systemd-sysusers",
    tmpfiles: "/usr/bin/systemd-tmpfiles",
};

impl OsProfile {
    /// The profile of this machine.
    ///
    /// # Errors
    /// If there is none for it.
    pub fn detect() -> Result<Self, OsError> {
        Self::of_release(&std::fs::read_to_string("/etc/os-release")?)
    }

    fn of_release(text: &str) -> Result<Self, OsError> {
        let field = |name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            value.unwrap_or_default().trim_matches(['"', '\'']).to_owned()
        };
        match (field("ID"), field("VERSION_ID")) {
            (id, version) if id == "debian" && version == "12" => Ok(DEBIAN_12),
            (id, version) => Err(OsError::Unknown { id, version }),
        }
    }

    /// The profile of that name.
    pub fn named(name: &str) -> Option<Self> {
        [DEBIAN_12].into_iter().find(|profile| profile.name == name)
    }

    /// The FastCGI process manager of a PHP version, whether it is installed or not.
    pub fn php_program(&self, version: &PhpVersion) -> PathBuf {
        PathBuf::from(format!("{}{version}{}", self.php_prefix, self.php_suffix))
    }

    /// The unit that the distribution runs a PHP version with, for all users together.
    pub fn php_default_unit(&self, version: &PhpVersion) -> String {
        format!("php{version}-fpm.service")
    }

    /// The units that run, or have run, wherever a node has this role.
    pub fn base_units(&self, role: NodeRole) -> &'static [&'static str] {
        match role {
            NodeRole::Web => self.web_units,
            NodeRole::Database => self.database_units,
            NodeRole::Dns => self.dns_units,
        }
    }

    /// The PHP versions that are installed, oldest first.
    pub fn php_versions(&self) -> Vec<PhpVersion> {
        let prefix = Path::new(self.php_prefix);
        let (Some(directory), Some(stem)) = (prefix.parent(), prefix.file_name().and_then(|n| n.to_str()))
        else {
            return Vec::new();
        };
        let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
        let version = |name: &str| name.strip_prefix(stem)?.strip_suffix(self.php_suffix)?.parse().ok();
        let mut found: Vec<PhpVersion> =
            entries.flatten().filter_map(|entry| version(entry.file_name().to_str()?)).collect();
        found.sort_by_key(numbers);
        found
    }
}

fn numbers(version: &PhpVersion) -> Vec<u32> {
    version.as_str().split('.').filter_map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_12_is_known() {
        let profile = OsProfile::of_release("PRETTY_NAME=\"x\"\nVERSION_ID=\"12\"\nID=debian\n");
        assert_eq!(profile.expect("a profile").name, "debian-12");
    }

    #[test]
    fn an_unknown_system_is_named() {
        let error = OsProfile::of_release("ID=plan9\nVERSION_ID=4\n").expect_err("unknown");
        assert_eq!(error.to_string(), "nPanel has no profile for plan9 4 (supported: debian 12)");
    }

    #[test]
    fn php_programs_are_found_by_version() {
        let version: PhpVersion = "8.2".parse().expect("a version");
        assert_eq!(DEBIAN_12.php_program(&version), Path::new("/usr/sbin/php-fpm8.2"));
        assert_eq!(DEBIAN_12.php_default_unit(&version), "php8.2-fpm.service");
    }
}
