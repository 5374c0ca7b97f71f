//! How often somebody may ask: an API key, a tenant, an address; and how often an address may show credentials that are not good, or somebody try
//! to sign in.
//!
//! Counted on this controller alone, by the generic cell rate algorithm: whoever was quiet may ask for the whole quota at once, and
//! then as fast as it fills again. What waits is bounded elsewhere (`http/admission.rs`); this bounds how much of the
//! controller's time one of many gets, and says so before.

mod guesses;
mod meter;
mod own;
mod shown;
mod tallies;

use std::{net::IpAddr, sync::Arc, time::Duration};

use http::HeaderValue;
use npanel_model::TenantId;
use npanel_state::{Credential, RequestLimit};

pub(crate) use self::guesses::Guesses;
pub use self::meter::{Exceeded, Standing};
pub(crate) use self::shown::{RATE_LIMIT_HEADER, RATE_LIMIT_POLICY_HEADER, Shown};
use self::{meter::Meter, own::OwnRates};
use crate::origin::origin;

/// So much of a quota is there at once: who was quiet so long has all of it.
const WINDOW: Duration = Duration::from_secs(10);
/// The same of failures.
const FAILURES_WINDOW: Duration = Duration::from_secs(60);

/// How many requests are served. 0: as many as are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// A second, of an API key.
    pub key_per_second: u32,
    /// A second, of all keys of a tenant.
    pub tenant_per_second: u32,
    /// A second, from an IPv4 address or an IPv6 network of 64 bits.
    pub address_per_second: u32,
    /// A minute, from such an address: requests with credentials that are not good.
    pub failures_per_minute: u32,
}

impl Default for RateLimits {
    /// More than a person or a program needs that waits for its answers, and less than a controller serves on two cores.
    fn default() -> Self {
        Self {
            key_per_second: 500,
            tenant_per_second: 1000,
            address_per_second: 1000,
            failures_per_minute: 60,
        }
    }
}

impl RateLimits {
    /// Nobody is counted.
    pub const OFF: Self =
        Self { key_per_second: 0, tenant_per_second: 0, address_per_second: 0, failures_per_minute: 0 };
}

/// Who has asked how often. Every clone is the same.
#[derive(Debug, Clone)]
pub struct Rates(Arc<Meters>);

#[derive(Debug)]
struct Meters {
    key: Option<Meter<Credential>>,
    tenant: Option<Meter<TenantId>>,
    address: Option<Meter<IpAddr>>,
    failures: Option<Meter<IpAddr>>,
    /// The rates that tenants are given in the state.
    own: OwnRates,
    /// What answers to a caller say of these quotas, which are always the same.
    policy: Option<HeaderValue>,
}

impl Rates {
    /// Nobody has asked yet.
    pub fn new(limits: RateLimits) -> Self {
        let seconds = |number: u32| number.saturating_mul(WINDOW.as_secs() as u32);
        let key = Meter::new("key", seconds(limits.key_per_second), WINDOW);
        let tenant = Meter::new("tenant", seconds(limits.tenant_per_second), WINDOW);
        let policies = [key.as_ref().map(Meter::policy), tenant.as_ref().map(Meter::policy)];
        Self(Arc::new(Meters {
            policy: shown::policy(policies.into_iter().flatten()),
            key,
            tenant,
            address: Meter::new("address", seconds(limits.address_per_second), WINDOW),
            own: OwnRates::default(),
            failures: Meter::new("failures", limits.failures_per_minute, FAILURES_WINDOW),
        }))
    }

    /// Counts a request for the tenants that were given rates, the caller's own first and then those above it. They count also where
    /// this controller limits nobody.
    pub(crate) fn of_tenants(&self, limits: &[RequestLimit]) -> Result<(), Exceeded> {
        limits.iter().try_for_each(|limit| self.0.own.take(limit))
    }

