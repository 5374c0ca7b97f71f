//! The rules, tried through the store as the consensus layer drives it.

mod audit;
mod capacity;
mod changes;
mod convergence;
mod cron;
mod enrolment;
mod events;
mod former_tenants;
mod identity;
mod levels;
mod lost;
mod operations;
mod ownership;
mod plans;
mod repetitions;
mod replacement;
mod replicas;
mod restoration;
mod revocation;
mod secrets;
mod snapshots;
mod statements;
mod support;
mod tampering;
mod webhooks;
