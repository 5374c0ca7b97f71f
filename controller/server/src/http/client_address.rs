//! Whose request it is, by its address: that of the connection, or what a proxy says that is trusted.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::extract::Request;
use http::HeaderMap;
use npanel_model::Network;

/// Where the connection comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

/// The client's address, an IPv4 address as such: what everything goes by that asks for an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client(pub(crate) IpAddr);

impl Client {
    /// The request's, if it came over a connection.
    pub(crate) fn of(request: &Request) -> Option<IpAddr> {
        request.extensions().get::<Self>().map(|client| client.0)
    }
}

/// By which header proxies say for whom they ask. One, not both: of the other a proxy passes on whatever a client wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// Who is believed. Nobody, unless it is configured.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies {
    networks: Arc<[Network]>,
    header: ForwardedHeader,
}

impl TrustedProxies {
    /// Proxies in these networks, who write this header.
    pub fn new(networks: &[Network], header: ForwardedHeader) -> Self {
        Self { networks: networks.into(), header }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }

    /// Notes the client's address on its request.
    pub(super) fn note(&self, request: &mut Request) {
        if let Some(Peer(peer)) = request.extensions().get().copied() {
            let client = self.client(peer.ip(), request.headers());
            request.extensions_mut().insert(Client(client));
        }
    }

    /// The last one that is no proxy of ours: each proxy appends whom it was asked by, and what is before that anybody
    /// may have written. What is no address ends what is known.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.trusts(client) {
            return client;
        }
        let (name, parse): (_, fn(&str) -> Option<IpAddr>) = match self.header {
            ForwardedHeader::XForwardedFor => ("x-forwarded-for", node),
            ForwardedHeader::Forwarded => ("forwarded", forwarded),
        };
        let values = headers.get_all(name).iter().rev().map(|value| value.to_str().unwrap_or_default());
        let mut hops = values.flat_map(|value| value.rsplit(',')).map(parse);
        while self.trusts(client)
            && let Some(Some(before)) = hops.next()
        {
            client = before.to_canonical();
        }
        client
    }
}

/// What an element of `Forwarded` says it is for.
fn forwarded(element: &str) -> Option<IpAddr> {
    let parameters = element.split(';').filter_map(|parameter| parameter.split_once('='));
    let mut who = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    let (Some((_, value)), None) = (who.next(), who.next()) else { return None };
    node(value.trim().trim_matches('"'))
}

/// An address, with or without a port; one of IPv6 with or without its brackets.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let has_port = port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
        let address = address.parse::<std::net::Ipv6Addr>().ok()?;
        return (port.is_empty() || has_port).then_some(address.into());
    }
    text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn proxies(header: ForwardedHeader) -> TrustedProxies {
        let networks = ["10.0.0.0/8", "2001:db8:ffff::/48"].map(|text| text.parse().expect("a network"));
        TrustedProxies::new(&networks, header)
    }

    fn client(header: ForwardedHeader, peer: &str, lines: &[(&str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
        }
        proxies(header).client(peer.parse().expect("an address"), &headers).to_string()
    }

    #[test]
    fn a_stranger_is_not_believed_whatever_it_writes() {
        let forged =
            [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.1"), ("x-real-ip", "192.0.2.1")];
        for header in [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded] {
            assert_eq!(client(header, "198.51.100.7", &forged), "198.51.100.7");
            assert_eq!(client(header, "::ffff:198.51.100.7", &forged), "198.51.100.7");
        }
        let nobody = TrustedProxies::default();
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", HeaderValue::from_static("192.0.2.1"));
        let peer: IpAddr = "127.0.0.1".parse().expect("an address");
        assert_eq!(nobody.client(peer, &headers), peer, "nobody is assumed, not even this machine");
    }

    #[test]
    fn what_a_client_wrote_before_our_proxy_is_not_believed() {
        let header = ForwardedHeader::XForwardedFor;
        let of = |lines: &[(&str, &str)]| client(header, "10.0.0.1", lines);
        assert_eq!(of(&[("x-forwarded-for", "192.0.2.66, 203.0.113.9")]), "203.0.113.9");
        assert_eq!(of(&[("x-forwarded-for", "192.0.2.66, 203.0.113.9, 10.1.1.1")]), "203.0.113.9");
        assert_eq!(
            of(&[("x-forwarded-for", "10.2.2.2"), ("x-forwarded-for", "203.0.113.9,10.1.1.1")]),
            "203.0.113.9",
            "lines are one list"
        );
        assert_eq!(of(&[("x-forwarded-for", "10.2.2.2, 10.1.1.1")]), "10.2.2.2", "a client of our own");
        assert_eq!(of(&[]), "10.0.0.1");
    }

    #[test]
    fn what_is_no_address_ends_what_is_known() {
        let header = ForwardedHeader::XForwardedFor;
        for (value, known) in [
            ("192.0.2.66, unknown", "10.0.0.1"),
            ("192.0.2.66,", "10.0.0.1"),
            ("192.0.2.66, x, 10.1.1.1", "10.1.1.1"),
            ("\u{e9}", "10.0.0.1"),
            ("203.0.113.9:4711", "203.0.113.9"),
            ("[2001:db8::9]:4711", "2001:db8::9"),
            ("[2001:db8::9]", "2001:db8::9"),
            ("2001:db8::9", "2001:db8::9"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("[203.0.113.9]", "10.0.0.1"),
            ("[2001:db8::9]x", "10.0.0.1"),
        ] {
            assert_eq!(client(header, "10.0.0.1", &[("x-forwarded-for", value)]), known, "{value:?}");
        }
    }

    #[test]
    fn only_the_header_that_our_proxies_write_is_read() {
        let lines = [("forwarded", "for=192.0.2.66"), ("x-forwarded-for", "203.0.113.9")];
        assert_eq!(client(ForwardedHeader::XForwardedFor, "10.0.0.1", &lines), "203.0.113.9");
        assert_eq!(client(ForwardedHeader::Forwarded, "10.0.0.1", &lines), "192.0.2.66");
    }

    #[test]
    fn the_standards_header_is_read_as_it_is_written() {
        let of = |value: &str| client(ForwardedHeader::Forwarded, "10.0.0.1", &[("forwarded", value)]);
        for (value, known) in [
            ("for=192.0.2.66, for=203.0.113.9;proto=https;by=10.0.0.1", "203.0.113.9"),
            ("For=\"[2001:db8::9]:4711\"", "2001:db8::9"),
            ("for=\"203.0.113.9:80\";host=x", "203.0.113.9"),
            ("for=_hidden", "10.0.0.1"),
            ("for=203.0.113.9;for=192.0.2.66", "10.0.0.1"),
            ("host=x", "10.0.0.1"),
            ("for=192.0.2.66;x=\", for=203.0.113.9", "203.0.113.9"),
        ] {
            assert_eq!(of(value), known, "{value}");
        }
    }
}