    /// Counts a request of a key, and one of its tenant if the key may ask. What answers say of it goes to `shown`.
    pub(crate) fn of_caller(
        &self,
        key: Credential,
        tenant: TenantId,
        shown: Option<&Shown>,
    ) -> Result<(), Exceeded> {
        let of_key = take(self.0.key.as_ref(), &key);
        let of_tenant = if of_key.is_ok() { take(self.0.tenant.as_ref(), &tenant) } else { Ok(None) };
        if let (Some(shown), Some(policy)) = (shown, &self.0.policy) {
            shown.say(policy.clone(), [&of_key, &of_tenant].into_iter().filter_map(standing));
        }
        of_key.and(of_tenant).map(drop)
    }

    /// Counts a request from an address, whoever it is of.
    pub(crate) fn of_address(&self, address: IpAddr, shown: Option<&Shown>) -> Result<(), Exceeded> {
        let counted = take(self.0.address.as_ref(), &origin(address));
        if let (Some(shown), Err(exceeded), Some(meter)) = (shown, &counted, &self.0.address)
            && let Some(policy) = shown::policy([meter.policy()])
        {
            shown.say(policy, [exceeded.standing]);
        }
        counted.map(drop)
    }

    /// Counts credentials from an address that are not good, or are yet to be judged at some cost.
    ///
    /// # Errors
    /// If there were too many: then nothing is to be judged any more, and the caller is told to wait.
    pub(crate) fn of_failure(&self, address: IpAddr) -> Result<(), Exceeded> {
        take(self.0.failures.as_ref(), &origin(address)).map(drop)
    }
}

/// Counts with a meter, if there is one.
fn take<K: meter::Counted>(meter: Option<&Meter<K>>, of: &K) -> Result<Option<Standing>, Exceeded> {
    meter.map(|meter| meter.take(of)).transpose()
}

fn standing(counted: &Result<Option<Standing>, Exceeded>) -> Option<Standing> {
    match counted {
        Ok(standing) => *standing,
        Err(exceeded) => Some(exceeded.standing),
    }
}

#[cfg(test)]
mod tests {
    use npanel_model::ApiKeyId;

    use super::*;

    fn a_key() -> Credential {
        Credential::ApiKey(ApiKeyId::generate())
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[tokio::test(start_paused = true)]
    async fn a_network_that_one_host_has_is_one_address() {
        let rates = Rates::new(RateLimits { failures_per_minute: 2, ..RateLimits::OFF });
        for text in ["2001:db8::1", "2001:db8::2"] {
            rates.of_failure(address(text)).expect("a first time");
        }
        rates.of_failure(address("2001:db8:0:0:9::")).expect_err("the same network");
        rates.of_failure(address("2001:db8:0:1::1")).expect("another network");
        for text in ["192.0.2.1", "::ffff:192.0.2.1"] {
            rates.of_failure(address(text)).expect("a first time");
        }
        rates.of_failure(address("192.0.2.1")).expect_err("the same address, however it is written");
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_is_refused_takes_nothing_of_its_tenant() {
        let rates = Rates::new(RateLimits { key_per_second: 1, tenant_per_second: 2, ..RateLimits::OFF });
        let (tenant, loud, quiet) = (TenantId::generate(), a_key(), a_key());
        for _ in 0..10 {
            rates.of_caller(loud, tenant, None).expect("within the quota of the key");
        }
        for _ in 0..100 {
            assert_eq!(rates.of_caller(loud, tenant, None).expect_err("too many").standing.name, "key");
        }
        for _ in 0..10 {
            rates.of_caller(quiet, tenant, None).expect("what is left of the tenant");
        }
        let third = a_key();
        assert_eq!(rates.of_caller(third, tenant, None).expect_err("all").standing.name, "tenant");
    }

    #[test]
    fn nobody_is_counted_where_there_are_no_limits() {
        let rates = Rates::new(RateLimits::OFF);
        let shown = Shown::default();
        for _ in 0..100_000 {
            rates.of_caller(a_key(), TenantId::generate(), Some(&shown)).expect("no limit");
        }
        assert!(shown.said().is_none());
    }
}
