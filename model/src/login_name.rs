//! The names of users: what they sign in by, and what people call them.

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

/// What people call somebody: 1 to 100 characters, none of them a control character, and no space at either end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PersonName(String);

/// Text that is no name of somebody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a name has 1 to 100 characters, and no control characters or spaces at its ends (got {0:?})")]
pub struct PersonNameError(String);

impl PersonName {
    fn parse_text(text: &str) -> Result<Self, PersonNameError> {
        let is_long = text.chars().count() > 100;
        if text.is_empty() || is_long || text.trim() != text || text.chars().any(char::is_control) {
            return Err(PersonNameError(text.chars().take(100).collect()));
        }
        Ok(Self(text.to_owned()))
    }
}

text_type!(PersonName, PersonNameError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_is_one_name() {
        let name: LoginName = "Ann.Example@Example.COM".parse().expect("a name");
        assert_eq!(name.as_str(), "ann.example@example.com");
        assert!("ann".parse::<LoginName>().is_err());
    }

    #[test]
    fn people_are_called_as_they_like_within_a_line() {
        for name in ["Ann Example", "Łukasz", "O'Neill", "王"] {
            assert_eq!(name.parse::<PersonName>().expect("a name").as_str(), name);
        }
        for text in ["", " ", " Ann", "Ann\n", "a\u{7}b", &"x".repeat(101)] {
            assert!(text.parse::<PersonName>().is_err(), "{text:?}");
        }
    }
}
