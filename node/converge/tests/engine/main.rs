//! The engine with a stand-in for the executor, in paused time: nothing here waits for real.

mod damage;
mod deletion;
mod drift;
mod fake;
mod node;
mod offers;
mod order;
mod restart;
mod retry;
