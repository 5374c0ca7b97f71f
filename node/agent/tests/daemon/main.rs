//! The daemon between stand-ins: controllers on loopback with real TLS, and an executor on a Unix socket.

mod calls;
mod connections;
mod controller;
mod enrolment;
mod executor;
mod health;
mod offers;
mod place;
mod renewal;
