//! How a node is, for whoever is woken at night: what is wrong first, then what there is.

use npanel_model::{Limit, Megabytes, Timestamp};
use npanel_sdk_types::{NodeHealth, UnsettledObject};

use crate::{arguments::Format, failure::Failure, output};

/// Prints it.
pub(crate) fn show(health: &NodeHealth, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return output::object(format, health);
    }
    lines(health, Timestamp::now()).iter().try_for_each(|line| output::print(&output::printable(line)))
}

fn lines(health: &NodeHealth, now: Timestamp) -> Vec<String> {
    let node = &health.node;
    let mut lines = vec![format!("node {} ({}), pool {}", node.name, node.id, node.pool)];
    let mut say = |name: &str, text: String| lines.push(format!("  {name:<14} {text}"));
    say("connection", connection(health, now));
    if let Some(revocation) = &node.revocation {
        let why = if revocation.reason.is_empty() { "no reason given" } else { &revocation.reason };
        say("trust", format!("REVOKED {} ago: {why}", span(now, revocation.at)));
    }
    if !node.schedulable {
        say("placement", "cordoned: it gets nothing new".to_owned());
    }
    for missing in &node.missing_capabilities {
        say("cannot be", format!("{}: {}", missing.role, missing.reason));
    }
    for wrong in &node.conditions {
        let of = if wrong.subject.is_empty() { String::new() } else { format!(" of {}", wrong.subject) };
        let since = span(now, wrong.since);
        say("condition", format!("{}{of}, for {since}: {} ({})", wrong.kind, wrong.reason, wrong.message));
    }
    if !health.failed_services.is_empty() {
        say("not running", health.failed_services.join(", "));
    }
    say("objects", format!("{} pending, {} failed", health.pending, health.failed));
    say("certificate", certificate(node.certificate_expires_at, now));
    let roles: Vec<_> = node.roles.iter().map(ToString::to_string).collect();
    say("roles", if roles.is_empty() { "none told yet".to_owned() } else { roles.join(", ") });
    say("zone", node.availability_zone.as_ref().map_or_else(|| "not known".to_owned(), ToString::to_string));
    let labels: Vec<_> = node.labels.iter().chain(&node.own_labels).map(ToString::to_string).collect();
    if !labels.is_empty() {
        say("labels", labels.join(", "));
    }
    let limits = &node.limits;
    let accounts = node.reserved.accounts;
    say("accounts", format!("{accounts} of {}", limits.account_slots));
    let capacity = health.capacity.as_ref();
    let free = |free: Option<Megabytes>| free.map_or_else(|| "not told".to_owned(), |free| free.to_string());
    let promised = |reserved: Megabytes, total: Megabytes, percent: u64| {
        let limit = if total.0 == 0 { Limit::Unlimited } else { Limit::AtMost(total.0 * percent / 100) };
        format!("{} of {limit} MB promised ({percent} % of {total})", reserved.0)
    };
    let disk = promised(node.reserved.disk_mb, limits.disk_mb, limits.disk_overcommit_percent.percent());
    say("disk", format!("{disk}, {} free now", free(capacity.map(|capacity| capacity.disk_free_mb))));
    let memory =
        promised(node.reserved.memory_mb, limits.memory_mb, limits.memory_overcommit_percent.percent());
    say("memory", format!("{memory}, {} free now", free(capacity.map(|capacity| capacity.memory_free_mb))));
    say(
        "carries",
        format!("{} web, {} database, {} zones", node.load.web, node.load.database, node.load.zones),
    );
    say("system", format!("{}, nPanel {}", or(&node.os_profile), or(&node.version)));
    let php: Vec<_> = node.php_versions.iter().map(ToString::to_string).collect();
    say("PHP", if php.is_empty() { "none".to_owned() } else { php.join(", ") });
    lines.extend(health.unsettled.iter().map(|object| unsettled(object, now)));
    lines
}

fn or(text: &str) -> &str {
    if text.is_empty() { "not told" } else { text }
}

