//! What the fleet itself promises to the tests that stand on it, shown on two nodes without controllers.

use std::path::Path;

use anyhow::Result;
use npanel_fleet::{Fleet, FleetName, FleetSpec, Guard};

const PAGE: &str = "http://10.88.0.11/";

/// One fleet for all claims: each leaves it as it found it.
#[test]
fn nodes_are_steered_one_by_one_and_leave_nothing_behind() -> Result<()> {
    let name: FleetName = format!("bare-{}", std::process::id()).parse()?;
    let guard = Guard::over(&name)?;
    let fleet = Fleet::boot(FleetSpec { name: name.clone(), controllers: 0, nodes: 2 })?;

    a_node_is_a_whole_system(&fleet)?;
    a_user_record_resolves_at_once(&fleet)?;
    a_cut_is_silent_and_heals(&fleet)?;
    a_cut_can_be_of_one_direction(&fleet)?;
    a_pause_keeps_the_node_up_and_still(&fleet)?;
    a_killed_node_comes_back_with_its_files(&fleet)?;
    logs_of_a_node_that_is_down_are_collected(&fleet)?;

    drop(guard);
    assert!(Fleet::open(&name).is_err());
    let left = std::fs::read_dir("/run/netns")?.flatten().map(|entry| entry.file_name());
    let left: Vec<_> = left.filter(|entry| entry.to_string_lossy().contains(name.as_str())).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(!Path::new("/run/npanel-fleet").join(name.as_str()).exists());
    Ok(())
}

fn answers(fleet: &Fleet, from: Option<&str>) -> bool {
    let curl = ["--silent", "--fail", "--output", "/dev/null", "--max-time", "1", PAGE];
    match from {
        None => fleet.hub("/usr/bin/curl", curl).is_ok(),
        Some(node) => fleet.exec(node, ["/usr/bin/curl"].iter().chain(&curl)).is_ok(),
    }
}

fn a_node_is_a_whole_system(fleet: &Fleet) -> Result<()> {
    assert_eq!(fleet.exec("n1", ["/bin/hostname"])?.trim(), "n1");
    let services = ["nginx", "php8.2-fpm", "mariadb", "dbus"];
    fleet.exec("n1", ["/bin/systemctl", "is-active"].iter().chain(&services))?;
    let failed = fleet.exec("n1", ["/bin/systemctl", "--failed", "--no-legend"])?;
    assert_eq!(failed, "");
    assert!(answers(fleet, None) && answers(fleet, Some("n2")));
    Ok(())
}

fn a_user_record_resolves_at_once(fleet: &Fleet) -> Result<()> {
    let record = r#"{"userName":"alice","uid":1900000001,"gid":1900000001,"homeDirectory":"/home/alice"}"#;
    fleet.exec("n1", ["/bin/mkdir", "-p", "/etc/userdb"])?;
    fleet.write_as("n1", 0, "/etc/userdb/alice.user", record)?;
    fleet.exec("n1", ["/bin/ln", "-s", "alice.user", "/etc/userdb/1900000001.user"])?;
    let found = fleet.exec("n1", ["/usr/bin/getent", "passwd", "alice"])?;
    assert!(found.starts_with("alice:x:1900000001:"), "{found}");
    let seen = fleet.exec_as("n1", 1_900_000_001, ["/usr/bin/id", "--user", "--name"])?;
    assert_eq!(seen.ok()?.trim(), "alice");
    Ok(())
}

fn a_cut_is_silent_and_heals(fleet: &Fleet) -> Result<()> {
    fleet.cut_from("n1", &["n2"])?;
    assert!(answers(fleet, None) && !answers(fleet, Some("n2")), "only the named peer is cut off");
    fleet.cut("n1")?;
    assert!(!answers(fleet, None));
    fleet.heal()?;
    assert!(answers(fleet, None) && answers(fleet, Some("n2")));
    Ok(())
}

/// Whether a datagram that one sends reaches the other, which counts those that it has no use for.
fn reaches(fleet: &Fleet, from: &str, to: &str) -> Result<bool> {
    let unwanted =
        || fleet.exec(to, ["/bin/sh", "-c", "awk '/^Udp:/ { print $3 }' /proc/net/snmp | tail -n 1"]);
    let (before, address) = (unwanted()?, fleet.member(to)?.address);
    fleet.exec(from, ["/bin/bash", "-c", &format!("echo hello > /dev/udp/{address}/9")])?;
    // It has gone through a bridge of this machine when the sender has ended.
    Ok(unwanted()? != before)
}

fn a_cut_can_be_of_one_direction(fleet: &Fleet) -> Result<()> {
    assert!(reaches(fleet, "n1", "n2")? && reaches(fleet, "n2", "n1")?);
    fleet.cut_one_way("n2", "n1")?;
    assert!(reaches(fleet, "n1", "n2")? && !reaches(fleet, "n2", "n1")?);
    assert!(!answers(fleet, Some("n2")), "it takes both directions to ask and be answered");
    fleet.heal()?;
    assert!(reaches(fleet, "n2", "n1")? && answers(fleet, Some("n2")));
    Ok(())
}

fn a_pause_keeps_the_node_up_and_still(fleet: &Fleet) -> Result<()> {
    fleet.pause("n1")?;
    assert!(fleet.is_up("n1")? && fleet.is_paused("n1")? && !answers(fleet, None));
    fleet.resume("n1")?;
    assert!(answers(fleet, None));
    Ok(())
}

fn a_killed_node_comes_back_with_its_files(fleet: &Fleet) -> Result<()> {
    fleet.exec("n1", ["/usr/bin/touch", "/srv/kept"])?;
    fleet.kill("n1")?;
    assert!(!fleet.is_up("n1")? && fleet.is_up("n2")?);
    fleet.start("n1")?;
    fleet.exec("n1", ["/bin/ls", "/srv/kept"])?;
    fleet.restart("n1")?;
    assert!(answers(fleet, None));
    Ok(())
}

fn logs_of_a_node_that_is_down_are_collected(fleet: &Fleet) -> Result<()> {
    fleet.stop("n2")?;
    let directory = tempfile::tempdir()?;
    fleet.collect_logs(directory.path())?;
    let journal = std::fs::read_to_string(directory.path().join("n2/journal.log"))?;
    assert!(journal.contains("MariaDB"), "{journal}");
    Ok(())
}
