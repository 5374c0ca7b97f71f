//! Networks, as tokens are bound to them.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Serialize};

/// A network such as `192.0.2.0/24` or `2001:db8::/32`; an address alone is a network of one. The bits after the
/// prefix are zero, so that a network has one spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Text that is not a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Not an address and a prefix.
    #[error("a network is ADDRESS/PREFIX, such as 192.0.2.0/24 (got {0:?})")]
    Form(String),
    /// Bits after the prefix.
    #[error("the address of a network has no bits after the prefix (got {got}, meant {meant}?)")]
    HostBits {
        /// What was given.
        got: String,
        /// The network that it lies in.
        meant: Network,
    },
}

impl Network {
    /// The unspecified address alone: nobody asks from there.
    pub const UNSPECIFIED: Self = Self { address: IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED), prefix: 128 };

    /// Whether it is one address, and no other is in it.
    pub fn is_one_address(&self) -> bool {
        self.prefix == if self.address.is_ipv4() { 32 } else { 128 }
    }

    /// Whether the address is in it. An IPv4 address in IPv6's clothes counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.prefix) == self.address
    }
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(four) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V4((four.to_bits() & mask).into())
        }
        IpAddr::V6(six) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V6((six.to_bits() & mask).into())
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let refused = || NetworkError::Form(text.chars().take(60).collect());
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| refused())?;
        let longest: u8 = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => longest,
            // "+8" and "08" are numbers, too, and not prefixes.
            Some(text) => {
                text.parse().ok().filter(|number: &u8| number.to_string() == text).ok_or_else(refused)?
            }
        };
        if prefix > longest {
            return Err(refused());
        }
        let meant = Self { address: masked(address, prefix), prefix };
        if meant.address == address {
            Ok(meant)
        } else {
            Err(NetworkError::HostBits { got: text.to_owned(), meant })
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl TryFrom<String> for Network {
    type Error = NetworkError;
    fn try_from(text: String) -> Result<Self, NetworkError> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> String {
        network.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().expect("a network")
    }

    #[test]
    fn an_address_is_in_its_network_and_in_no_other() {
        let cases = [
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("192.0.2.0/24", "::ffff:192.0.2.9", true),
        ];
        for (text, address, is_in) in cases {
            assert_eq!(
                network(text).contains(address.parse().expect("an address")),
                is_in,
                "{address} in {text}"
            );
        }
    }

    #[test]
    fn what_is_not_a_network_is_refused() {
        for text in [
            "",
            "192.0.2.0/33",
            "192.0.2.0/",
            "192.0.2.0/-1",
            "192.0.2.0/+8",
            "192.0.2.0/08",
            "::/129",
            "x/8",
        ] {
            assert!(matches!(text.parse::<Network>(), Err(NetworkError::Form(_))), "{text}");
        }
        let refused = "192.0.2.1/24".parse::<Network>().expect_err("host bits");
        assert!(refused.to_string().contains("192.0.2.0/24"), "{refused}");
    }

    #[test]
    fn one_address_is_a_network_of_its_own() {
        for (text, is_one) in
            [("192.0.2.7", true), ("192.0.2.6/31", false), ("2001:db8::1", true), ("::/32", false)]
        {
            assert_eq!(network(text).is_one_address(), is_one, "{text}");
        }
    }

    #[test]
    fn a_network_goes_to_text_and_back() {
        for text in ["192.0.2.0/24", "2001:db8::/32", "10.0.0.1/32"] {
            assert_eq!(network(text).to_string(), text);
        }
    }
}
