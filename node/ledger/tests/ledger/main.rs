//! The ledger as its users see it.

mod durability;
mod offer;
mod offers;
mod properties;
mod rules;
