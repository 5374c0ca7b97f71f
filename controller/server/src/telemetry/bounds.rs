//! How much is taken of what is bounded, and how often there was no room.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use npanel_consensus::Usage;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    bound: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    bound: &'static str,
    reason: &'static str,
}

type Source = Box<dyn Fn() -> Usage + Send + Sync>;

/// What is bounded, asked when it is shown.
#[derive(Clone, Default)]
pub(super) struct Bounds {
    sources: Arc<Mutex<Vec<(&'static str, Source)>>>,
    used: Family<Of, Gauge>,
    bytes: Family<Of, Gauge>,
    most: Family<Of, Gauge>,
    refused: Family<Refused, Counter>,
}

impl fmt::Debug for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bounds").finish_non_exhaustive()
    }
}

fn number(of: usize) -> i64 {
    i64::try_from(of).unwrap_or(i64::MAX)
}

impl Bounds {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("npanel_bound_used", "Places taken", self.used.clone());
        registry.register("npanel_bound_used_bytes", "Bytes of what has a place", self.bytes.clone());
        registry.register("npanel_bound_most", "Places that there are", self.most.clone());
        registry.register("npanel_bound_refused", "How often there was no place", self.refused.clone());
    }

    pub(super) fn add(&self, name: &'static str, usage: impl Fn() -> Usage + Send + Sync + 'static) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.retain(|(known, _)| *known != name);
        sources.push((name, Box::new(usage)));
    }

    /// Looks at everything anew.
    pub(super) fn refresh(&self) {
        for (bound, usage) in self.sources.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let usage = usage();
            self.used.get_or_create(&Of { bound }).set(number(usage.used.count));
            self.bytes.get_or_create(&Of { bound }).set(number(usage.used.bytes));
            self.most.get_or_create(&Of { bound }).set(number(usage.most.count));
            for (reason, count) in [("share", usage.refused_share), ("full", usage.refused_full)] {
                let counter = self.refused.get_or_create(&Refused { bound, reason });
                counter.inc_by(count.saturating_sub(counter.get()));
            }
        }
    }
}
