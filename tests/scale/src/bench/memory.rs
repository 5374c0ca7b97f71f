//! What processes take of the machine.

use std::fs;

use anyhow::{Context, Result};

use super::cluster::Cluster;

/// Kernel clock ticks in a second (`getconf CLK_TCK`, 100 on every Linux that runs this).
const TICKS: f64 = 100.0;

/// As the kernel names the process of `npanel-controller`.
const CONTROLLER: &str = "npanel-controll";

pub(super) struct Resident {
    pub(super) now_mib: f64,
    pub(super) peak_mib: f64,
}

/// What the largest controller has in memory, pages of files included, and had at most.
pub(super) fn largest(cluster: &Cluster) -> Result<Resident> {
    let mut largest = Resident { now_mib: 0.0, peak_mib: 0.0 };
    for (_, id) in processes(cluster)? {
        let status = fs::read_to_string(format!("/proc/{id}/status")).context("a process has ended")?;
        largest.now_mib = largest.now_mib.max(mebibytes(&status, "VmRSS:")?);
        largest.peak_mib = largest.peak_mib.max(mebibytes(&status, "VmHWM:")?);
    }
    Ok(largest)
}

fn mebibytes(status: &str, field: &str) -> Result<f64> {
    let line =
        status.lines().find_map(|line| line.strip_prefix(field)).with_context(|| format!("no {field}"))?;
    let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse().context("a size")?;
    Ok(kibibytes / 1024.0)
}

/// The processor time that each controller, and this process, has had.
pub(super) fn processor_seconds(cluster: &Cluster) -> Result<Vec<(String, f64)>> {
    let own = i32::try_from(std::process::id())?;
    let mut all = processes(cluster)?;
    all.push(("the clients".to_owned(), own));
    all.into_iter().map(|(who, id)| Ok((who, seconds(id)?))).collect()
}

fn processes(cluster: &Cluster) -> Result<Vec<(String, i32)>> {
    let mut found = Vec::new();
    for name in cluster.names() {
        let of_member = cluster.fleet.processes(&name)?;
        let (_, id) =
            of_member.into_iter().find(|(program, _)| program == CONTROLLER).context("it is down")?;
        found.push((name, id));
    }
    Ok(found)
}

/// After the name, which may hold anything: the state is field 3, user and system time are 14 and 15 (proc(5)).
fn seconds(id: i32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).context("a process has ended")?;
    let rest = text.rsplit_once(") ").context("no name in stat")?.1;
    let fields: Vec<&str> = rest.split(' ').collect();
    Ok((fields[11].parse::<f64>()? + fields[12].parse::<f64>()?) / TICKS)
}
