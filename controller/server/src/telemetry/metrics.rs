//! What is counted.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::{Method, StatusCode};
use npanel_consensus::Usage;
use npanel_model::Timestamp;
use npanel_sdk_types::NodeStatus;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};

use super::bounds::Bounds;
use crate::agreement::AgreementStatus;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    method: &'static str,
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Status {
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CertificateOf {
    of: &'static str,
}

/// From a millisecond to the longest wait.
const SECONDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

fn durations() -> Histogram {
    Histogram::new(SECONDS)
}

/// The controller's metrics. Clones count into the same.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    requests: Family<Request, Counter>,
    durations: Family<Route, Histogram, fn() -> Histogram>,
    term: Gauge,
    applied: Gauge,
    is_leader: Gauge,
    has_leader: Gauge,
    nodes: Family<Status, Gauge>,
    certificates: Family<CertificateOf, Gauge>,
    bounds: Bounds,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// New metrics, all zero.
    pub fn new() -> Self {
        let metrics = Self {
            registry: Arc::default(),
            requests: Family::default(),
            durations: Family::new_with_constructor(durations),
            term: Gauge::default(),
            applied: Gauge::default(),
            is_leader: Gauge::default(),
            has_leader: Gauge::default(),
            nodes: Family::default(),
            certificates: Family::default(),
            bounds: Bounds::default(),
        };
        metrics.register(|registry| {
            let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
            registry.register("npanel_build", "The build", build);
            let at = metrics.clone();
            registry.register("npanel_http_requests", "Requests to the API", at.requests);
            registry.register("npanel_http_request_seconds", "How long requests took", at.durations);
            registry.register("npanel_raft_term", "The term of the agreement", at.term);
            registry.register("npanel_raft_applied_index", "The last applied log entry", at.applied);
            registry.register("npanel_raft_is_leader", "Whether this controller leads", at.is_leader);
            registry.register("npanel_raft_has_leader", "Whether a leader is known", at.has_leader);
            registry.register("npanel_nodes", "Nodes by status, as this controller sees them", at.nodes);
            let help = "When a certificate expires, as seconds since 1970-01-01 UTC";
            registry.register("npanel_certificate_expiry_timestamp_seconds", help, at.certificates);
        });
        metrics.register(|registry| metrics.bounds.register(registry));
        metrics
    }

    /// Shows how much of something bounded is taken.
    pub fn bound(&self, name: &'static str, usage: impl Fn() -> Usage + Send + Sync + 'static) {
        self.bounds.add(name, usage);
    }

    /// Adds metrics of another part of the controller.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.registry.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn count(&self, method: &Method, route: String, status: StatusCode, took: Duration) {
        // Only methods that are routes: a stranger's invention must not become a label.
        let method = match method.as_str() {
            "GET" => "GET",
            "HEAD" => "HEAD",
            "POST" => "POST",
            "PATCH" => "PATCH",
            "PUT" => "PUT",
            "DELETE" => "DELETE",
            _ => "other",
        };
        let request = Request { method, route: route.clone(), status: status.as_u16() };
        self.requests.get_or_create(&request).inc();
        self.durations.get_or_create(&Route { method, route }).observe(took.as_secs_f64());
    }

    pub(crate) fn agreement(&self, status: &AgreementStatus) {
        let set = |gauge: &Gauge, value: u64| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        set(&self.term, status.term);
        set(&self.applied, status.applied_index);
        let leader = status.leader_id.map(|leader| leader.0);
        set(&self.is_leader, u64::from(leader == Some(status.controller_id)));
        set(&self.has_leader, u64::from(leader.is_some()));
    }

    pub(crate) fn nodes(&self, statuses: impl IntoIterator<Item = NodeStatus>) {
        let kinds = [NodeStatus::Ready, NodeStatus::Unreachable, NodeStatus::NeverSeen, NodeStatus::Revoked];
        let mut counts = [0; 4];
        for status in statuses {
            for (count, kind) in counts.iter_mut().zip(kinds) {
                *count += i64::from(status == kind);
            }
        }
        for (count, kind) in counts.into_iter().zip(kinds) {
            self.nodes.get_or_create(&Status { status: kind.as_str() }).set(count);
        }
    }

    pub(crate) fn certificates(&self, expiry: impl IntoIterator<Item = (&'static str, Timestamp)>) {
        for (of, expiry) in expiry {
            self.certificates.get_or_create(&CertificateOf { of }).set(expiry.as_millis() / 1000);
        }
    }

    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        self.bounds.refresh();
        let mut text = String::new();
        encode(&mut text, &self.registry.lock().unwrap_or_else(PoisonError::into_inner))?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_route_and_status() {
        let metrics = Metrics::new();
        let took = Duration::from_millis(3);
        metrics.count(&Method::GET, "/v1/plans/{id}".into(), StatusCode::NOT_FOUND, took);
        let method = Method::from_bytes(b"EVIL").expect("a method");
        metrics.count(&method, "none".into(), StatusCode::NOT_FOUND, took);
        let text = metrics.text().expect("metrics");
        let line = r#"npanel_http_requests_total{method="GET",route="/v1/plans/{id}",status="404"} 1"#;
        assert!(text.contains(line), "{text}");
        assert!(!text.contains("EVIL"), "{text}");
        assert!(text.contains(concat!("npanel_build_info{version=\"", env!("CARGO_PKG_VERSION"))), "{text}");
    }
}
