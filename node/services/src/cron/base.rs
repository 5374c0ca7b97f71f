//! What all accounts' jobs share: a target, and the directory of the commands.

use std::{path::Path, time::Duration};

use npanel_host::{Attributes, Directory, Layout, Managed, Owner, ShouldBe, Stages, Systemd, blocking};

use super::TARGET;
use crate::ServiceError;

const TARGET_UNIT: &str = include_str!("templates/cron.target");
const UNIT: Attributes = Attributes { owner: Owner::ROOT, mode: 0o644 };
/// At a boot with many jobs their timers start with the target.
const DEADLINE: Duration = Duration::from_secs(120);

/// The target of all jobs, and the directory of their commands. Answers whether anything was changed.
///
/// # Errors
/// If a file cannot be written or the target not started.
pub async fn ensure_base(systemd: &Systemd, stages: &mut Stages) -> Result<bool, ServiceError> {
    stages.enter("cron-commit");
    let (units_changed, mut changed) = blocking(write).await?;
    changed |= units_changed;
    changed |= systemd.enable(TARGET).await?;
    let is_active = systemd.state(TARGET).await?.is_active();
    if units_changed || !is_active {
        // Not only for the target's own file: systemd wants the timers that were linked when it last read the links, and
        // would start again those of jobs that are gone since.
        systemd.reload_units().await?;
    }
    // Starting a target that is active starts all that it wants, too.
    if !is_active {
        systemd.start(TARGET, DEADLINE).await?;
        changed = true;
    }
    Ok(changed)
}

/// The files that all accounts' jobs share, as they should be.
pub fn managed_base() -> Vec<Managed> {
    let at = |name: &str| Path::new(Layout::UNITS).join(name);
    vec![
        Managed::file(at(TARGET), TARGET_UNIT, UNIT),
        Managed::directory(at(&format!("{TARGET}.wants")), Attributes::new(Owner::ROOT, 0o755)),
        Managed::new(at(&format!("multi-user.target.wants/{TARGET}")), ShouldBe::Enabled),
        Managed::directory(Layout::CRON, Attributes::new(Owner::ROOT, 0o711)),
    ]
}

fn write() -> Result<(bool, bool), ServiceError> {
    let units = Directory::open(Layout::UNITS)?;
    let mut units_changed = units.write(TARGET, TARGET_UNIT.as_bytes(), UNIT)?;
    let wants = format!("{TARGET}.wants");
    units_changed |= units.ensure(&wants, Attributes::new(Owner::ROOT, 0o755))?.1;
    if units_changed {
        units.sync()?;
    }
    let (served, _) = Directory::open("/srv")?.ensure("npanel", Attributes::new(Owner::ROOT, 0o711))?;
    let made = served.ensure("cron", Attributes::new(Owner::ROOT, 0o711))?.1;
    if made {
        served.sync()?;
    }
    Ok((units_changed, made))
}
