//! The names that users sign in by.

use serde::{Deserialize, Serialize};

use crate::{EmailAddress, EmailAddressError, text::text_type};

/// What a user signs in by: an e-mail address in lower case, so that one has one spelling. The only one of its kind in the fleet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LoginName(String);

impl LoginName {
    fn parse_text(text: &str) -> Result<Self, EmailAddressError> {
        let address: EmailAddress = text.parse()?;
        Ok(Self(address.as_str().to_ascii_lowercase()))
    }
}

text_type!(LoginName, EmailAddressError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_is_one_name() {
        let name: LoginName = "Ann.Example@Example.COM".parse().expect("a name");
        assert_eq!(name.as_str(), "ann.example@example.com");
        assert!("ann".parse::<LoginName>().is_err());
    }
}
