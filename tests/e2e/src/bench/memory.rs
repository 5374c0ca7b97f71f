//! What the programs take of a machine when nothing is asked of them.

use std::{
    collections::HashSet,
    fs::{self, File},
    os::unix::fs::FileExt,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use npanel_fleet::Kind;

use crate::{Bench, judge::Measure, load};

/// Long enough that heartbeats and timers weigh what they weigh.
const IDLE: Duration = Duration::from_secs(30);
/// So many accounts one of the nodes has.
const ACCOUNTS: usize = 500;
/// Kernel clock ticks in a second (`getconf CLK_TCK`, 100 on every Linux that runs this).
const TICKS: f64 = 100.0;
/// The size of a page on x86-64, and of a page's entry in `pagemap`, in bytes.
const PAGE: u64 = 4096;
const ENTRY: u64 = 8;
/// In an entry: the page is in memory, and its frame's number.
const PRESENT: u64 = 1 << 63;
const FRAME: u64 = (1 << 55) - 1;
/// Each daemon, as its process is named (the kernel keeps 15 letters), and the resident memory it aims at, in MiB. A node's daemon is two processes,
/// judged together.
const DAEMONS: [(Kind, &str, f64); 2] =
    [(Kind::Controller, "npanel-controll", 150.0), (Kind::Node, "npanel-node", 40.0)];
/// And under any load: requests are bounded, and so is what is kept of the state.
const PEAK: f64 = 512.0;
const CPU_TARGET_PERCENT: f64 = 1.0;

pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    load::fill(bench, ACCOUNTS)?;
    load::cordon_others(&bench.world, false)?;
    let mut found = Vec::new();
    for (kind, program, target) in DAEMONS {
        for member in bench.world.fleet.of_kind(kind) {
            let processes = bench.world.fleet.processes(&member.name)?;
            let own = processes.into_iter().filter(|(name, _)| {
                name.starts_with(program) || (kind == Kind::Node && name.starts_with("npanel"))
            });
            let ids: Vec<i32> = own.map(|(_, id)| id).collect();
            ensure!(!ids.is_empty(), "no process of {program} on {}", member.name);
            found.push((member.name.clone(), ids, target));
        }
    }
    let before: Vec<f64> = found.iter().map(|(_, ids, _)| cpu_seconds(ids)).collect::<Result<_>>()?;
    println!("  nothing is asked of the fleet for {IDLE:?}");
    std::thread::sleep(IDLE);
    for ((member, ids, target), before) in found.into_iter().zip(before) {
        let share = (cpu_seconds(&ids)? - before) / IDLE.as_secs_f64() * 100.0;
        let what = format!("{member} ({} processes), resident", ids.len());
        bench.judge(Measure::new(what, resident_mebibytes(&ids)?, "MiB", target));
        bench.judge(Measure::new(format!("{member}, of a core while idle"), share, "%", CPU_TARGET_PERCENT));
    }
    Ok(())
}

/// What each controller has had in memory at most, whatever was asked of it before.
pub(crate) fn judge_peaks(bench: &mut Bench) -> Result<()> {
    let names: Vec<_> =
        bench.world.fleet.of_kind(Kind::Controller).map(|member| member.name.clone()).collect();
    for name in names {
        let processes = bench.world.fleet.processes(&name)?;
        let (_, id) = processes.first().with_context(|| format!("{name} is down"))?;
        let status = fs::read_to_string(format!("/proc/{id}/status")).context("a process has ended")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
        let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
        let what = format!("{name}, resident at its peak");
        bench.judge(Measure::new(what, kibibytes / 1024.0, "MiB", PEAK));
    }
    Ok(())
}

/// The resident memory of the processes together, in MiB: a page that several of them share, such as the program's own
/// text, is one page. (proc(5): `maps` and `pagemap`, whose entries hold the frame's number to root.)
fn resident_mebibytes(ids: &[i32]) -> Result<f64> {
    let mut frames = HashSet::new();
    for id in ids {
        let maps = fs::read_to_string(format!("/proc/{id}/maps")).context("a process has ended")?;
        let pagemap = File::open(format!("/proc/{id}/pagemap")).context("a process has ended")?;
        for line in maps.lines().filter(|line| !line.ends_with("[vsyscall]")) {
            let (start, end) =
                line.split_once(' ').and_then(|(range, _)| range.split_once('-')).context("no range")?;
            let (start, end) = (u64::from_str_radix(start, 16)? / PAGE, u64::from_str_radix(end, 16)? / PAGE);
            let mut entries = vec![0; usize::try_from((end - start) * ENTRY)?];
            pagemap.read_exact_at(&mut entries, start * ENTRY).context("pagemap")?;
            let entries = entries
                .chunks_exact(8)
                .map(|bytes| u64::from_ne_bytes(bytes.try_into().expect("eight bytes")));
            frames.extend(entries.filter(|entry| entry & PRESENT != 0).map(|entry| entry & FRAME));
        }
    }
    ensure!(frames.len() > 1, "the kernel shows no frames: this needs root");
    Ok((frames.len() as u64 * PAGE) as f64 / 1_048_576.0)
}

fn cpu_seconds(ids: &[i32]) -> Result<f64> {
    let mut ticks = 0.0;
    for id in ids {
        let text = fs::read_to_string(format!("/proc/{id}/stat")).context("a process has ended")?;
        // After the name, which may hold anything: the state is field 3, user and system time are 14 and 15.
        let rest = text.rsplit_once(") ").context("no name in stat")?.1;
        let fields: Vec<&str> = rest.split(' ').collect();
        ticks += fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    }
    Ok(ticks / TICKS)
}
