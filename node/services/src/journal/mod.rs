//! systemd's journal, in which everything on the node logs, the accounts' services too.

use std::{path::Path, time::Duration};

use npanel_host::{Attributes, Directory, Managed, Owner, Stages, Systemd, blocking};

use crate::{
    ServiceError,
    difference::{Difference, UnitEffects, change_at},
};

const TEXT: &str = include_str!("npanel.conf");
const DIRECTORY: &str = "/etc/systemd/journald.conf.d";
const NAME: &str = "npanel.conf";
const UNIT: &str = "systemd-journald.service";
const FILE: Attributes = Attributes { owner: Owner::ROOT, mode: 0o644 };
const DEADLINE: Duration = Duration::from_secs(30);

/// One journal for all users. Answers whether anything was changed.
///
/// # Errors
/// If the file cannot be written or the journal not restarted.
pub async fn ensure_base(systemd: &Systemd, stages: &mut Stages) -> Result<bool, ServiceError> {
    stages.enter("journal-commit");
    let changed = blocking(write).await?;
    if changed {
        // What logs to it keeps its connection: systemd holds them meanwhile.
        systemd.restart(UNIT, DEADLINE).await?;
    }
    Ok(changed)
}

/// The journal's settings, as they should be.
pub fn managed_base() -> Vec<Managed> {
    vec![Managed::file(Path::new(DIRECTORY).join(NAME), TEXT, FILE)]
}

/// What making the journal's settings right, which differ so, does to its unit. It has no checker.
pub fn foresee_base(differences: &[Difference]) -> UnitEffects {
    match change_at(differences, &Path::new(DIRECTORY).join(NAME)) {
        Some(_) => UnitEffects::reload(UNIT),
        None => UnitEffects::default(),
    }
}

fn write() -> Result<bool, ServiceError> {
    let settings = Directory::open("/etc/systemd")?;
    let (directory, _) = settings.ensure("journald.conf.d", Attributes::new(Owner::ROOT, 0o755))?;
    let changed = directory.write(NAME, TEXT.as_bytes(), FILE)?;
    if changed {
        directory.sync()?;
        settings.sync()?;
    }
    Ok(changed)
}
