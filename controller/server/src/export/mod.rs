//! Exports: everything that is held on a tenant or an account, as one archive.

mod archive;
mod manifest;
mod pipe;
mod task;

pub(crate) use task::{Begun, Export, begin};
