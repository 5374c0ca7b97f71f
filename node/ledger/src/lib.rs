//! What the controllers have asked of this node, durable: the newest intent of every object, the removals that
//! are under way, and the highest fence seen.
//!
//! A [`Ledger`] may be shared between threads; its calls block on the disk. It holds no opinion on how intents
//! are carried out. Its rules:
//!
//! - an older generation is refused, and so is the same generation with other content;
//! - a lower fence (epoch, term, leader) than the highest seen is refused, restarts included;
//! - what is answered as accepted has been written, flushed and renamed into place first;
//! - two objects cannot have one name: who has it keeps it, until it is to go;
//! - an object goes only by a tombstone, never by absence;
//! - a file that cannot be read is set aside and reported, and costs only its own object.
//!
//! On disk: one file per object in `objects/`, the fence in `fence`, unreadable files in `quarantine/`. They
//! hold secrets: directories are 0700, files 0600.

mod batch;
mod bug;
mod entry;
mod fence;
mod intent;
mod key;
mod ledger;
mod name;
mod offer;
mod rules;
mod store;
mod stored;

pub use entry::{Content, Entry, Progress, Removal};
pub use fence::{Fence, StaleFence};
pub use intent::{
    AccountIntent, CronTableIntent, DatabaseIntent, DatabaseUserIntent, GrantIntent, Intent, RecordSetIntent,
    SiteIntent, ZoneIntent,
};
pub use key::{KeyError, ObjectKey};
pub use ledger::{AcceptError, Ledger};
pub use name::Name;
pub use offer::{InvalidIntent, NotAnOffer, Offer, Wish};
pub use rules::{Refusal, Verdict};
pub use store::{Quarantined, StoreError};
