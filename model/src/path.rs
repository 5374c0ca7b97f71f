//! Paths inside an account.

use serde::{Deserialize, Serialize};

use crate::{Fqdn, text::text_type};

/// A document root, relative to the account's home: `web/<directory>`.
///
/// One directory beneath `web`, which root owns: the tenant cannot replace the document root itself by a link
/// (that is how neighbours' keys were once read through the web server), and one shared web-server block can
/// serve every such site.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DocumentRoot(String);

/// Why a document root is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentRootError {
    /// It names something outside the account's `web` directory.
    #[error("a document root is web/<directory>, relative to the account's home (got {0:?})")]
    Outside(String),
    /// The directory's name has a character that is not allowed, begins with a dot or hyphen, or is too long.
    #[error(
        "a document root's directory is 1 to 253 of a-z, A-Z, 0-9, '.', '_' and '-', beginning with a letter or digit (got {0:?})"
    )]
    Directory(String),
}

impl DocumentRoot {
    fn parse_text(text: &str) -> Result<Self, DocumentRootError> {
        let shown = || text.chars().take(300).collect::<String>();
        let directory = text.strip_prefix("web/").ok_or_else(|| DocumentRootError::Outside(shown()))?;
        if directory.contains('/') || directory == ".." || directory == "." {
            return Err(DocumentRootError::Outside(shown()));
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let starts_well = directory.starts_with(|first: char| first.is_ascii_alphanumeric());
        if !(1..=253).contains(&directory.len()) || !starts_well || !directory.bytes().all(allowed) {
            return Err(DocumentRootError::Directory(shown()));
        }
        Ok(Self(text.to_owned()))
    }

    /// The usual document root of a domain: `web/<domain>`.
    pub fn of_domain(domain: &Fqdn) -> Self {
        Self(format!("web/{domain}"))
    }

    /// The directory's name, without `web/`.
    pub fn directory(&self) -> &str {
        &self.0["web/".len()..]
    }
}

text_type!(DocumentRoot, DocumentRootError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_outside_the_home_is_refused() {
        for text in [
            "/etc",
            "etc",
            "web",
            "web/",
            "web/..",
            "web/.",
            "../web/x",
            "web/../../etc",
            "/home/u/web/x",
            "web/a/b",
        ] {
            assert!(text.parse::<DocumentRoot>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn strange_directories_are_refused() {
        for text in
            ["web/-rf", "web/.ssh", "web/a b", "web/a;id", "web/a\nb", "web/a\0", "web/$host", "web/\"x"]
        {
            assert!(text.parse::<DocumentRoot>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn every_domain_has_one() {
        let domain = "shop.example.com".parse().expect("a domain");
        let root = DocumentRoot::of_domain(&domain);
        assert_eq!(root.as_str().parse::<DocumentRoot>().as_ref(), Ok(&root));
        assert_eq!(root.directory(), "shop.example.com");
    }
}
