//! `[raft_log]`: how much of the log a controller keeps.

use std::time::Duration;

use npanel_consensus::Retention;

use super::fields::Fields;

/// No more: a restart reads them again.
const ENTRIES: std::ops::RangeInclusive<u64> = 1..=400_000;
const PATIENCE: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);

pub(super) fn read(fields: &mut Fields) -> Retention {
    let default = Retention::default();
    let mut section = fields.section("raft_log");
    let after = section.number_within("snapshot_after_entries", default.snapshot_after_entries, ENTRIES);
    let latest =
        section.number_within("snapshot_at_latest_entries", default.snapshot_at_latest_entries, ENTRIES);
    let kept = section.number_within("kept_entries", default.kept_entries, ENTRIES);
    let patience = section.seconds_within("patience_seconds", default.patience, PATIENCE);
    fields.end_section(section);
    // What is wrong is told; what is said instead of it is never used.
    Retention {
        snapshot_after_entries: after.unwrap_or(default.snapshot_after_entries),
        snapshot_at_latest_entries: latest.unwrap_or(default.snapshot_at_latest_entries),
        kept_entries: kept.unwrap_or(default.kept_entries),
        patience: patience.unwrap_or(default.patience),
    }
}
