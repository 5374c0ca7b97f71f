//! What machines do, and what of an account is placed on them.

/// A word that is not one of the known names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} {got:?} (known: {known})")]
pub struct UnknownName {
    /// What kind of name was expected.
    pub what: &'static str,
    /// What was found.
    pub got: String,
    /// The names there are, separated by commas.
    pub known: String,
}

/// Makes an enum whose values have one name each: in `Display`, `FromStr` and serde.
macro_rules! named_enum {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($(#[$vdoc:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant),* }

        impl $name {
            /// Every value, in order.
            pub const ALL: &[$name] = &[$($name::$variant),*];

            /// The value's name.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text),* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::UnknownName;
            fn from_str(text: &str) -> Result<Self, $crate::UnknownName> {
                match text {
                    $($text => Ok($name::$variant),)*
                    _ => Err($crate::UnknownName {
                        what: $what,
                        got: text.chars().take(40).collect(),
                        known: [$($text),*].join(", "),
                    }),
                }
            }
        }
    };
}
pub(crate) use named_enum;

named_enum! {
    /// What a node is for.
    NodeRole, "node role" {
        /// Serves sites: nginx and PHP, and the accounts' Unix users and homes.
        Web = "web",
        /// Holds databases: MariaDB.
        Database = "database",
        /// Answers DNS: PowerDNS.
        Dns = "dns",
    }
}

named_enum! {
    /// A part of an account that is placed on a node of its own choosing.
    Part, "part" {
        /// Its sites, Unix user and home.
        Web = "web",
        /// Its databases.
        Database = "database",
    }
}

impl Part {
    /// The role a node needs to carry this part.
    pub fn role(self) -> NodeRole {
        match self {
            Part::Web => NodeRole::Web,
            Part::Database => NodeRole::Database,
        }
    }
}

named_enum! {
    /// What a machine that shows a bootstrap token becomes.
    EnrolRole, "role" {
        /// A node.
        Node = "node",
        /// Another controller.
        Controller = "controller",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_role_names_the_known_ones() {
        let error = "mail2".parse::<NodeRole>().expect_err("not a role");
        assert_eq!(error.to_string(), "unknown node role \"mail2\" (known: web, database, dns)");
    }
}
