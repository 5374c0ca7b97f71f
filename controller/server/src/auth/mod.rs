//! Who calls, and whether they may: one gate in front of every route.
//!
//! A route's operationId is the action that the caller's API key must cover. The gate looks it up from the
//! OpenAPI document that the routes themselves make up, so a route without an action lets nobody in.

mod caller;
mod gate;
pub(crate) mod passwords;
pub(crate) mod totp;

pub(crate) use caller::Caller;
pub(crate) use gate::{Gate, RouteActions, Shown, action_of, authorise, operations};
pub(crate) use passwords::Passwords;
