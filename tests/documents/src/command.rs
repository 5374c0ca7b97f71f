//! Command lines.

use crate::{
    markdown::{code, documents},
    words::words,
};

/// A command line of a program as a document shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The document.
    pub document: String,
    /// The program and its arguments.
    pub words: Vec<String>,
    /// Whether it stands for itself, to be typed; what a sentence names may lack arguments.
    pub is_whole: bool,
}

/// All command lines of a program that any document shows.
///
/// # Panics
/// If the documents cannot be read.
pub fn commands(program: &str) -> Vec<Shown> {
    let of_document = |(document, text): (String, String)| {
        let mut shown = Vec::new();
        for code in code(&text) {
            match code.block.as_deref() {
                None => shown.extend(command(&document, &code.text, program, false)),
                Some("toml" | "text") => {}
                Some(_) => {
                    let text = code.text.replace("\\\n", " ");
                    shown.extend(text.lines().filter_map(|line| command(&document, line, program, true)));
                }
            }
        }
        shown
    };
    documents().into_iter().flat_map(of_document).collect()
}

/// What comes before the program, such as `runuser -u npanel --`, is left out, and `…`, which stands for what is not the
/// matter. A line with a blank to be filled in, `<noun>`, is no command, nor is the program's name alone.
fn command(document: &str, line: &str, program: &str, is_whole: bool) -> Option<Shown> {
    if line.contains("<noun>") {
        return None;
    }
    let mut words = words(line);
    let begins = |at: &usize| {
        words[*at] == program
            && (words[..*at].last().is_some_and(|word| word == "--")
                || words[..*at].iter().all(|word| word.contains('=')))
    };
    let begin = (0..words.len()).find(begins)?;
    let mut words = words.split_off(begin);
    words.retain(|word| word != "…");
    if words.len() == 1 {
        return None;
    }
    Some(Shown { document: document.to_owned(), words, is_whole })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_behind_its_user_and_its_environment_and_not_as_an_argument() {
        let found = |line| command("d", line, "npanel", true).map(|shown| shown.words.join(" "));
        assert_eq!(found("NPANEL_X=1 runuser -u npanel -- npanel a b").as_deref(), Some("npanel a b"));
        assert_eq!(found("NPANEL_X=1 npanel a").as_deref(), Some("npanel a"));
        assert_eq!(found("npanel-node a"), None);
        assert_eq!(found("systemctl start npanel"), None);
    }
}
