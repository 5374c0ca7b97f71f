//! Messages to addresses that customers chose: to public ones only, unless the operator allows others, so that nobody has
//! a controller ask what only it can reach.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use npanel_model::{Network, WebhookUrl};
use reqwest::{
    StatusCode,
    dns::{Addrs, Name, Resolve, Resolving},
    header::CONTENT_TYPE,
    redirect::Policy,
};

/// A receiver says in so long that it has the message; what it does with it is for afterwards.
const DEADLINE: Duration = Duration::from_secs(15);
const CONNECT: Duration = Duration::from_secs(5);

/// Why a message was not delivered.
#[derive(Debug, thiserror::Error)]
pub enum CourierError {
    /// The address is of a network that nobody may have controllers connect to.
    #[error(
        "{0} is not a public address, and the controllers' configuration does not allow it (webhooks.allowed_networks)"
    )]
    NotPublic(IpAddr),
    /// The receiver was not reached, or did not answer in time.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// The receiver wants no more messages, for good.
    #[error("it answers 410: it wants no more messages")]
    Gone,
    /// The receiver said no. A redirection is one, too: it is not followed.
    #[error("it answers {0}")]
    Refused(u16),
}

/// Delivers messages. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Courier {
    http: reqwest::Client,
    allowed: Arc<[Network]>,
}

impl Courier {
    /// One that also connects to addresses of these networks, public or not.
    ///
    /// # Errors
    /// If this machine has no HTTP client to give.
    pub fn new(allowed: &[Network]) -> Result<Self, CourierError> {
        let allowed: Arc<[Network]> = allowed.into();
        let http = reqwest::Client::builder()
            .user_agent(concat!("npanel/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .timeout(DEADLINE)
            .no_proxy()
            .redirect(Policy::none())
            .pool_max_idle_per_host(1)
            .dns_resolver(Arc::new(Guarded(Arc::clone(&allowed))))
            .build()
            .map_err(|error| CourierError::Unreachable(causes(&error)))?;
        Ok(Self { http, allowed })
    }

    /// Delivers a JSON message, once.
    ///
    /// # Errors
    /// If the receiver did not say that it has it.
    pub async fn deliver(
        &self,
        to: &WebhookUrl,
        headers: &[(&'static str, String)],
        body: String,
    ) -> Result<(), CourierError> {
        // Such an address is connected to without a resolver being asked.
        if let Some(address) = to.address()
            && !is_allowed(&self.allowed, address)
        {
            return Err(CourierError::NotPublic(address));
        }
        let mut request = self.http.post(to.as_str()).header(CONTENT_TYPE, "application/json").body(body);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        // Addresses may hold secrets of their own: they are in no error.
        let sent = request.send().await;
        let answer = sent.map_err(|error| CourierError::Unreachable(causes(&error.without_url())))?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            StatusCode::GONE => Err(CourierError::Gone),
            status => Err(CourierError::Refused(status.as_u16())),
        }
    }
}

fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let innermost = std::iter::successors(Some(error), |error| error.source()).last();
    innermost.map_or_else(String::new, ToString::to_string)
}

/// Resolves names to addresses that may be connected to. The connection is made to what this gives, so that no second
/// answer of a name server leads elsewhere.
#[derive(Debug)]
struct Guarded(Arc<[Network]>);

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = Arc::clone(&self.0);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let usable: Vec<SocketAddr> =
                found.into_iter().filter(|address| is_allowed(&allowed, address.ip())).collect();
            if usable.is_empty() {
                return Err(NoPublic.into());
            }
            Ok(Box::new(usable.into_iter()) as Addrs)
        })
    }
}

#[derive(Debug)]
struct NoPublic;

impl fmt::Display for NoPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "its name has no public address, and the controllers' configuration allows no other (webhooks.allowed_networks)",
        )
    }
}

impl std::error::Error for NoPublic {}

fn is_allowed(allowed: &[Network], address: IpAddr) -> bool {
    let address = address.to_canonical();
    is_public(address) || allowed.iter().any(|network| network.contains(address))
}

/// Whether the address is one of the Internet's at large, by the registries of special addresses (RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_shared = a == 100 && (64..128).contains(&b);
    let is_of_protocols = (a, b, c) == (192, 0, 0);
    let is_for_benchmarks = a == 198 && (b == 18 || b == 19);
    let is_relay = (a, b, c) == (192, 88, 99);
    !(a == 0
        || a >= 240
        || is_shared
        || is_of_protocols
        || is_for_benchmarks
        || is_relay
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation())
}

/// What is handed out to the Internet at large is 2000::/3; within it, what leads to an IPv4 address is judged by that.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match parts {
        // NAT64 (RFC 6052) and 6to4 (RFC 3056).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => is_public_v4(embedded(high, low)),
        // Teredo and what else is of protocols (RFC 2928), and documentation.
        [0x2001, second, ..] if second < 0x200 || second == 0xdb8 => false,
        [0x3fff, second, ..] if second < 0x1000 => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_internet_at_large_are_public() {
        for text in [
            "8.8.8.8",
            "192.0.1.1",
            "172.32.0.1",
            "100.128.0.1",
            "2a00:1450::1",
            "2606:4700::1",
            "2002:808:808::1",
        ] {
            assert!(is_public(text.parse().expect(text)), "{text}");
        }
        for text in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "255.255.255.255",
            "224.0.0.1",
            "240.0.0.1",
            "192.0.0.8",
            "198.18.0.1",
            "192.0.2.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b:1::1",
        ] {
            assert!(!is_allowed(&[], text.parse().expect(text)), "{text}");
        }
    }

    #[test]
    fn the_operator_may_allow_networks_of_their_own() {
        let allowed = ["10.1.0.0/16".parse().expect("a network")];
        assert!(is_allowed(&allowed, "10.1.2.3".parse().expect("an address")));
        assert!(is_allowed(&allowed, "::ffff:10.1.2.3".parse().expect("an address")));
        assert!(!is_allowed(&allowed, "10.2.2.3".parse().expect("an address")));
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_followed() {
        npanel_pki::tls::install_provider();
        let courier = Courier::new(&[]).expect("a courier");
        let deliver = async |url: &str| {
            courier.deliver(&url.parse().expect("an address"), &[], String::new()).await.expect_err(url)
        };
        assert!(matches!(deliver("https://127.0.0.1:1/").await, CourierError::NotPublic(_)));
        assert!(matches!(deliver("https://[::ffff:10.0.0.1]/").await, CourierError::NotPublic(_)));
        let error = deliver("https://localhost:1/").await.to_string();
        assert!(error.contains("no public address"), "{error}");
    }
}
