//! Where webhooks are.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::text::text_type;

/// Longer addresses are nobody's.
const LONGEST: usize = 2000;

/// The address of a webhook: `https`, with a host, and without a user, a password or a fragment. Of this machine itself
/// (for trying things out) `http` will do. As whoever connects to it writes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebhookUrl(String);

/// Text that is not the address of a webhook. It is not repeated: an address may hold a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a webhook's address is https://HOST/..., without a user, a password or a fragment, of at most {LONGEST} characters"
)]
pub struct WebhookUrlError;

impl WebhookUrl {
    fn parse_text(text: &str) -> Result<Self, WebhookUrlError> {
        let url = Url::parse(text).map_err(|_| WebhookUrlError)?;
        let is_bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        let is_safe = match url.scheme() {
            "https" => url.host().is_some(),
            "http" => url.host().is_some_and(|host| is_own(&host)),
            _ => false,
        };
        if is_bare && is_safe && url.as_str().len() <= LONGEST {
            Ok(Self(url.into()))
        } else {
            Err(WebhookUrlError)
        }
    }

    /// The address that it names without a name server, if it does.
    pub fn address(&self) -> Option<IpAddr> {
        match Url::parse(&self.0).ok()?.host()? {
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
            Host::Domain(_) => None,
        }
    }
}

fn is_own(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
        Host::Domain(_) => false,
    }
}

text_type!(WebhookUrl, WebhookUrlError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_is_reached_by_tls_and_by_an_address_without_secrets_of_its_own() {
        for text in ["https://example.com/hook?x=1", "https://[2001:db8::1]:8443/", "http://127.0.0.1:1/x"] {
            assert_eq!(text.parse::<WebhookUrl>().expect(text).as_str(), text);
        }
        for text in [
            "",
            "example.com",
            "http://example.com/",
            "http://localhost/",
            "ftp://example.com/",
            "https://user@example.com/",
            "https://user:word@example.com/",
            "https://example.com/#x",
            "https://",
            "file:///etc/passwd",
        ] {
            assert_eq!(text.parse::<WebhookUrl>(), Err(WebhookUrlError), "{text:?}");
        }
        assert!(format!("https://example.com/{}", "x".repeat(2000)).parse::<WebhookUrl>().is_err());
    }

    #[test]
    fn an_address_is_known_however_it_is_spelled() {
        let address = |text: &str| text.parse::<WebhookUrl>().expect("an address").address();
        for text in ["https://127.0.0.1/", "https://2130706433/", "https://0x7f.1/", "https://127.1/"] {
            assert_eq!(address(text), Some(IpAddr::from([127, 0, 0, 1])), "{text}");
        }
        assert_eq!(address("https://example.com/"), None);
    }
}
