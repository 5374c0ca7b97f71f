//! What an identity provider (OpenID Connect) is known by, and what it says of people.

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::text::text_type;

/// Longer addresses are nobody's.
const LONGEST_ISSUER: usize = 500;

/// Who an identity provider is: `https`, with a host, and without a user, a password, a query or a fragment (OpenID Connect Core,
/// 2). Of this machine itself (for trying things out) `http` will do. Kept as it is written: tokens have to say exactly the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IssuerUrl(String);

/// Text that is not the address of an issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an issuer is https://HOST/..., without a user, a password, a query or a fragment, of at most {LONGEST_ISSUER} characters"
)]
pub struct IssuerUrlError;

impl IssuerUrl {
    fn parse_text(text: &str) -> Result<Self, IssuerUrlError> {
        let url = Url::parse(text).map_err(|_| IssuerUrlError)?;
        let is_bare = url.username().is_empty() && url.password().is_none();
        let is_bare = is_bare && url.query().is_none() && url.fragment().is_none();
        let is_safe = match (url.scheme(), url.host()) {
            ("https", Some(_)) => true,
            ("http", Some(Host::Ipv4(address))) => address.is_loopback(),
            ("http", Some(Host::Ipv6(address))) => address.is_loopback(),
            _ => false,
        };
        let is_plain = text.len() <= LONGEST_ISSUER && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_bare && is_safe && is_plain { Ok(Self(text.to_owned())) } else { Err(IssuerUrlError) }
    }

    /// Where it says what it is (OpenID Connect Discovery, 4).
    pub fn discovery(&self) -> String {
        format!("{}/.well-known/openid-configuration", self.0.trim_end_matches('/'))
    }
}

text_type!(IssuerUrl, IssuerUrlError);

/// Whether the text has 1 to `most` characters, all of which are good.
fn is_within(text: &str, most: usize, is_good: impl Fn(char) -> bool) -> bool {
    (1..=most).contains(&text.chars().count()) && text.chars().all(is_good)
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident, $error:ident, $most:literal, $is_good:expr, $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        #[doc = concat!("Text that is not ", $what, ".")]
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        #[error("it is not {what} (got {0:?})", what = $what)]
        pub struct $error(String);

        impl $name {
            fn parse_text(text: &str) -> Result<Self, $error> {
                if is_within(text, $most, $is_good) {
                    return Ok(Self(text.to_owned()));
                }
                Err($error(text.chars().take(100).collect()))
            }
        }

        text_type!($name, $error);
    )*};
}

texts! {
    /// How an identity provider knows nPanel: 1 to 200 printable ASCII characters.
    ClientId, ClientIdError, 200, |c| (' '..='~').contains(&c), "a client's id of 1 to 200 printable ASCII characters";
    /// What of somebody is asked of an identity provider (RFC 6749, 3.3).
    Scope, ScopeError, 100, |c| c.is_ascii_graphic() && c != '"' && c != '\\', "a scope of 1 to 100 printable ASCII characters without spaces, quotes and backslashes";
    /// The name of something that a token says of somebody.
    ClaimName, ClaimNameError, 200, |c| c.is_ascii_graphic(), "a claim's name of 1 to 200 printable ASCII characters without spaces";
    /// A group of an identity provider's.
    GroupName, GroupNameError, 200, |c| !c.is_control(), "a group's name of 1 to 200 characters without control characters";
    /// Whom an identity provider means: never given to anybody else (OpenID Connect Core, 2).
    Subject, SubjectError, 255, |c| c.is_ascii() && !c.is_ascii_control(), "a subject of 1 to 255 ASCII characters without control characters";
}

impl GroupName {
    /// Whether it stands for whoever the provider knows.
    pub fn is_anybody(&self) -> bool {
        self.0 == "*"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_kept_as_it_is_written() {
        for text in [
            "https://id.example.com",
            "https://id.example.com/",
            "https://id.example.com/a/b",
            "http://127.0.0.1:1",
        ] {
            assert_eq!(text.parse::<IssuerUrl>().expect(text).as_str(), text);
        }
        let discovery = |text: &str| text.parse::<IssuerUrl>().expect(text).discovery();
        assert_eq!(discovery("https://x.example/a/"), "https://x.example/a/.well-known/openid-configuration");
    }

    #[test]
    fn what_may_lead_elsewhere_is_no_issuer() {
        for text in [
            "",
            "id.example.com",
            "http://id.example.com",
            "http://localhost",
            "ftp://id.example.com",
            "https://user@id.example.com",
            "https://id.example.com/?x",
            "https://id.example.com/#x",
            " https://id.example.com",
            "https://id.exa\nmple.com",
        ] {
            assert_eq!(text.parse::<IssuerUrl>(), Err(IssuerUrlError), "{text:?}");
        }
        assert!(format!("https://example.com/{}", "x".repeat(500)).parse::<IssuerUrl>().is_err());
    }

    #[test]
    fn texts_have_bounds_and_no_control_characters() {
        assert!("https://example.com/groups".parse::<ClaimName>().is_ok());
        assert!("open id".parse::<Scope>().is_err() && "a\"b".parse::<Scope>().is_err());
        assert!("Domain Admins".parse::<GroupName>().is_ok() && "a\nb".parse::<GroupName>().is_err());
        assert!("".parse::<Subject>().is_err() && "x".repeat(256).parse::<Subject>().is_err());
    }
}
