//! The feature level that a command needs: the highest of those at which it and each field that is set came in, by the table
//! in `proto/levels.tsv`. A controller below that level does not know the command or the field.

use crate::command::v1;

include!(concat!(env!("OUT_DIR"), "/levels.rs"));

/// The table: `Message.field` and its level, one a line.
pub const TABLE: &str = include_str!("../levels.tsv");

/// The level that the command needs. What the envelope itself says of its level is no matter.
pub fn needed(command: &v1::Envelope) -> u32 {
    envelope(command)
}
