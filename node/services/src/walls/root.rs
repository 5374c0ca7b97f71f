//! The directory that is the root of everything that runs as an account. It holds nothing but places to mount at:
//! systemd binds the rest into it, in a mount namespace of each service.

use std::path::Path;

use npanel_host::{Attributes, Directory, Layout, Managed, Owner, Stages, blocking};

use crate::ServiceError;

/// Where something is mounted, parents first.
const PLACES: [(&str, Attributes); 17] = [
    ("dev", OPEN),
    ("etc", OPEN),
    ("home", OPEN),
    ("homes", HIDDEN),
    ("opt", OPEN),
    ("proc", OPEN),
    ("root", HIDDEN),
    ("run", OPEN),
    ("srv", OPEN),
    ("srv/npanel", OPEN),
    ("srv/npanel/cron", OPEN),
    ("srv/npanel/php", OPEN),
    ("sys", OPEN),
    ("tmp", OPEN),
    ("usr", OPEN),
    ("var", OPEN),
    ("var/tmp", OPEN),
];
/// The merged `/usr` of every system that has a profile, and the old name of `/run`, by which PHP finds MariaDB.
const LINKS: [(&str, &str); 5] = [
    ("bin", "usr/bin"),
    ("lib", "usr/lib"),
    ("lib64", "usr/lib64"),
    ("sbin", "usr/sbin"),
    ("var/run", "../run"),
];
const OPEN: Attributes = Attributes { owner: Owner::ROOT, mode: 0o755 };
const FRAME: Attributes = Attributes { owner: Owner::ROOT, mode: 0o711 };
/// Only systemd follows the links to homes: a tenant reads no other's name here.
const HIDDEN: Attributes = Attributes { owner: Owner::ROOT, mode: 0o700 };

/// The root of accounts' processes. Answers whether anything was changed.
///
/// # Errors
/// If a directory or link cannot be made.
pub async fn ensure_base(stages: &mut Stages) -> Result<bool, ServiceError> {
    stages.enter("walls-commit");
    blocking(write).await
}

/// The root of accounts' processes, as it should be.
pub fn managed_base() -> Vec<Managed> {
    let root = Path::new(Layout::ROOT);
    let mut managed = vec![Managed::directory(root, OPEN)];
    managed.extend(PLACES.map(|(place, attributes)| Managed::directory(root.join(place), attributes)));
    managed.extend(LINKS.map(|(name, target)| Managed::link(root.join(name), target)));
    managed
}

fn write() -> Result<bool, ServiceError> {
    let (served, _) = Directory::open("/srv")?.ensure("npanel", FRAME)?;
    let (_, mut changed) = served.own("root", OPEN)?;
    for (place, attributes) in PLACES {
        let (directory, name) = within(place)?;
        if directory.own(name, attributes)?.1 {
            directory.sync()?;
            changed = true;
        }
    }
    for (place, target) in LINKS {
        let (directory, name) = within(place)?;
        if directory.link(name, target)? {
            directory.sync()?;
            changed = true;
        }
    }
    if changed {
        served.sync()?;
    }
    Ok(changed)
}

/// The directory that a place is in, and its name there.
fn within(place: &str) -> Result<(Directory, &str), ServiceError> {
    let (parent, name) = place.rsplit_once('/').unwrap_or(("", place));
    Ok((Directory::open(Path::new(Layout::ROOT).join(parent))?, name))
}
