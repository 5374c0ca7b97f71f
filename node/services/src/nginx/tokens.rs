//! nginx's syntax, for reading back what was written.

/// nginx's tokens (ngx_conf_read_token): words, quoted strings (here behind
/// their quote) with escapes, and `{`, `}`, `;`.
pub(crate) fn tokens(text: &str) -> Option<Vec<String>> {
    let (mut tokens, mut chars) = (Vec::new(), text.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => {}
            '#' => while chars.next_if(|c| *c != '\n').is_some() {},
            ';' | '{' | '}' => tokens.push(c.to_string()),
            quote @ ('"' | '\'') => {
                let mut word = String::new();
                loop {
                    match chars.next()? {
                        end if end == quote => break,
                        '\\' => match chars.next()? {
                            escaped @ ('"' | '\'' | '\\') => word.push(escaped),
                            other => word.extend(['\\', other]),
                        },
                        other => word.push(other),
                    }
                }
                tokens.push(format!("{quote}{word}"));
            }
            first => {
                let mut word = String::from(first);
                while let Some(c) = chars.next_if(|c| !c.is_whitespace() && !";{}".contains(*c)) {
                    word.push(c);
                }
                tokens.push(word);
            }
        }
    }
    Some(tokens)
}
