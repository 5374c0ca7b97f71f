//! The REST API, request by request, on a state that needs no agreement: one replica, one node that does what
//! it is told when a test says so.

mod alone;
mod audit;
mod backups;
mod behind;
mod bounds;
mod called;
mod changes;
mod conditions;
mod consistency;
mod controllers;
mod converging;
mod dry_run;
mod feed;
mod filled;
mod forms;
mod idempotency;
mod limits;
mod lists;
mod neighbours;
mod nodes;
mod overload;
mod rates;
mod resources;
mod rights;
mod roles;
mod secrets;
mod served;
mod serving;
mod support;
mod telemetry;
mod users;
