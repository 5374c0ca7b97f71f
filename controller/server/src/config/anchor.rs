//! `[audit_anchor]`: the bucket in which the audit's checkpoints are kept.

use std::time::Duration;

use npanel_cloud::Bucket;
use npanel_reconcile::Anchor;

use super::{absolute_path, fields::Fields};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A year, and a month to notice that something is missed.
const RETENTION: Duration = Duration::from_secs(400 * 24 * 3600);

/// Ten years: nobody can take back what is locked for longer.
const LONGEST: Duration = Duration::from_secs(3650 * 24 * 3600);

pub(super) fn read(fields: &mut Fields) -> Option<Anchor> {
    let mut section = fields.section_if_there("audit_anchor")?;
    let plain =
        |text: &str| if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(text.to_owned()) };
    let name = section.text("bucket", plain);
    let region = section.text("region", plain);
    let keys_file = section.text("keys_file", absolute_path);
    let prefix = section.text_or("prefix", String::new(), plain);
    let usual = format!("https://s3.{}.amazonaws.com", region.as_deref().unwrap_or_default());
    let retention = section.seconds_within("retain_seconds", RETENTION, DAY..=LONGEST);
    let bucket = name.zip(region).zip(keys_file).and_then(|((name, region), keys_file)| {
        let at = |endpoint: &str| {
            Bucket::new(endpoint, &region, &name, keys_file).map_err(|error| error.to_string())
        };
        match section.text_or("endpoint", usual, plain) {
            Some(endpoint) => section.checked("endpoint", at(&endpoint)),
            None => None,
        }
    });
    fields.end_section(section);
    let ((bucket, prefix), retention) = bucket.zip(prefix).zip(retention)?;
    Some(Anchor { bucket, prefix, retention })
}
