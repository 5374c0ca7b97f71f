//! `[audit_anchor]`: the bucket in which the audit's checkpoints are kept.

use std::time::Duration;

use npanel_reconcile::Anchor;

use super::{bucket, fields::Fields};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A year, and a month to notice that something is missed.
const RETENTION: Duration = Duration::from_secs(400 * 24 * 3600);

/// Ten years: nobody can take back what is locked for longer.
const LONGEST: Duration = Duration::from_secs(3650 * 24 * 3600);

pub(super) fn read(fields: &mut Fields) -> Option<Anchor> {
    let mut section = fields.section_if_there("audit_anchor")?;
    let bucket = bucket::read(&mut section);
    let retention = section.seconds_within("retain_seconds", RETENTION, DAY..=LONGEST);
    fields.end_section(section);
    let ((bucket, prefix), retention) = bucket.zip(retention)?;
    Some(Anchor { bucket, prefix, retention })
}
