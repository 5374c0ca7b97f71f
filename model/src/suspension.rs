//! Why something is not served.

use crate::role::named_enum;

named_enum! {
    /// What kind of reason a suspension has, for programs; the reason in words is for people.
    SuspensionKind, "kind of suspension" {
        /// Something is not paid.
        Billing = "billing",
        /// It did harm.
        Abuse = "abuse",
        /// It used more than it may.
        LimitExceeded = "limit_exceeded",
        /// Something else.
        Other = "other",
    }
}
