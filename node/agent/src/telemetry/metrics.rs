//! What is counted.

use std::{sync::Mutex, time::Duration};

use npanel_converge::{Observer, Reports};
use npanel_model::Timestamp;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::Registry,
};

use crate::config::Endpoint;

/// The daemon's metrics.
pub struct Metrics {
    registry: Registry,
    objects: Family<ObjectLabels, Gauge>,
    operations: Family<OperationLabels, Histogram>,
    failures: Family<OperationLabels, Counter>,
    connections: Family<ControllerLabels, Gauge>,
    certificate: Gauge,
    expires_at: Gauge,
    quarantined: Gauge,
    /// One scrape at a time: gauges that are set for a scrape must not be cleared by another.
    scraping: Mutex<()>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ObjectLabels {
    kind: &'static str,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    operation: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ControllerLabels {
    controller: String,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("npanel_node");
        let objects = Family::default();
        registry.register("objects", "Objects of the ledger by kind and state", objects.clone());
        // From 1 ms to 32 s.
        let histogram: fn() -> Histogram = || Histogram::new(exponential_buckets(0.001, 2.0, 16));
        let operations = Family::new_with_constructor(histogram);
        let help = "How long operations of the executor took";
        registry.register("operation_seconds", help, operations.clone());
        let failures = Family::default();
        registry.register("operation_failures", "Operations that failed", failures.clone());
        let connections = Family::default();
        registry.register("controller_connected", "Whether a controller is connected", connections.clone());
        let certificate = Gauge::default();
        let help = "Seconds until the node's certificate expires; negative if it has, 0 if there is none";
        registry.register("certificate_expiry_seconds", help, certificate.clone());
        let expires_at = Gauge::default();
        let help = "When the node's certificate expires, as seconds since 1970-01-01 UTC; 0 if there is none";
        registry.register("certificate_expiry_timestamp_seconds", help, expires_at.clone());
        let quarantined = Gauge::default();
        registry.register("ledger_quarantined_files", "Ledger files set aside at start", quarantined.clone());
        registry.register("build", "The daemon", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        let scraping = Mutex::default();
        Self {
            registry,
            objects,
            operations,
            failures,
            connections,
            certificate,
            expires_at,
            quarantined,
            scraping,
        }
    }

    /// A controller is connected or not.
    pub fn connection(&self, controller: &Endpoint, connected: bool) {
        let labels = ControllerLabels { controller: controller.to_string() };
        self.connections.get_or_create(&labels).set(i64::from(connected));
    }

    /// Nobody dials there any more.
    pub fn forget_connection(&self, controller: &Endpoint) {
        self.connections.remove(&ControllerLabels { controller: controller.to_string() });
    }

    /// How many ledger files were set aside.
    pub fn quarantined(&self, files: usize) {
        self.quarantined.set(i64::try_from(files).unwrap_or(i64::MAX));
    }

    /// The text of all metrics.
    pub(super) fn text(&self, reports: &Reports, certificate: Option<Timestamp>) -> String {
        let _one = self.scraping.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.objects.clear();
        for ((kind, state), count) in reports.counts() {
            let gauge = self.objects.get_or_create_owned(&ObjectLabels { kind, state });
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let left = |expiry: Timestamp| (expiry.as_millis() - Timestamp::now().as_millis()) / 1000;
        self.certificate.set(certificate.map_or(0, left));
        self.expires_at.set(certificate.map_or(0, |expiry| expiry.as_millis() / 1000));
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a string does not fail");
        text
    }
}

impl Observer for Metrics {
    fn operation_ended(&self, operation: &'static str, took: Duration, well: bool) {
        let labels = OperationLabels { operation };
        self.operations.get_or_create(&labels).observe(took.as_secs_f64());
        if !well {
            self.failures.get_or_create(&labels).inc();
        }
    }
}
