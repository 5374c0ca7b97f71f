//! Where nPanel keeps things on a node, the same on every operating system.

use std::path::{Path, PathBuf};

use npanel_model::{DocumentRoot, Uid, Username};

/// The paths of a node. Everything here belongs to root; what a tenant owns lies beneath its home.
#[derive(Debug, Clone, Copy)]
pub struct Layout;

impl Layout {
    /// Homes: `<user name>`, root:root 0711.
    pub const HOMES: &str = "/home";
    /// Homes of retired accounts: `<uid>`, until they are purged. root:root 0700.
    pub const RETAINED: &str = ".retained";
    /// Homes that belonged to no account of this node when a person discarded them: `<uid>`. root:root 0700.
    pub const LEFTOVERS: &str = ".leftovers";
    /// Unix users and groups as JSON records, which libnss-systemd reads.
    pub const USERDB: &str = "/etc/userdb";
    /// What each account and site needs in order to be served.
    pub const SERVED: &str = "/srv/npanel";
    /// Beneath it, sites by host name: certificate and links. root:npanel-web 0750.
    pub const SITES: &str = "/srv/npanel/sites";
    /// Answers to ACME challenges, by token. root:npanel-web 0750.
    pub const ACME: &str = "/srv/npanel/acme";
    /// The root of everything that runs as an account. It holds places to mount at only.
    pub const ROOT: &str = "/srv/npanel/root";
    /// Links `<uid>` to homes, by which accounts' units find them. root 0700.
    pub const HOME_LINKS: &str = "/srv/npanel/root/homes";
    /// The same directory to accounts' processes, had they the right to enter it.
    pub const HOME_LINKS_WITHIN: &str = "/homes";
    /// PHP's configuration per account: `<uid>/`, readable by that account alone.
    pub const PHP: &str = "/srv/npanel/php";
    /// Commands of accounts' scheduled jobs: `<uid>/`, readable by that account alone.
    pub const CRON: &str = "/srv/npanel/cron";
    /// PHP's sockets: `<uid>.sock`. root:npanel-web 2750, so that no tenant can reach or unlink one.
    pub const PHP_SOCKETS: &str = "/run/npanel-php";
    /// The executor's own memory: keys, retired uids, last good files. root 0700.
    pub const STATE: &str = "/var/lib/npanel-executor";
    /// systemd's units.
    pub const UNITS: &str = "/etc/systemd/system";
    /// The user and group that the web server runs as.
    pub const WEB_USER: &str = "npanel-web";

    /// An account's home.
    pub fn home(username: &Username) -> PathBuf {
        Path::new(Self::HOMES).join(username.as_str())
    }

    /// The `HOME` of what runs as an account: its own directory in its home, where no visitor and no other account
    /// gets.
    pub fn private(username: &Username) -> PathBuf {
        Self::home(username).join("private")
    }

    /// A document root.
    pub fn document_root(username: &Username, root: &DocumentRoot) -> PathBuf {
        Self::home(username).join(root.as_str())
    }

    /// The socket of an account's PHP.
    pub fn php_socket(uid: Uid) -> PathBuf {
        Path::new(Self::PHP_SOCKETS).join(format!("{uid}.sock"))
    }
}
