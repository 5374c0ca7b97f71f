//! What an account's processes may take of their node.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// What an account's processes may take of their node, all of them together. `None`: as much as there is.
///
/// The bounds keep out what nothing could run with, and what no machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Allotment {
    /// Processor time, in hundredths of one processor: 5 to 51,200.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<u64>,
    /// Memory, in units of 2^20 bytes: 64 to 2^24. Beyond, the kernel ends processes of the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_limit_mb: Option<u64>,
    /// Processes and threads: 16 to 4,194,304.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<u64>,
    /// What is read from the disk of the homes in a second, and as much that is written, in units of 2^20 bytes: 1 to
    /// 1,048,576.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub io_mb_per_second: Option<u64>,
    /// Reads from that disk in a second, and as many writes: 10 to 10,000,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub io_operations_per_second: Option<u64>,
}

/// An amount that nothing can run with, or that no machine has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{least} to {most} (got {got})")]
pub struct AllotmentError {
    /// The field, as a JSON pointer.
    pub field: &'static str,
    least: u64,
    most: u64,
    got: u64,
}

impl Allotment {
    /// The same, if every amount is within its bounds.
    ///
    /// # Errors
    /// Names the first field that is not.
    pub fn checked(self) -> Result<Self, AllotmentError> {
        for (field, value, bounds) in [
            ("/cpu_percent", self.cpu_percent, 5..=51_200),
            ("/memory_limit_mb", self.memory_limit_mb, 64..=1 << 24),
            ("/processes", self.processes, 16..=4_194_304),
            ("/io_mb_per_second", self.io_mb_per_second, 1..=1 << 20),
            ("/io_operations_per_second", self.io_operations_per_second, 10..=10_000_000),
        ] {
            within(field, value, &bounds)?;
        }
        Ok(self)
    }

    /// Whether nothing is limited.
    pub fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }

    /// One text for one allotment; empty if nothing is limited.
    pub fn to_text(self) -> String {
        if self.is_unlimited() {
            return String::new();
        }
        serde_json::to_string(&self).expect("numbers are valid JSON")
    }

    /// The allotment of such a text; nothing is limited by one that is none.
    pub fn of_text(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }
}

fn within(
    field: &'static str,
    value: Option<u64>,
    bounds: &RangeInclusive<u64>,
) -> Result<(), AllotmentError> {
    match value {
        Some(got) if !bounds.contains(&got) => {
            Err(AllotmentError { field, least: *bounds.start(), most: *bounds.end(), got })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_that_nothing_runs_with_is_refused_by_its_field() {
        assert!(Allotment::default().checked().is_ok());
        let starved = Allotment { memory_limit_mb: Some(1), ..Allotment::default() };
        let error = starved.checked().expect_err("too little");
        assert_eq!(
            (error.field, error.to_string()),
            ("/memory_limit_mb", "64 to 16777216 (got 1)".to_owned())
        );
    }

    #[test]
    fn one_allotment_has_one_text() {
        let some = Allotment { processes: Some(100), cpu_percent: Some(50), ..Allotment::default() };
        assert_eq!(some.to_text(), r#"{"cpu_percent":50,"processes":100}"#);
        assert_eq!(Allotment::of_text(&some.to_text()), some);
        assert_eq!(Allotment::default().to_text(), "");
        assert!(Allotment::of_text("").is_unlimited());
    }
}
