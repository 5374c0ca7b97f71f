//! Where browsers reach this controller: what people are told to open, and where identity providers send them back to.

use axum::extract::FromRequestParts;
use http::{Uri, header::HOST, request::Parts, uri::Authority};
use npanel_state::RefusalCode;

use super::problem::{Failure, Kind};

/// What is known of it.
#[derive(Debug, Clone, Default)]
pub struct PublicAddress {
    /// As the operator says.
    said: Option<String>,
    /// The names that its certificate has.
    names: Vec<String>,
}

impl PublicAddress {
    /// As the operator says it, `https://HOST[:PORT]`; if that is not said, as it is asked, by one of these names.
    pub fn new(said: Option<String>, names: Vec<String>) -> Self {
        Self { said, names }
    }

    /// `https://HOST[:PORT]`. A name that it does not have is not believed: people would be sent there.
    pub(crate) fn of(&self, asked: &AskedAs) -> Result<String, Failure> {
        if let Some(said) = &self.said {
            return Ok(said.clone());
        }
        let own = asked.0.as_ref().filter(|authority| {
            let host = authority.host().trim_start_matches('[').trim_end_matches(']');
            self.names.iter().any(|name| name.eq_ignore_ascii_case(host))
        });
        own.map(|authority| format!("https://{authority}")).ok_or_else(|| {
            let detail = "this controller does not know where browsers reach it: ask it by a name of api.names, or say \
                          api.public_url in its configuration";
            Failure::new(Kind::Refused(RefusalCode::Unavailable), detail)
        })
    }
}

/// How this controller was asked.
pub(crate) struct AskedAs(Option<Authority>);

impl<S: Send + Sync> FromRequestParts<S> for AskedAs {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        // HTTP/2 says it in the address, HTTP/1.1 in a header.
        let by_header = || parts.headers.get(HOST)?.to_str().ok()?.parse::<Authority>().ok();
        let asked = Uri::authority(&parts.uri).cloned().or_else(by_header);
        // A user in front of the host is nobody's.
        Ok(Self(asked.filter(|authority| !authority.as_str().contains('@'))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> AskedAs {
        AskedAs(text.parse().ok())
    }

    #[test]
    fn only_a_name_of_its_own_is_believed() {
        let address =
            PublicAddress::new(None, vec!["c1.example.net".into(), "10.88.0.1".into(), "2001:db8::1".into()]);
        for host in ["c1.example.net:8443", "C1.example.net", "10.88.0.1:8443", "[2001:db8::1]:8443"] {
            assert_eq!(address.of(&asked(host)).expect(host), format!("https://{host}"));
        }
        for host in ["evil.example", "c1.example.net.evil.example:8443", ""] {
            assert!(address.of(&asked(host)).is_err(), "{host}");
        }
        let said = PublicAddress::new(Some("https://panel.example".into()), Vec::new());
        assert_eq!(said.of(&asked("evil.example")).expect("said"), "https://panel.example");
    }
}
