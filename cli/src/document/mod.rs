//! The API's document, as far as one needs it to call an operation by its name.

mod fill;
mod read;

pub(crate) use fill::{paged, request};
pub(crate) use read::{Document, Operation};
