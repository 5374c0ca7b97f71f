//! Bugs that tests put in, to show that they are found. Without the feature `failpoints` there are none.

/// Whether this bug is in.
#[cfg(feature = "failpoints")]
pub(crate) fn is_in(bug: &str) -> bool {
    fail::fail_point!(bug, |_| true);
    false
}

/// Whether this bug is in: there is none.
#[cfg(not(feature = "failpoints"))]
pub(crate) const fn is_in(_: &str) -> bool {
    false
}
