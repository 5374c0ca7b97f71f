//! Values as SQL writes them.

/// An identifier in backticks.
pub(super) fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A string in single quotes, whatever the server's mode makes of backslashes: those are refused, as is what
/// is no text (none).
pub(super) fn string(text: &str) -> Option<String> {
    let plain = !text.contains('\\') && !text.chars().any(char::is_control);
    plain.then(|| format!("'{}'", text.replace('\'', "''")))
}

/// A database's name as a grant's pattern: `_` and `%` would match any character and any text, so they are
/// escaped; `` GRANT ON `acct1_x` `` also covers the neighbour's `acct12x`.
pub(super) fn pattern(name: &str) -> String {
    name.replace('\\', "\\\\").replace('_', "\\_").replace('%', "\\%")
}

/// A user as grants name it. Applications are on the same machine.
pub(super) fn account(user: &str) -> String {
    format!("{}@`localhost`", identifier(user))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// SQL's LIKE, with backslash as the escape, as MariaDB matches a database against a grant.
    fn matches(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            (['\\', literal, rest @ ..], [first, tail @ ..]) => literal == first && matches(rest, tail),
            (['%', rest @ ..], _) => (0..=text.len()).any(|taken| matches(rest, &text[taken..])),
            (['_', rest @ ..], [_, tail @ ..]) => matches(rest, tail),
            ([literal, rest @ ..], [first, tail @ ..]) => literal == first && matches(rest, tail),
            _ => false,
        }
    }

    fn is_match(pattern: &str, text: &str) -> bool {
        let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
        matches(&pattern, &text)
    }

    #[test]
    fn a_wildcard_covers_no_neighbour() {
        assert!(is_match("acct1_wp", "acct1xwp"), "the hole that escaping closes");
        assert!(!is_match(&pattern("acct1_wp"), "acct1xwp"));
        assert!(is_match(&pattern("acct1_wp"), "acct1_wp"));
    }

    proptest! {
        #[test]
        fn a_pattern_matches_its_own_name_only(name in "[a-z0-9_%\\\\]{1,12}", other in "[a-z0-9_%\\\\]{1,12}") {
            prop_assert!(is_match(&pattern(&name), &name));
            prop_assert_eq!(is_match(&pattern(&name), &other), name == other);
        }

        #[test]
        fn an_identifier_is_one_token(name in "[^\0]{0,20}") {
            let quoted = identifier(&name);
            let inner = &quoted[1..quoted.len() - 1];
            prop_assert_eq!(inner.replace("``", "`"), name.clone());
            prop_assert!(!inner.replace("``", "").contains('`'));
        }

        #[test]
        fn a_string_is_one_token(text in any::<String>()) {
            if let Some(quoted) = string(&text) {
                let inner = &quoted[1..quoted.len() - 1];
                prop_assert!(!inner.replace("''", "").contains(['\'', '\\']));
                prop_assert_eq!(inner.replace("''", "'"), text);
            }
        }
    }
}
