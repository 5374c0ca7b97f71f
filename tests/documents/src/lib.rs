//! What the documents show: command lines and configuration files. Each program's own tests parse those that are its
//! own, so that a document that is out of date is a test that fails.

#[cfg(test)]
mod claims;
mod command;
mod configuration;
mod markdown;
mod words;

pub use command::{Shown, commands};
pub use configuration::accepts_configuration;
