//! Domain names.

use serde::{Deserialize, Serialize};

use crate::text::text_type;

/// A fully qualified host or domain name, in lower-case ASCII (A-labels), without the final dot: at least two
/// labels of letters, digits and inner hyphens, at most 253 octets (RFC 1035, RFC 5890).
///
/// Any spelling of a name parses to the one form: upper case, a final dot and Unicode (by UTS #46, with the
/// rules that registries use) are folded, so a twin of a name is the same name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fqdn(String);

/// Why a domain name is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FqdnError {
    /// Not a domain name at all.
    #[error("not a domain name (got {0:?})")]
    Malformed(String),
    /// A single label, such as `localhost`.
    #[error("a domain name has at least two labels (got {0:?})")]
    SingleLabel(String),
    /// An IPv4 address, or a name whose last label is all digits.
    #[error("a domain name does not end in a number (got {0:?})")]
    Numeric(String),
}

impl Fqdn {
    fn parse_text(text: &str) -> Result<Self, FqdnError> {
        let malformed = || FqdnError::Malformed(text.chars().take(260).collect());
        let undotted = text.strip_suffix('.').unwrap_or(text);
        // Before the Unicode fold: it maps or drops characters that nobody means in a host name.
        if undotted.is_empty()
            || undotted.len() > 1000
            || undotted.chars().any(|c| c.is_control() || c.is_whitespace())
        {
            return Err(malformed());
        }
        let ascii = idna::domain_to_ascii_strict(undotted).map_err(|_| malformed())?;
        if ascii.len() > 253 || !ascii.split('.').all(is_label) {
            return Err(malformed());
        }
        let (_, last) = ascii.rsplit_once('.').ok_or_else(|| FqdnError::SingleLabel(ascii.clone()))?;
        if last.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(FqdnError::Numeric(ascii));
        }
        Ok(Self(ascii))
    }

    /// Whether this name is `other` or beneath it.
    pub fn is_within(&self, other: &Fqdn) -> bool {
        self.0.strip_suffix(other.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }

    /// The names above this one, nearest first, down to two labels.
    pub fn ancestors(&self) -> impl Iterator<Item = Fqdn> + '_ {
        let mut rest = self.0.as_str();
        std::iter::from_fn(move || {
            rest = rest.split_once('.')?.1;
            rest.contains('.').then(|| Fqdn(rest.to_owned()))
        })
    }

    /// The name with the final dot, as DNS wants it.
    pub fn absolute(&self) -> String {
        format!("{}.", self.0)
    }
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

text_type!(Fqdn, FqdnError);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fqdn(text: &str) -> Fqdn {
        text.parse().expect("a domain name")
    }

    #[test]
    fn twins_of_a_name_are_the_same_name() {
        for twin in ["Example.COM", "example.com.", "ｅxample.com"] {
            assert_eq!(fqdn(twin), fqdn("example.com"), "{twin}");
        }
        assert_eq!(fqdn("bücher.example").as_str(), "xn--bcher-kva.example");
    }

    #[test]
    fn what_is_not_a_name_is_refused() {
        for text in [
            "",
            ".",
            "localhost",
            "a..b",
            "-a.com",
            "a-.com",
            "a_b.com",
            "a b.com",
            "a;id.com",
            "../etc",
            "a/b.com",
            "a.com\n",
            "192.0.2.1",
            "x.1",
            "*.example.com",
            "a\0.com",
            "http://a.com",
            "a.com:80",
            "[::1]",
        ] {
            assert!(text.parse::<Fqdn>().is_err(), "{text:?}");
        }
        assert!(format!("{}.com", "a".repeat(64)).parse::<Fqdn>().is_err());
    }

    #[test]
    fn within_respects_label_boundaries() {
        assert!(fqdn("www.example.com").is_within(&fqdn("example.com")));
        assert!(fqdn("example.com").is_within(&fqdn("example.com")));
        assert!(!fqdn("badexample.com").is_within(&fqdn("example.com")));
    }

    #[test]
    fn ancestors_stop_at_two_labels() {
        let names: Vec<_> = fqdn("a.b.example.com").ancestors().collect();
        assert_eq!(names, [fqdn("b.example.com"), fqdn("example.com")]);
    }

    proptest! {
        #[test]
        fn parsing_is_stable_and_never_leaves_the_alphabet(text in ".{0,80}") {
            if let Ok(name) = text.parse::<Fqdn>() {
                prop_assert!(name.as_str().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.'));
                prop_assert_eq!(name.as_str().parse::<Fqdn>(), Ok(name.clone()));
            }
        }
    }
}
