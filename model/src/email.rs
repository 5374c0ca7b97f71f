//! E-mail addresses of contacts.

use serde::{Deserialize, Serialize};

use crate::{Fqdn, text::text_type};

/// A contact's e-mail address: a dot-atom local part (RFC 5321, no quoting), `@` and a domain name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress(String);

/// Why an address is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an e-mail address (got {0:?})")]
pub struct EmailAddressError(String);

impl EmailAddress {
    fn parse_text(text: &str) -> Result<Self, EmailAddressError> {
        let refused = || EmailAddressError(text.chars().take(100).collect());
        let (local, domain) = text.rsplit_once('@').ok_or_else(refused)?;
        let atom_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
        let atom = |part: &str| !part.is_empty() && part.bytes().all(atom_byte);
        if local.len() > 64 || local.starts_with('-') || !local.split('.').all(atom) {
            return Err(refused());
        }
        let domain: Fqdn = domain.parse().map_err(|_| refused())?;
        Ok(Self(format!("{local}@{domain}")))
    }
}

text_type!(EmailAddress, EmailAddressError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_addresses_parse() {
        assert_eq!(
            "a.b+c@Example.COM".parse::<EmailAddress>().expect("an address").as_str(),
            "a.b+c@example.com"
        );
        for text in [
            "",
            "a",
            "@b.com",
            "a@",
            "a@b",
            "a b@c.com",
            ".a@c.com",
            "a..b@c.com",
            "-x@c.com",
            "a\n@c.com",
            "\"a\"@c.com",
        ] {
            assert!(text.parse::<EmailAddress>().is_err(), "{text:?}");
        }
    }
}
