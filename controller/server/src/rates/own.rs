//! The rates that tenants are given in the state: a meter for each that has one, made when it first asks.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use npanel_model::TenantId;
use npanel_state::RequestLimit;

use super::meter::{Exceeded, Meter};

/// Such a rate is a number of requests in this time, and all of it is there at once.
const WINDOW: Duration = Duration::from_secs(60);

/// More tenants with a rate of their own do not ask one controller within a minute; beyond, all begin anew.
const REMEMBERED: usize = 16 * 1024;

#[derive(Debug, Default)]
pub(super) struct OwnRates(Mutex<HashMap<TenantId, Arc<OwnRate>>>);

#[derive(Debug)]
struct OwnRate {
    per_minute: u64,
    /// None: nothing may be asked at all.
    meter: Option<Meter<TenantId>>,
}

impl OwnRates {
    /// Counts a request for the tenant that has the limit.
    pub(super) fn take(&self, limit: &RequestLimit) -> Result<(), Exceeded> {
        let rate = self.of(limit);
        match &rate.meter {
            Some(meter) => meter.take(&limit.tenant_id).map(drop),
            None => Err(Exceeded::nothing_at_all("tenant", WINDOW)),
        }
    }

    /// The meter of this limit; another one if the limit was changed.
    fn of(&self, limit: &RequestLimit) -> Arc<OwnRate> {
        let mut rates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rate) = rates.get(&limit.tenant_id).filter(|rate| rate.per_minute == limit.per_minute) {
            return Arc::clone(rate);
        }
        if rates.len() >= REMEMBERED {
            rates.clear();
        }
        let quota = u32::try_from(limit.per_minute).unwrap_or(u32::MAX);
        let meter = Meter::new("tenant", quota, WINDOW);
        let rate = Arc::new(OwnRate { per_minute: limit.per_minute, meter });
        rates.insert(limit.tenant_id, Arc::clone(&rate));
        rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_tenant_has_the_rate_that_it_was_given_and_the_new_one_when_that_is_changed() {
        let (rates, tenant_id) = (OwnRates::default(), TenantId::generate());
        let limit = |per_minute| RequestLimit { tenant_id, per_minute };
        for _ in 0..3 {
            rates.take(&limit(3)).expect("within the rate");
        }
        let refused = rates.take(&limit(3)).expect_err("beyond it");
        assert_eq!((refused.quota, refused.window_seconds, refused.retry_after_seconds), (3, 60, 20));
        rates.take(&limit(4)).expect("it was changed");
        let other = RequestLimit { tenant_id: TenantId::generate(), per_minute: 3 };
        rates.take(&other).expect("another tenant");
        assert_eq!(rates.take(&limit(0)).expect_err("nothing").retry_after_seconds, 60);
    }
}