fn connection(health: &NodeHealth, now: Timestamp) -> String {
    let heard = health.last_heard_at.map(|at| format!("last heard {} ago", span(now, at)));
    match (health.online, heard) {
        (Some(true), Some(heard)) => format!("connected, {heard}"),
        (Some(_), Some(heard)) => format!("LOST, {heard}"),
        (Some(_), None) => "NOT CONNECTED since this leader leads".to_owned(),
        (None, _) => "unknown: no leader answers".to_owned(),
    }
}

fn certificate(expires: Option<Timestamp>, now: Timestamp) -> String {
    match expires {
        None => "none that is good".to_owned(),
        Some(at) if at <= now => format!("EXPIRED {} ago, at {at}", span(now, at)),
        Some(at) => format!("ends in {}, at {at}", span(at, now)),
    }
}

fn span(later: Timestamp, earlier: Timestamp) -> String {
    let seconds = later.since(earlier).as_secs();
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn unsettled(object: &UnsettledObject, now: Timestamp) -> String {
    let what = if object.is_removal { "removal of " } else { "" };
    let why = match (object.reason.as_str(), object.message.as_str()) {
        ("", _) => String::new(),
        (reason, "") => format!(": {reason}"),
        (reason, message) => format!(": {reason} ({message})"),
    };
    let (kind, name) = (&object.object_kind, &object.name);
    format!("  {:<14} {what}{kind} {name}, for {}{why}", object.state, span(now, object.since))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn health() -> NodeHealth {
        let id = "0190a5d2-0000-7000-8000-000000000001";
        let now = "2026-01-02T00:00:00Z";
        serde_json::from_value(json!({
            "node": {
                "id": id, "name": "n1", "status": "ready", "status_since": now, "pool": "default",
                "roles": ["web"], "address": "192.0.2.1", "os_profile": "debian-12", "php_versions": ["8.2"],
                "version": "0.1.0", "availability_zone": "a1", "labels": ["disk=nvme"], "own_labels": [],
                "schedulable": false, "revocation": {"at": "2026-01-01T23:58:00Z", "reason": "stolen"}, "missing_capabilities": [{"role": "dns", "reason": "no PowerDNS"}],
                "limits": {"account_slots": 500, "disk_mb": 1000, "disk_overcommit_percent": 150, "memory_mb": 0,
                    "memory_overcommit_percent": 100},
                "reserved": {"accounts": 3, "disk_mb": 700, "memory_mb": 0},
                "load": {"web": 3, "database": 2, "zones": 0},
                "certificate_expires_at": "2026-01-01T00:00:00Z", "created_at": now, "revision": 7,
                "conditions": [{"type": "DiskPressure", "status": "true", "subject": "homes", "reason": "SpaceLow",
                    "message": "1 % free", "since": "2026-01-01T22:00:00Z"}],
            },
            "online": false, "last_heard_at": "2026-01-01T23:59:00Z",
            "capacity": {"disk_mb": 1000, "disk_free_mb": 400, "memory_mb": 0, "memory_free_mb": 0},
            "failed_services": ["nginx.service"], "pending": 1, "failed": 1,
            "unsettled": [{"object_kind": "domain", "object_id": id, "name": "a.example", "is_removal": true,
                "state": "failed", "reason": "CheckRefused", "message": "line 3", "since": "2026-01-01T21:00:00Z"}],
        }))
        .expect("a node's health")
    }

    #[test]
    fn what_is_wrong_is_said() {
        let now = serde_json::from_value(json!("2026-01-02T00:00:00Z")).expect("a time");
        let text = lines(&health(), now).join("\n");
        for expected in [
            "LOST, last heard 60 s ago",
            "cordoned",
            "REVOKED 2 min ago: stolen",
            "DiskPressure of homes, for 2 h: SpaceLow (1 % free)",
            "dns: no PowerDNS",
            "nginx.service",
            "1 pending, 1 failed",
            "EXPIRED 24 h ago",
            "3 of 500",
            "700 of 1500 MB promised (150 % of 1000 MB), 400 MB free now",
            "removal of domain a.example, for 3 h: CheckRefused (line 3)",
        ] {
            assert!(text.contains(expected), "{expected} is not in:\n{text}");
        }
    }
}
