//! One way to write configuration: a template, and values escaped for its syntax. The values' types are safe
//! already; the escaping is the second wall.

use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value, value::ValueKind};
use serde::Serialize;

/// What a template writes. Each says where in its templates values may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// Inside double quotes.
    Nginx,
    /// PHP's ini syntax, inside double quotes.
    Ini,
    /// systemd units: in words of their own.
    Unit,
    /// systemd units: the whole rest of a line.
    UnitLine,
    /// nftables, and lines of `name=value` or words: plain words only.
    Plain,
}

/// Why a text could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {name}: {reason}")]
pub struct RenderError {
    name: &'static str,
    reason: String,
}

/// Fills a template's places with the fields of `values`, each escaped for `syntax`.
pub(crate) fn render(
    name: &'static str,
    syntax: Syntax,
    template: &str,
    values: impl Serialize,
) -> Result<String, RenderError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_keep_trailing_newline(true);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_formatter(move |output, _, value| write_value(output, syntax, value));
    // What minijinja says of an error may repeat the value; the kind is enough.
    let failed = |error: minijinja::Error| RenderError { name, reason: describe(&error) };
    environment.render_str(template, values).map_err(failed)
}

fn describe(error: &minijinja::Error) -> String {
    match error.line() {
        Some(line) => format!("{} in line {line}", error.kind()),
        None => error.kind().to_string(),
    }
}

fn write_value(
    output: &mut minijinja::Output<'_>,
    syntax: Syntax,
    value: &Value,
) -> Result<(), minijinja::Error> {
    let refused = || minijinja::Error::new(ErrorKind::InvalidOperation, "not safe in this syntax");
    let text = match (value.kind(), value.as_str()) {
        (ValueKind::Number, _) => value.to_string(),
        (_, Some(text)) => escape(syntax, text).ok_or_else(refused)?,
        _ => return Err(refused()),
    };
    output.write_str(&text).map_err(minijinja::Error::from)
}

/// The text as the syntax writes it; none if it cannot.
fn escape(syntax: Syntax, text: &str) -> Option<String> {
    if text.chars().any(char::is_control) {
        return None;
    }
    let quoted = || text.replace('\\', "\\\\").replace('"', "\\\"");
    match syntax {
        // Neither nginx nor PHP's ini has a way to write a '$' that is not a variable everywhere.
        Syntax::Nginx | Syntax::Ini => (!text.contains('$')).then(quoted),
        // No '$': a variable in commands. '%' begins a specifier, and is doubled.
        Syntax::Unit => unit(text, "/._-+:=@%"),
        Syntax::UnitLine => unit(text.trim(), "/._-+:=@% ,*"),
        Syntax::Plain => {
            let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:".contains(c);
            (!text.is_empty() && text.chars().all(plain)).then(|| text.to_owned())
        }
    }
}

/// Letters, digits and the characters in `plain`; a line that is not empty.
fn unit(text: &str, plain: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || plain.contains(c);
    (!text.is_empty() && text.chars().all(plain)).then(|| text.replace('%', "%%"))
}

#[cfg(test)]
mod tests {
    use minijinja::context;
    use proptest::prelude::*;

    use super::*;
    use crate::nginx::tokens;

    /// The value of an ini line `name = "value"`, as zend_ini_scanner reads it.
    fn ini_value(line: &str) -> Option<String> {
        let mut chars = line.strip_prefix("name = \"")?.strip_suffix('\n')?.chars();
        let mut value = String::new();
        loop {
            match chars.next()? {
                '"' => return chars.next().is_none().then_some(value),
                '\\' => value.push(chars.next().filter(|c| matches!(c, '"' | '\\'))?),
                '$' => return None,
                other => value.push(other),
            }
        }
    }

    proptest! {
        #[test]
        fn nginx_reads_exactly_the_directive_intended(value in any::<String>()) {
            let written = render("t", Syntax::Nginx, "root \"{{ v }}\";\nindex a;\n", context! { v => value });
            if let Ok(text) = written {
                let read = tokens(&text).expect("tokens");
                prop_assert_eq!(read, ["root".to_owned(), format!("\"{value}"), ";".into(), "index".into(), "a".into(), ";".into()]);
                prop_assert!(!value.contains('$'));
            }
        }

        #[test]
        fn php_reads_exactly_the_value_intended(value in any::<String>()) {
            if let Ok(text) = render("t", Syntax::Ini, "name = \"{{ v }}\"\n", context! { v => value }) {
                prop_assert_eq!(ini_value(&text), Some(value));
            }
        }

        #[test]
        fn a_unit_gets_one_word_of_one_line(value in any::<String>()) {
            if let Ok(text) = render("t", Syntax::Unit, "X={{ v }}\n", context! { v => value }) {
                prop_assert_eq!(text.lines().count(), 1);
                prop_assert_eq!(text.trim_end().replace("%%", "%"), format!("X={value}"));
                prop_assert!(!value.contains(|c: char| c.is_whitespace() || "\"'\\;$".contains(c)));
            }
        }

        #[test]
        fn a_line_of_a_unit_stays_one_line(value in any::<String>()) {
            if let Ok(text) = render("t", Syntax::UnitLine, "X={{ v }}\n", context! { v => value }) {
                prop_assert_eq!(text.lines().count(), 1);
                prop_assert_eq!(text.trim_end().replace("%%", "%"), format!("X={}", value.trim()));
                prop_assert!(!value.trim().contains(|c: char| c.is_control() || "\"'\\;#$".contains(c)));
            }
        }

        #[test]
        fn a_plain_word_has_nothing_to_escape(value in any::<String>()) {
            if let Ok(text) = render("t", Syntax::Plain, "{{ v }}", context! { v => value }) {
                prop_assert_eq!(&text, &value);
                prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-:".contains(&b)));
            }
        }
    }

    #[test]
    fn a_value_that_breaks_out_is_refused_or_quoted() {
        for value in ["a\nb", "a\0", "$host", "a\"; return 200 \"$uri"] {
            assert!(render("t", Syntax::Nginx, "\"{{ v }}\"", context! { v => value }).is_err(), "{value:?}");
        }
        let quoted = render("t", Syntax::Ini, "\"{{ v }}\"", context! { v => "x\"y" });
        assert_eq!(quoted.expect("quoted"), "\"x\\\"y\"");
    }

    #[test]
    fn a_missing_value_is_an_error() {
        assert!(render("t", Syntax::Plain, "{{ nothing }}", context! {}).is_err());
    }
}
