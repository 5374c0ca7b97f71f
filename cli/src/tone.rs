//! Colours, for people at a terminal.

use std::{env, ffi::OsStr, io::IsTerminal};

use anstyle::{AnsiColor, Style};

use crate::output::printable;

/// What a line is, which its colour says too; never the colour alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Heading,
    /// Something comes to be.
    Made,
    /// Something becomes something else.
    Changed,
    /// Something goes, or is refused.
    Removed,
    /// Something to look at.
    Careful,
}

impl Tone {
    fn style(self) -> Style {
        let coloured = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
        match self {
            Self::Plain => Style::new(),
            Self::Heading => Style::new().bold(),
            Self::Made => coloured(AnsiColor::Green),
            Self::Changed => coloured(AnsiColor::Yellow),
            Self::Removed => coloured(AnsiColor::Red),
            Self::Careful => coloured(AnsiColor::Yellow).bold(),
        }
    }

    /// The line as it is written. What is in it commands no terminal; only the tone does.
    pub(crate) fn written(self, text: &str, in_colour: bool) -> String {
        let (text, style) = (printable(text), self.style());
        if in_colour { format!("{style}{text}{style:#}") } else { text }
    }
}

/// Whether standard output takes colours: a terminal, if nobody minds (<https://no-color.org>).
pub(crate) fn on_standard_output() -> bool {
    let set = |name| env::var_os(name);
    wanted(std::io::stdout().is_terminal(), set("NO_COLOR").as_deref(), set("TERM").as_deref())
}

fn wanted(is_terminal: bool, no_color: Option<&OsStr>, term: Option<&OsStr>) -> bool {
    is_terminal && no_color.is_none_or(OsStr::is_empty) && term.is_none_or(|term| term != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_a_terminal_and_for_who_wants_them() {
        let (set, empty, dumb, xterm) = ("1".as_ref(), "".as_ref(), "dumb".as_ref(), "xterm".as_ref());
        assert!(wanted(true, None, Some(xterm)) && wanted(true, Some(empty), None));
        assert!(!wanted(false, None, Some(xterm)));
        assert!(!wanted(true, Some(set), Some(xterm)));
        assert!(!wanted(true, None, Some(dumb)));
    }

    #[test]
    fn a_coloured_line_ends_its_colour_and_holds_no_other_command() {
        assert_eq!(Tone::Removed.written("a\u{1b}[2Jb", true), "\u{1b}[31ma\u{fffd}[2Jb\u{1b}[0m");
        assert_eq!(Tone::Removed.written("a\u{1b}[2Jb", false), "a\u{fffd}[2Jb");
        assert_eq!(Tone::Plain.written("a", true), "a");
    }
}
