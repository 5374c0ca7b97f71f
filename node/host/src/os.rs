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
    /// PHP.
    pub php: PhpLayout,
    /// MariaDB's server.
    pub mariadb_program: &'static str,
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

/// Where an operating system has its versions of PHP. `{}` stands for the version.
#[derive(Debug, Clone)]
pub struct PhpLayout {
    /// The FastCGI process manager.
    pub program: &'static str,
    /// What is there if a version is installed.
    pub installed: &'static str,
    /// The unit that the distribution runs it with.
    pub unit: &'static str,
    /// How the version is written in these.
    pub writing: VersionWriting,
}

/// How a version is written in a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionWriting {
    /// `8.2`.
    Dotted,
    /// `82`.
    Bare,
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
    /// Its main configuration, which must include the directory below.
    pub main: &'static str,
    /// Its server.
    pub program: &'static str,
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
    #[error("nPanel has no profile for {id} {version} (supported: debian 12, almalinux 9, amzn 2023)")]
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
    php: PhpLayout {
        program: "/usr/sbin/php-fpm{}",
        installed: "/usr/sbin/php-fpm{}",
        unit: "php{}-fpm.service",
        writing: VersionWriting::Dotted,
    },
    mariadb_program: "/usr/sbin/mariadbd",
    mariadb_unit: "mariadb.service",
    mariadb_run: "/run/mysqld",
    mariadb_socket: "/run/mysqld/mysqld.sock",
    mariadb_configuration: "/etc/mysql/mariadb.conf.d",
    mariadb_data: "/var/lib/mysql",
    powerdns: PowerDnsProfile {
        main: "/etc/powerdns/pdns.conf",
        program: "/usr/sbin/pdns_server",
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

/// With PHP from Remi's repository (several versions side by side, in /opt/remi) and PowerDNS from EPEL. Its MariaDB
/// keeps its socket among its data; nPanel gives it one in /run/mariadb, which the package makes for its pid file, for
/// tenants see the socket's directory.
const ALMALINUX_9: OsProfile = OsProfile {
    name: "almalinux-9",
    php: PhpLayout {
        program: "/opt/remi/php{}/root/usr/sbin/php-fpm",
        installed: "/opt/remi/php{}/root/usr/sbin/php-fpm",
        unit: "php{}-php-fpm.service",
        writing: VersionWriting::Bare,
    },
    mariadb_program: "/usr/libexec/mariadbd",
    mariadb_run: "/run/mariadb",
    mariadb_socket: "/run/mariadb/mariadb.sock",
    mariadb_configuration: "/etc/my.cnf.d",
    powerdns: PowerDnsProfile {
        main: "/etc/pdns/pdns.conf",
        program: "/usr/sbin/pdns_server",
        unit: "pdns.service",
        configuration: "/etc/pdns/pdns.d",
        user: "pdns",
        data: "/var/lib/pdns",
    },
    ..DEBIAN_12
};

/// A web and database node: it has no EPEL, so what else its repositories offer is found out, not assumed. Its PHP is
/// one version at a time, told by the directory of its modules.
const AMAZON_LINUX_2023: OsProfile = OsProfile {
    name: "amazon-linux-2023",
    php: PhpLayout {
        program: "/usr/sbin/php-fpm",
        installed: "/usr/lib64/php{}/modules",
        unit: "php-fpm.service",
        writing: VersionWriting::Dotted,
    },
    ..ALMALINUX_9
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
        let (id, version) = (field("ID"), field("VERSION_ID"));
        let major = version.split('.').next().unwrap_or_default();
        match (id.as_str(), major) {
            ("debian", "12") => Ok(DEBIAN_12),
            ("almalinux", "9") => Ok(ALMALINUX_9),
            ("amzn", "2023") => Ok(AMAZON_LINUX_2023),
            _ => Err(OsError::Unknown { id, version }),
        }
    }

    /// Every profile.
    pub fn all() -> [Self; 3] {
        [DEBIAN_12, ALMALINUX_9, AMAZON_LINUX_2023]
    }

    /// The profile of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|profile| profile.name == name)
    }

    /// The units that run, or have run, wherever a node has this role.
    pub fn base_units(&self, role: NodeRole) -> &'static [&'static str] {
        match role {
            NodeRole::Web => self.web_units,
            NodeRole::Database => self.database_units,
            NodeRole::Dns => self.dns_units,
        }
    }

    /// The roles that this machine cannot fill as it is, and what is missing. Found out, never guessed.
    pub fn missing(&self) -> Vec<(NodeRole, String)> {
        self.missing_in(Path::new("/"))
    }

    fn missing_in(&self, root: &Path) -> Vec<(NodeRole, String)> {
        let found = |role: NodeRole| self.obstacle(role, root).map(|obstacle| (role, obstacle));
        NodeRole::ALL.iter().copied().filter_map(found).collect()
    }

    fn obstacle(&self, role: NodeRole, root: &Path) -> Option<String> {
        let at = |path: &str| root.join(path.trim_start_matches('/'));
        let absent: Vec<&str> =
            self.programs(role).into_iter().filter(|program| !at(program).exists()).collect();
        if !absent.is_empty() {
            return Some(format!("not installed: {}", absent.join(", ")));
        }
        if std::fs::read_to_string(at("/sys/fs/selinux/enforce")).is_ok_and(|text| text.trim() == "1") {
            return Some("SELinux is enforcing, and nPanel does not label files and sockets yet".to_owned());
        }
        match role {
            NodeRole::Web if self.php_versions_in(root).is_empty() => Some("no PHP is installed".to_owned()),
            NodeRole::Dns => self.powerdns.obstacle(&at(self.powerdns.main)),
            NodeRole::Web | NodeRole::Database => None,
        }
    }

    /// The programs that a role cannot do without, PHP apart.
    fn programs(&self, role: NodeRole) -> Vec<&'static str> {
        match role {
            NodeRole::Web => vec![self.nginx.program, self.nft],
            NodeRole::Database => vec![self.mariadb_program],
            NodeRole::Dns => vec![self.powerdns.program],
        }
    }

    /// The FastCGI process manager of a PHP version, whether it is installed or not.
    pub fn php_program(&self, version: &PhpVersion) -> PathBuf {
        PathBuf::from(self.php.program.replace("{}", &self.php.written(version)))
    }

    /// The unit that the distribution runs a PHP version with, for all users together.
    pub fn php_default_unit(&self, version: &PhpVersion) -> String {
        self.php.unit.replace("{}", &self.php.written(version))
    }

    /// The PHP versions that are installed, oldest first.
    pub fn php_versions(&self) -> Vec<PhpVersion> {
        self.php_versions_in(Path::new("/"))
    }

    fn php_versions_in(&self, root: &Path) -> Vec<PhpVersion> {
        let Some((before, after)) = self.php.installed.split_once("{}") else { return Vec::new() };
        let Some((directory, stem)) = before.rsplit_once('/') else { return Vec::new() };
        // What follows the version in its own component, and what is beneath.
        let (tail, beneath) = after.split_once('/').unwrap_or((after, ""));
        let beneath_root = |path: &str| root.join(path.trim_start_matches('/'));
        let Ok(entries) = std::fs::read_dir(beneath_root(directory)) else { return Vec::new() };
        let version = |entry: std::fs::DirEntry| {
            let name = entry.file_name();
            let version = self.php.read(name.to_str()?.strip_prefix(stem)?.strip_suffix(tail)?)?;
            let is_there = beneath.is_empty() || entry.path().join(beneath).exists();
            let can_run = beneath_root(&self.php_program(&version).to_string_lossy()).exists();
            (is_there && can_run).then_some(version)
        };
        let mut found: Vec<PhpVersion> = entries.flatten().filter_map(version).collect();
        found.sort_by_key(numbers);
        found
    }
}

