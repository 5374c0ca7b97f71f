//! Secrets that people type: without an echo from a terminal, else a line of standard input. Never from the command line, which
//! others see.

use std::io::{IsTerminal, stdin};

use npanel_model::Secret;

use crate::failure::Failure;

fn failed(error: &std::io::Error) -> Failure {
    Failure::usage(format!("the password could not be read: {error}"))
}

/// A secret that exists.
pub(crate) fn secret(prompt: &str) -> Result<Secret, Failure> {
    if stdin().is_terminal() {
        return rpassword::prompt_password(prompt).map(Secret::new).map_err(|error| failed(&error));
    }
    let mut line = zeroize::Zeroizing::new(String::new());
    stdin().read_line(&mut line).map_err(|error| failed(&error))?;
    Ok(Secret::new(line.trim_end_matches(['\r', '\n'])))
}

/// A password that is new: at a terminal it is asked for twice.
pub(crate) fn new_password(prompt: &str) -> Result<Secret, Failure> {
    let first = secret(prompt)?;
    if stdin().is_terminal() && secret("Again: ")? != first {
        return Err(Failure::usage("the two are not the same"));
    }
    Ok(first)
}
