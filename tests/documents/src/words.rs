//! A line as a shell takes it apart, as far as documents need it.

/// The words of a line, up to a comment, a pipe or a redirection. Optional parts, `[--pool X]`, are there.
pub(crate) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for letter in line.chars() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(letter),
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, '|' | '>' | '<' | ';' | '&') => break,
            (None, '[' | ']' | ' ' | '\n') => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_its_words_without_what_is_not_the_commands() {
        assert_eq!(words("a --b \"c d\" ''  # more"), ["a", "--b", "c d", ""]);
        assert_eq!(words("a [--pool X] > file"), ["a", "--pool", "X"]);
        assert_eq!(words("# nothing"), [""; 0]);
    }
}
