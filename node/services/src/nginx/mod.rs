//! nginx: one server for all ordinary sites.

mod base;
mod certificate;
mod probe;
mod site;
#[cfg(test)]
mod tokens;

pub use base::{ensure_base, foresee_base, managed_base, web_group};
pub use certificate::Certificate;
pub use site::{SiteSpec, ensure_site, managed_of_domain, managed_site, remove_site, sites};
#[cfg(test)]
pub(crate) use tokens::tokens;
