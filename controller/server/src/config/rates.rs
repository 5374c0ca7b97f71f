//! `[rate_limits]`: how often this controller serves whom.

use std::ops::RangeInclusive;

use super::fields::Fields;
use crate::rates::RateLimits;

/// 0: as often as is asked. More than the most nobody can ask for.
const NUMBERS: RangeInclusive<u64> = 0..=10_000_000;

pub(super) fn read(fields: &mut Fields) -> RateLimits {
    let mut section = fields.section("rate_limits");
    let mut limits = RateLimits::default();
    for (key, limit) in [
        ("key_per_second", &mut limits.key_per_second),
        ("tenant_per_second", &mut limits.tenant_per_second),
        ("address_per_second", &mut limits.address_per_second),
        ("failures_per_minute", &mut limits.failures_per_minute),
    ] {
        // What is wrong is told; what is said instead of it is never used.
        let number = section.number_within(key, u64::from(*limit), NUMBERS);
        *limit = number.and_then(|number| u32::try_from(number).ok()).unwrap_or(*limit);
    }
    fields.end_section(section);
    limits
}