impl PowerDnsProfile {
    /// Whether its main configuration leaves out the directory of ours.
    fn obstacle(&self, main: &Path) -> Option<String> {
        let text = std::fs::read_to_string(main).unwrap_or_default();
        let includes = |line: &str| {
            let (name, value) = line.split_once('=').unwrap_or_default();
            name.trim() == "include-dir" && value.trim() == self.configuration
        };
        let setting = format!("include-dir={}", self.configuration);
        (!text.lines().any(includes)).then(|| format!("{} does not say {setting}", self.main))
    }
}

impl PhpLayout {
    fn written(&self, version: &PhpVersion) -> String {
        match self.writing {
            VersionWriting::Dotted => version.to_string(),
            VersionWriting::Bare => version.as_str().replace('.', ""),
        }
    }

    fn read(&self, text: &str) -> Option<PhpVersion> {
        match self.writing {
            VersionWriting::Dotted => text.parse().ok(),
            // The major version has one digit, as every one ever had.
            VersionWriting::Bare => {
                let (major, minor) = text.split_at_checked(1)?;
                format!("{major}.{minor}").parse().ok()
            }
        }
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
    fn every_system_is_known_by_its_release() {
        for (release, name) in [
            ("ID=\"almalinux\"\nVERSION_ID=\"9.4\"\n", "almalinux-9"),
            ("ID=\"amzn\"\nVERSION_ID=\"2023\"\n", "amazon-linux-2023"),
        ] {
            assert_eq!(OsProfile::of_release(release).expect("a profile").name, name);
            assert_eq!(OsProfile::named(name).expect("a profile").name, name);
        }
        assert!(OsProfile::of_release("ID=almalinux\nVERSION_ID=10.0\n").is_err());
    }

    #[test]
    fn an_unknown_system_is_named() {
        let error = OsProfile::of_release("ID=plan9\nVERSION_ID=4\n").expect_err("unknown");
        assert_eq!(
            error.to_string(),
            "nPanel has no profile for plan9 4 (supported: debian 12, almalinux 9, amzn 2023)"
        );
    }

    fn version(text: &str) -> PhpVersion {
        text.parse().expect("a version")
    }

    #[test]
    fn php_programs_are_found_by_version() {
        let paths = |profile: &OsProfile| {
            (profile.php_program(&version("8.2")), profile.php_default_unit(&version("8.2")))
        };
        for (profile, program, unit) in [
            (DEBIAN_12, "/usr/sbin/php-fpm8.2", "php8.2-fpm.service"),
            (ALMALINUX_9, "/opt/remi/php82/root/usr/sbin/php-fpm", "php82-php-fpm.service"),
            (AMAZON_LINUX_2023, "/usr/sbin/php-fpm", "php-fpm.service"),
        ] {
            assert_eq!(paths(&profile), (PathBuf::from(program), unit.to_owned()), "{}", profile.name);
        }
    }

    /// A machine with these files, and directories for names that end in a slash.
    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a directory");
        for (path, content) in files {
            let path = root.path().join(path.trim_start_matches('/'));
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(path, content).expect("written");
        }
        root
    }

