//! The ledger as its users see it.

#[cfg(feature = "failpoints")]
mod bugs;
mod durability;
mod offer;
mod offers;
mod properties;
mod rules;
