//! Points in time.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// A point in time, to the millisecond, as the leader's clock gave it. RFC 3339 in JSON, milliseconds since
/// 1970-01-01 UTC in storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "jiff::Timestamp", into = "jiff::Timestamp")]
pub struct Timestamp(i64);

impl Timestamp {
    /// The latest time that can be written as RFC 3339: 9999-12-30.
    const LATEST_MILLIS: i64 = 253_402_207_200_000;

    /// Now, by this machine's clock. Not for use inside the state machine.
    pub fn now() -> Self {
        Self(jiff::Timestamp::now().as_millisecond())
    }

    /// From milliseconds since 1970-01-01 UTC; clamped to what a calendar can show.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(0, Self::LATEST_MILLIS))
    }

    /// Milliseconds since 1970-01-01 UTC.
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// This time and `duration` more.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self::from_millis(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long ago `earlier` was; zero if it is not earlier.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }
}

impl From<jiff::Timestamp> for Timestamp {
    fn from(value: jiff::Timestamp) -> Self {
        Self::from_millis(value.as_millisecond())
    }
}

impl From<Timestamp> for jiff::Timestamp {
    fn from(value: Timestamp) -> Self {
        jiff::Timestamp::from_millisecond(value.0).expect("a timestamp is clamped to the calendar's range")
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        jiff::Timestamp::from(*self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_is_a_time_that_can_be_shown() {
        for millis in [i64::MIN, -1, 0, 1, i64::MAX] {
            assert!(!Timestamp::from_millis(millis).to_string().is_empty());
        }
        assert_eq!(Timestamp::from_millis(0).plus(Duration::MAX), Timestamp::from_millis(i64::MAX));
    }
}
