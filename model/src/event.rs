//! What the change feed tells: that an object of some kind was made, changed, removed or observed.

use serde::{Deserialize, Serialize};

use crate::{role::named_enum, text::text_type};

named_enum! {
    /// The kinds of objects that the change feed tells of.
    EventKind, "kind of object" {
        /// A tenant.
        Tenant = "tenant",
        /// A plan.
        Plan = "plan",
        /// An account.
        Account = "account",
        /// A domain.
        Domain = "domain",
        /// A database.
        Database = "database",
        /// A database user.
        DatabaseUser = "database_user",
        /// A zone.
        Zone = "zone",
        /// A record set.
        RecordSet = "record_set",
        /// An account's scheduled jobs.
        CronTable = "cron_table",
        /// A node.
        Node = "node",
        /// Something that happened on a node by itself.
        NodeEvent = "node_event",
        /// A bootstrap token.
        Token = "token",
        /// An API key.
        ApiKey = "api_key",
        /// The cluster's settings.
        Cluster = "cluster",
        /// A webhook.
        Webhook = "webhook",
        /// A user.
        User = "user",
        /// A session.
        Session = "session",
        /// An identity provider.
        IdentityProvider = "identity_provider",
        /// A controller.
        Controller = "controller",
        /// A certificate authority.
        Authority = "authority",
    }
}

named_enum! {
    /// What the change feed tells of an object.
    EventChange, "change" {
        /// It was made.
        Created = "created",
        /// What is wanted of it was changed.
        Changed = "changed",
        /// It has gone.
        Deleted = "deleted",
        /// A node said how it stands there.
        Observed = "observed",
    }
}

/// Which events: `*`, `<kind>.*` or a type such as `account.created`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventPattern(String);

/// Text that matches no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an event is '*', '<kind>.*' or a type such as account.created (got {0:?})")]
pub struct EventPatternError(String);

impl EventPattern {
    fn parse_text(text: &str) -> Result<Self, EventPatternError> {
        let refused = || EventPatternError(text.chars().take(100).collect());
        if text != "*" {
            let (kind, change) = text.split_once('.').ok_or_else(refused)?;
            kind.parse::<EventKind>().map_err(|_| refused())?;
            if change != "*" {
                change.parse::<EventChange>().map_err(|_| refused())?;
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether it covers this change of this kind of object.
    pub fn matches(&self, kind: &str, change: &str) -> bool {
        match self.0.split_once('.') {
            None => true,
            Some((of, which)) => of == kind && (which == "*" || which == change),
        }
    }
}

text_type!(EventPattern, EventPatternError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_everything_a_kind_or_a_type() {
        let covers = |pattern: &str, kind: &str, change: &str| {
            pattern.parse::<EventPattern>().expect("a pattern").matches(kind, change)
        };
        assert!(covers("*", "account", "created"));
        assert!(covers("account.*", "account", "created"));
        assert!(!covers("account.*", "domain", "created"));
        assert!(covers("account.created", "account", "created"));
        assert!(!covers("account.created", "account", "deleted"));
        for text in ["", "**", "account", "account.", "*.created", "acount.*", "account.made", "account.*.x"]
        {
            assert!(text.parse::<EventPattern>().is_err(), "{text:?}");
        }
    }
}