    #[test]
    fn the_installed_php_versions_are_found_on_every_system() {
        let found = |profile: &OsProfile, files: &[(&str, &str)]| {
            let texts = profile.php_versions_in(machine(files).path());
            texts.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let debian = [("/usr/sbin/php-fpm8.2", ""), ("/usr/sbin/php-fpm7.4", ""), ("/usr/sbin/php-fpm", "")];
        assert_eq!(found(&DEBIAN_12, &debian), ["7.4", "8.2"]);
        let alma = [("/opt/remi/php82/root/usr/sbin/php-fpm", ""), ("/opt/remi/php83/root/bin/php", "")];
        assert_eq!(found(&ALMALINUX_9, &alma), ["8.2"]);
        let amazon = [("/usr/sbin/php-fpm", ""), ("/usr/lib64/php8.3/modules/json.so", "")];
        assert_eq!(found(&AMAZON_LINUX_2023, &amazon), ["8.3"]);
        assert!(
            found(&AMAZON_LINUX_2023, &amazon[..1]).is_empty(),
            "a version that nothing tells is not guessed"
        );
    }

    #[test]
    fn what_a_machine_lacks_for_a_role_is_said() {
        let missing = |profile: &OsProfile, files: &[(&str, &str)]| {
            let found = profile.missing_in(machine(files).path());
            found.iter().map(|(role, why)| format!("{role}: {why}")).collect::<Vec<_>>()
        };
        let mut files = vec![
            ("/usr/sbin/nginx", ""),
            ("/usr/sbin/nft", ""),
            ("/usr/libexec/mariadbd", ""),
            ("/usr/sbin/pdns_server", ""),
            ("/etc/pdns/pdns.conf", "# include-dir=/etc/pdns/pdns.d\n"),
        ];
        assert_eq!(
            missing(&ALMALINUX_9, &files),
            [
                "web: no PHP is installed",
                "dns: /etc/pdns/pdns.conf does not say include-dir=/etc/pdns/pdns.d"
            ]
        );
        files[4].1 = "launch=\ninclude-dir=/etc/pdns/pdns.d\n";
        files.push(("/opt/remi/php82/root/usr/sbin/php-fpm", ""));
        assert!(missing(&ALMALINUX_9, &files).is_empty());
        files.push(("/sys/fs/selinux/enforce", "1"));
        assert_eq!(missing(&ALMALINUX_9, &files).len(), 3);
        assert_eq!(
            missing(&AMAZON_LINUX_2023, &files[..3]),
            ["web: no PHP is installed", "dns: not installed: /usr/sbin/pdns_server"]
        );
    }
}
