//! Refusals: answers, not failures. The same on every replica.

use std::fmt;

use npanel_proto::command;

/// A command that the rules do not allow, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The stable code.
    pub code: RefusalCode,
    /// For people. Never holds a secret.
    pub message: String,
    /// The request's field at fault, as a JSON pointer; may be empty.
    pub field: &'static str,
}

impl Refusal {
    pub(crate) fn new(code: RefusalCode, field: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), field }
    }

    pub(crate) fn not_found(what: &'static str, field: &'static str) -> Self {
        Self::new(RefusalCode::NotFound, field, format!("there is no such {what}"))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<Refusal> for command::Refused {
    fn from(refusal: Refusal) -> Self {
        Self {
            code: refusal.code.as_str().to_owned(),
            message: refusal.message,
            field: refusal.field.to_owned(),
        }
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal),* $(,)?) => {
        /// Why a command was refused. The text is part of the API: it never changes its meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum RefusalCode { $($(#[$doc])* $variant),* }

        impl RefusalCode {
            /// Every code.
            pub const ALL: &[RefusalCode] = &[$(RefusalCode::$variant),*];

            /// The code's text.
            pub fn as_str(self) -> &'static str {
                match self { $(RefusalCode::$variant => $text),* }
            }

            /// The code with this text.
            pub fn from_text(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.as_str() == text)
            }
        }
    };
}

codes! {
    /// The object does not exist, or is not the caller's to see.
    NotFound = "not_found",
    /// The API key does not cover the action, or its tenant may not do it.
    Forbidden = "forbidden",
    /// The API key is unknown, expired or revoked.
    Unauthenticated = "unauthenticated",
    /// The user has a second factor, which was not shown.
    SecondFactorRequired = "second_factor_required",
    /// A value that a well-behaved caller would not send.
    Invalid = "invalid",
    /// The name is someone's already.
    NameTaken = "name_taken",
    /// The name lies beneath or above a name of another account.
    NameOverlaps = "name_overlaps",
    /// A limit of a plan or tenant is reached.
    LimitReached = "limit_reached",
    /// The caller's tenant, or one above it, is suspended.
    TenantSuspended = "tenant_suspended",
    /// The object has changed since the caller read it.
    RevisionMismatch = "revision_mismatch",
    /// Other objects depend on this one.
    InUse = "in_use",
    /// The object is being deleted.
    Deleting = "deleting",
    /// No node can take what was asked for.
    NoNode = "no_node",
    /// A node that carries it has not the room to let it grow.
    NodeFull = "node_full",
    /// A node that carries it is not where its new plan wants its accounts.
    PlacementUnmet = "placement_unmet",
    /// The bootstrap token is unknown, expired, used up or for another role.
    TokenInvalid = "token_invalid",
    /// The certificate shown was not issued, is revoked or is for another key.
    IdentityInvalid = "identity_invalid",
    /// The idempotency key was used with another request.
    IdempotencyKeyReused = "idempotency_key_reused",
    /// What was sealed or digested by a key that has been replaced, or that this controller does not have yet.
    KeyReplaced = "key_replaced",
    /// The provider or feature is not available on this fleet.
    Unavailable = "unavailable",
    /// The cluster is not at the feature level that it takes.
    FeatureLevelTooLow = "feature_level_too_low",
    /// The cluster was made already.
    AlreadyInitialised = "already_initialised",
}
