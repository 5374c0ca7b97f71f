//! Which addresses may be connected to.

use std::{
    collections::HashSet,
    fmt,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use futures::future::BoxFuture;
use npanel_model::Network;

use super::public::is_public;

/// The fleet's own addresses, public ones too: controllers, nodes, and this machine.
pub trait OwnAddresses: Send + Sync + 'static {
    /// As they are now. The error says why they are not known.
    fn all(&self) -> BoxFuture<'_, Result<Arc<HashSet<IpAddr>>, String>>;
}

/// Addresses that do not change; for a fleet that has none, and for tests.
#[derive(Debug, Default)]
pub struct FixedAddresses(pub Arc<HashSet<IpAddr>>);

impl OwnAddresses for FixedAddresses {
    fn all(&self) -> BoxFuture<'_, Result<Arc<HashSet<IpAddr>>, String>> {
        Box::pin(std::future::ready(Ok(Arc::clone(&self.0))))
    }
}

/// What an operator says of outgoing connections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outside {
    /// Networks that are connected to although they are not public. An address of the fleet, or a link-local one, is
    /// allowed by itself alone, not as one of many.
    pub allowed: Vec<Network>,
    /// Networks that are not connected to although they are public.
    pub refused: Vec<Network>,
}

/// Why an address is not connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inside {
    /// It is not of the Internet at large.
    NotPublic,
    /// It is one of the fleet's own.
    OfFleet,
    /// The operator says so.
    Refused,
}

impl fmt::Display for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotPublic => "it is not public",
            Self::OfFleet => "it is one of the fleet's own",
            Self::Refused => "it is in outgoing.refused_networks",
        })
    }
}

#[derive(Clone)]
pub(super) struct Rule {
    outside: Arc<Outside>,
    own: Arc<dyn OwnAddresses>,
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule").field("outside", &self.outside).finish_non_exhaustive()
    }
}

impl Rule {
    pub(super) fn new(outside: Outside, own: Arc<dyn OwnAddresses>) -> Self {
        Self { outside: Arc::new(outside), own }
    }

    /// Judges each of the addresses; the error says why the fleet's own are not known, without which nothing is connected to.
    pub(super) async fn judge(
        &self,
        addresses: impl IntoIterator<Item = IpAddr>,
    ) -> Result<Vec<(IpAddr, Result<(), Inside>)>, String> {
        let own = self.own.all().await?;
        let judged = |address: IpAddr| (address, self.outside.judge(&own, address.to_canonical()));
        Ok(addresses.into_iter().map(judged).collect())
    }
}

impl Outside {
    fn judge(&self, own: &HashSet<IpAddr>, address: IpAddr) -> Result<(), Inside> {
        // An IPv4 address is what it is also where it is reached through IPv6.
        let leads_to = carried(address).map_or(address, IpAddr::V4);
        let mut allowing = self.allowed.iter().filter(|network| network.contains(address));
        if allowing.clone().any(Network::is_one_address) {
            return Ok(());
        }
        if own.contains(&address) || own.contains(&leads_to) {
            return Err(Inside::OfFleet);
        }
        let refuses = |network: &Network| network.contains(address) || network.contains(leads_to);
        if self.refused.iter().any(refuses) {
            return Err(Inside::Refused);
        }
        let is_link_local = is_link_local(address) || is_link_local(leads_to);
        let is_allowed = !is_link_local && allowing.next().is_some();
        if is_allowed || is_public(address) { Ok(()) } else { Err(Inside::NotPublic) }
    }
}

/// Where the machine's own cloud answers, with its credentials.
fn is_link_local(address: IpAddr) -> bool {
    const EC2: [u16; 8] = [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254];
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.segments()[0] & 0xffc0 == 0xfe80 || address.segments() == EC2,
    }
}

/// The IPv4 address that one of IPv6 leads to: NAT64 (RFC 6052), 6to4 (RFC 3056).
fn carried(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return None };
    let bits = match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            u32::from(high) << 16 | u32::from(low)
        }
        _ => return None,
    };
    Some(Ipv4Addr::from_bits(bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(allowed: &[&str], own: &[&str], address: &str) -> Result<(), Inside> {
        let networks = allowed.iter().map(|text| text.parse().expect("a network")).collect();
        let outside = Outside { allowed: networks, refused: vec!["9.9.9.0/24".parse().expect("a network")] };
        let own = own.iter().map(|text| text.parse().expect("an address")).collect();
        outside.judge(&own, address.parse::<IpAddr>().expect("an address").to_canonical())
    }

    #[test]
    fn the_operator_may_allow_networks_of_their_own() {
        for address in ["10.1.2.3", "::ffff:10.1.2.3"] {
            assert_eq!(judge(&["10.1.0.0/16"], &[], address), Ok(()));
            assert_eq!(judge(&["10.2.0.0/16"], &[], address), Err(Inside::NotPublic));
        }
        assert_eq!(judge(&["0.0.0.0/0"], &[], "127.0.0.1"), Ok(()));
    }

    #[test]
    fn what_answers_with_a_machines_credentials_is_allowed_by_itself_alone() {
        for (address, wide) in [
            ("169.254.169.254", "169.254.0.0/16"),
            ("169.254.169.254", "0.0.0.0/0"),
            ("fd00:ec2::254", "fd00::/8"),
            ("fe80::1", "::/0"),
            ("::ffff:169.254.169.254", "169.254.0.0/16"),
            ("64:ff9b::a9fe:a9fe", "::/0"),
            ("2002:a9fe:a9fe::1", "::/0"),
        ] {
            assert_eq!(judge(&[wide], &[], address), Err(Inside::NotPublic), "{address} in {wide}");
            assert_eq!(judge(&[address.trim_start_matches("::ffff:")], &[], address), Ok(()), "{address}");
        }
    }

    #[test]
    fn the_fleets_own_addresses_are_refused_public_or_allowed_as_one_of_many() {
        let own = ["10.88.0.1", "5.6.7.8", "2a00:1450::1"];
        for address in
            ["10.88.0.1", "5.6.7.8", "2a00:1450::1", "::ffff:5.6.7.8", "64:ff9b::5.6.7.8", "2002:506:708::1"]
        {
            assert_eq!(judge(&["10.0.0.0/8", "::/0"], &own, address), Err(Inside::OfFleet), "{address}");
        }
        assert_eq!(judge(&["10.0.0.0/8"], &own, "10.88.0.2"), Ok(()));
        assert_eq!(judge(&["10.88.0.1"], &own, "10.88.0.1"), Ok(()), "it was said in so many words");
    }

    #[test]
    fn the_operator_may_refuse_what_is_public() {
        for address in ["9.9.9.9", "64:ff9b::9.9.9.9"] {
            assert_eq!(judge(&[], &[], address), Err(Inside::Refused));
        }
        assert_eq!(judge(&["9.9.0.0/16"], &[], "9.9.9.9"), Err(Inside::Refused));
        assert_eq!(judge(&["9.9.9.9"], &[], "9.9.9.9"), Ok(()));
        assert_eq!(judge(&[], &[], "9.9.8.9"), Ok(()));
    }
}
