//! The names of PHP's units.

use npanel_model::Uid;

/// How many pairs of templates there are.
pub(super) const PAIRS: u32 = 100;
/// All sockets and services of accounts.
pub(super) const SOCKETS: &str = "npanel-php*@*.socket";
/// The target that wants every account's socket at boot.
pub(super) const TARGET: &str = "npanel-php.target";

/// The units of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Units {
    /// The socket.
    pub(super) socket: String,
    /// The service.
    pub(super) service: String,
    /// The slice of everything that the account runs.
    pub(super) slice: String,
    /// The socket's template, which a link that enables it leads to.
    pub(super) template: String,
}

impl Units {
    pub(super) fn of(uid: Uid) -> Self {
        let number = number(uid.get() % PAIRS);
        Self {
            socket: format!("npanel-php{number}@{uid}.socket"),
            service: format!("npanel-php{number}@{uid}.service"),
            slice: format!("acct-{number}-{uid}.slice"),
            template: format!("npanel-php{number}@.socket"),
        }
    }

    /// The units that a socket's or service's name belongs to; none if it is not such a name.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        Self::uid_of(name).map(Self::of)
    }

    /// The account that a socket's or service's name belongs to; none if it is not such a name.
    pub(super) fn uid_of(name: &str) -> Option<Uid> {
        let (_, instance) = name.strip_prefix("npanel-php")?.split_once('@')?;
        let (uid, _) = instance.rsplit_once('.')?;
        let uid = Uid::new(uid.parse().ok()?).ok()?;
        let units = Self::of(uid);
        (name == units.socket || name == units.service).then_some(uid)
    }
}

/// The slice of everything that the account runs.
pub(crate) fn slice(uid: Uid) -> String {
    Units::of(uid).slice
}

pub(super) fn number(pair: u32) -> String {
    format!("{pair:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_the_pair_of_its_last_two_digits() {
        let units = Units::of(Uid::new(1_900_000_107).expect("a uid"));
        assert_eq!(units.socket, "npanel-php07@1900000107.socket");
        assert_eq!(units.slice, "acct-07-1900000107.slice");
        assert_eq!(Units::of_name("npanel-php07@1900000107.service"), Some(units));
    }

    #[test]
    fn other_units_are_nobodys() {
        for name in [
            "nginx.service",
            "npanel-php.target",
            "npanel-php08@1900000107.socket",
            "npanel-php00@0.socket",
            "npanel-php07@1900000107.timer",
        ] {
            assert_eq!(Units::of_name(name), None, "{name}");
        }
    }
}
