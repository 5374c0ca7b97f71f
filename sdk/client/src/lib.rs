//! A thin, typed client of nPanel's REST API.
//!
//! ```no_run
//! # async fn example() -> Result<(), npanel_client::Error> {
//! use npanel_client::{Client, Config, Wait};
//! use npanel_sdk_types::{CreateDomain, Domain};
//! # let (key, account_id, ca) = (npanel_model::Secret::new(""), npanel_model::AccountId::generate(), vec![]);
//!
//! let client = Client::new(Config::new(vec!["https://panel.example.net:8443".to_owned()], key).with_ca(ca))?;
//! let domain = CreateDomain {
//!     account_id,
//!     name: "example.com".parse().expect("a name"),
//!     document_root: None,
//!     create_zone: true,
//! };
//! let made = client.create::<Domain>(&domain, Wait::No).await?;
//! println!("{} is {}", made.object.name, made.object.convergence.status.as_str());
//! # Ok(())
//! # }
//! ```
//!
//! A request goes to the first controller that answers. Every write carries an idempotency key, so a request
//! whose answer was lost is sent again, to the next controller, without doing anything twice.

mod audit;
mod client;
mod cluster;
mod config;
mod download;
mod error;
mod events;
mod identity;
mod noun;
mod pages;
mod privacy;
mod progress;
mod request;
mod transport;

pub use client::{Client, Terms, Wait, Written};
pub use config::Config;
pub use download::Download;
pub use error::Error;
pub use events::{Events, Told};
pub use noun::{BulkCreatable, Creatable, Deletable, Noun, Suspendable, Updatable};
pub use progress::Waited;
pub use request::{Request, RequestBody};
pub use reqwest::Method;
