//! What end-to-end tests and the benchmark stand on: a running fleet, the typed client, and accounts with sites.
//!
//! A [`World`] is made once in a program's `main`, before anything else: it moves the calling thread into the
//! fleet's hub, so that all connections of the program are made from there.

mod api;
mod site;
mod world;

pub use api::Answer;
pub use site::{Page, Site, SiteDatabase};
pub use world::World;
