//! PHP versions.

use serde::{Deserialize, Serialize};

use crate::text::text_type;

/// A PHP release line such as `8.2`. Which lines exist is a node's capability; this only fixes the form, so
/// that a version can be part of a path or unit name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PhpVersion(String);

/// Why a PHP version is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a PHP version is <major>.<minor>, such as 8.2 (got {0:?})")]
pub struct PhpVersionError(String);

impl PhpVersion {
    fn parse_text(text: &str) -> Result<Self, PhpVersionError> {
        let digits =
            |part: &str| (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        match text.split_once('.') {
            Some((major, minor)) if digits(major) && digits(minor) => Ok(Self(text.to_owned())),
            _ => Err(PhpVersionError(text.chars().take(40).collect())),
        }
    }
}

text_type!(PhpVersion, PhpVersionError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_release_lines_parse() {
        assert!("8.2".parse::<PhpVersion>().is_ok());
        for text in ["8", "8.2.1", "../x", "8.x", "", ".2", "8.", "８.2"] {
            assert!(text.parse::<PhpVersion>().is_err(), "{text:?}");
        }
    }
}
