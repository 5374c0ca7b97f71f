//! The REST API: HTTPS under `/v1`, one file per noun.
//!
//! What runs inside: [`serve`] accepts connections, each in a task of its own, until it is told to stop; then
//! it lets requests at work finish. A request passes, from outside in: its context (request id, trace span,
//! metrics, problems), the reading of what is left of its body, the body limit, the deadline, the gate (`auth`), its handler. Handlers keep nothing.

mod accounts;
mod admission;
mod answer;
mod api_keys;
mod app;
mod asked;
mod audit;
mod audit_query;
mod backups;
mod body;
mod ca;
mod client_address;
mod cluster;
mod consistency;
mod context;
mod controller_view;
mod controllers;
mod convergence;
mod cron;
mod database_users;
mod databases;
mod domains;
mod entrance;
mod events;
mod events_query;
mod fresh;
mod idle;
mod list;
mod listening;
mod me;
mod node_events;
mod node_events_query;
mod nodes;
mod oauth;
mod operations;
mod password;
mod placements;
mod plans;
mod preview;
mod problem;
mod problem_pages;
mod public_suffix;
mod query;
mod record_sets;
mod removed;
mod router;
mod secrets;
mod serve;
mod sessions;
mod signing_in;
mod tenants;
mod tokens;
mod unread;
mod users;
mod warnings;
mod webhooks;
mod zones;

pub use admission::{Requests, requests};
pub use app::{NodePresence, Presence, Services};
pub(crate) use client_address::Client;
pub use client_address::{ForwardedHeader, TrustedProxies};
pub(crate) use consistency::read_parameters;
pub use idle::IDLE;
pub(crate) use nodes::status as node_status;
pub(crate) use problem::Failure;
pub(crate) use query::write_parameters;
pub use removed::removed_router;
pub use router::router;
pub(crate) use router::{api, document_of};
pub use serve::{Connections, connections, serve};
