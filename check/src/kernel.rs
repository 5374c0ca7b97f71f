//! What a node needs of the kernel.

use std::{fs, path::Path};

use crate::{Report, Verdict};

/// Control groups of version 2, user namespaces and the packet filter.
pub fn kernel(report: &mut Report) {
    let release = read("/proc/sys/kernel/osrelease");
    report.ok("kernel", release.unwrap_or_else(|| "unknown release".to_owned()));
    if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        report.ok("control groups", "version 2");
    } else {
        let advice = "boot with systemd.unified_cgroup_hierarchy=1";
        report.add("control groups", Verdict::Error, "version 2 is not mounted at /sys/fs/cgroup", advice);
    }
    match read("/proc/sys/user/max_user_namespaces").map(|text| text.parse::<u64>()) {
        Some(Ok(0)) => {
            let advice = "sysctl user.max_user_namespaces=15000";
            report.add("user namespaces", Verdict::Warning, "none are allowed", advice);
        }
        Some(Ok(most)) => report.ok("user namespaces", format!("up to {most}")),
        Some(Err(_)) | None => {
            report.add("user namespaces", Verdict::Unseen, "the kernel does not say", "");
        }
    }
    packet_filter(report);
}

/// The packet filter shows itself in /proc as a protocol of netlink (12, `NETLINK_NETFILTER`) or as a module.
fn packet_filter(report: &mut Report) {
    let release = read("/proc/sys/kernel/osrelease").unwrap_or_default();
    let loaded = fs::read_to_string("/proc/modules")
        .unwrap_or_default()
        .lines()
        .any(|line| line.starts_with("nf_tables "));
    let modules = Path::new("/lib/modules").join(release);
    let available = ["modules.builtin", "modules.dep"]
        .iter()
        .any(|list| fs::read_to_string(modules.join(list)).is_ok_and(|text| text.contains("/nf_tables.ko")));
    if loaded || available {
        report.ok("packet filter", if loaded { "nf_tables is loaded" } else { "nf_tables is available" });
    } else {
        let found = "nf_tables is not among the modules; it may be built in";
        report.add("packet filter", Verdict::Unseen, found, "try: nft list ruleset");
    }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}
