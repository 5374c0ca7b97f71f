//! `npanel man`.

use std::{fs, io, path::Path};

use clap::{Command, CommandFactory};

use crate::{arguments::Arguments, failure::Failure};

/// Writes a page for this program and one for each of its commands, `npanel-account-create.1`.
pub(crate) fn run(directory: &Path) -> Result<(), Failure> {
    write(Arguments::command(), directory)
        .map_err(|error| Failure::usage(format!("{}: {error}", directory.display())))
}

fn write(command: Command, directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    clap_mangen::generate_to(command, directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The command and all beneath it, as they are typed.
    fn typed(before: &str, command: &Command, all: &mut Vec<String>) {
        let name = format!("{before}{}", command.get_name());
        for beneath in command.get_subcommands() {
            typed(&format!("{name} "), beneath, all);
        }
        all.push(name);
    }

    #[test]
    fn every_command_has_its_page() {
        let directory = tempfile::tempdir().expect("a directory");
        run(directory.path()).expect("written");
        let mut commands = Vec::new();
        typed("", &Arguments::command(), &mut commands);
        assert!(
            commands.len() > 120 && commands.contains(&"npanel account create".to_owned()),
            "{commands:?}"
        );
        let page = |command: &String| {
            fs::read_to_string(directory.path().join(format!("{}.1", command.replace(' ', "-"))))
        };
        for command in &commands {
            let page = page(command).unwrap_or_else(|error| panic!("{command}: {error}"));
            assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{command}");
        }
        let written = fs::read_dir(directory.path()).expect("the pages").count();
        assert_eq!(written, commands.len());
        assert!(page(&"npanel account create".to_owned()).expect("a page").contains("Its Unix user name"));
    }
}
