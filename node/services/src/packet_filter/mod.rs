//! The packet filter: which addresses and ports accounts' processes may not reach. One table of our own,
//! `inet npanel`; the administrator's other tables are left alone.

use std::{collections::BTreeSet, net::IpAddr, path::Path, time::Duration};

use minijinja::context;
use npanel_host::{
    Attributes, Child, ChildError, Directory, Layout, Managed, OsProfile, Owner, Stages, Systemd, blocking,
};
use npanel_model::Uid;

use crate::{
    Difference, ServiceError, UnitEffects,
    aside::Aside,
    difference::change_at,
    mariadb,
    powerdns::API_PORT,
    template::{RenderError, Syntax, render},
};

const RULES: &str = include_str!("rules.nft");
const UNIT: &str = include_str!("unit.service");
const RULES_FILE: &str = "packet-filter.nft";
const UNIT_FILE: &str = "npanel-packet-filter.service";
const FILE: Attributes = Attributes { owner: Owner::ROOT, mode: 0o644 };
const DEADLINE: Duration = Duration::from_secs(20);

/// What no account may reach, besides what is the same on every node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guarded {
    /// Ports of this machine, besides those of the managed services.
    pub ports: BTreeSet<u16>,
    /// The controllers: of a machine with one of these addresses, accounts get to what every site offers only.
    pub controllers: BTreeSet<IpAddr>,
}

/// The files of the packet filter, as they should be.
///
/// # Errors
/// If one cannot be rendered.
pub fn managed_base(os: &OsProfile, guarded: &Guarded) -> Result<Vec<Managed>, ServiceError> {
    Ok(vec![
        Managed::file(Path::new(Layout::STATE).join(RULES_FILE), rules(guarded)?, FILE),
        Managed::file(Path::new(Layout::UNITS).join(UNIT_FILE), unit(os)?, FILE),
    ])
}

/// The rules as the kernel has them; none if there are none. What was loaded by us and what somebody has made of
/// it since are told apart by comparing two of these.
///
/// # Errors
/// If the program cannot be run.
pub async fn loaded(os: &OsProfile) -> Result<Option<String>, ServiceError> {
    let list = Child::new(os.nft, DEADLINE).arg("list").arg("table").arg("inet").arg("npanel");
    match list.run().await {
        Ok(shown) => Ok(Some(shown.stdout)),
        Err(ChildError::Failed { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The rules, checked, loaded now and at boot. `known` is what was loaded at the last time, if that is known.
/// Answers whether anything was changed.
///
/// # Errors
/// If the rules are refused: the loaded ones stay.
pub async fn ensure_base(
    os: &OsProfile,
    systemd: &Systemd,
    guarded: &Guarded,
    known: Option<&str>,
    stages: &mut Stages,
) -> Result<bool, ServiceError> {
    stages.enter("filter-render");
    let (rules, unit) = (rules(guarded)?, unit(os)?);
    stages.enter("filter-check");
    let text = rules.clone();
    let staged = blocking(move || Directory::open(Layout::STATE)?.stage(RULES_FILE, text.as_bytes(), FILE));
    let staged = Path::new(Layout::STATE).join(staged.await?);
    let checked = Child::new(os.nft, DEADLINE).arg("-c").arg("-f").arg(&staged).run().await;
    checked.map_err(|error| ServiceError::checked("nftables", error))?;
    stages.enter("filter-commit");
    let (rules_changed, unit_changed) = blocking(move || commit(&rules, &unit)).await?;
    if unit_changed {
        systemd.reload_units().await?;
    }
    let mut changed = rules_changed | unit_changed | systemd.enable(UNIT_FILE).await?;
    // Somebody may have changed the rules since they were loaded.
    let found = loaded(os).await?;
    let good =
        found.as_deref().is_some_and(is_ours) && known.is_none_or(|known| found.as_deref() == Some(known));
    // What is not known is loaded again: that changes nothing if it is right.
    if rules_changed || !good || known.is_none() {
        systemd.reset_failed(UNIT_FILE).await?;
        systemd.restart(UNIT_FILE, DEADLINE).await?;
        changed |= !good;
    }
    stages.enter("filter-verify");
    if loaded(os).await?.as_deref().is_some_and(is_ours) {
        Ok(changed)
    } else {
        let detail = "the table has no rule for accounts".to_owned();
        Err(ServiceError::Unverified { service: "nftables", detail })
    }
}

/// What making the rules right, which differ so, does to their unit; `is_loaded`: what the kernel has is what was
/// loaded.
///
/// # Errors
/// If the rules are refused.
pub async fn foresee_base(
    os: &OsProfile,
    guarded: &Guarded,
    differences: &[Difference],
    is_loaded: bool,
) -> Result<UnitEffects, ServiceError> {
    let file = Path::new(Layout::STATE).join(RULES_FILE);
    let differs = change_at(differences, &file).is_some();
    if differs {
        let aside = Aside::write(rules(guarded)?, Owner::ROOT.gid).await?;
        let checked = Child::new(os.nft, DEADLINE).arg("-c").arg("-f").arg(aside.path()).run().await;
        checked.map_err(|error| ServiceError::checked("nftables", error))?;
    }
    Ok(if differs || !is_loaded { UnitEffects::reload(UNIT_FILE) } else { UnitEffects::default() })
}

fn is_ours(shown: &str) -> bool {
    shown.contains("meta skuid")
}

fn rules(guarded: &Guarded) -> Result<String, RenderError> {
    let ports: Vec<u16> = guarded.ports.iter().copied().chain([API_PORT]).collect();
    let (first_uid, last_uid) = (Uid::FIRST.get(), Uid::LAST.get());
    // What a name of IPv4 may resolve to; the kernel sends such a packet as one of IPv4. A controller on this machine that is
    // reached over loopback is kept from by its ports: accounts need the rest of loopback.
    let controllers = guarded.controllers.iter().map(IpAddr::to_canonical);
    let controllers: BTreeSet<IpAddr> = controllers.filter(|address| !address.is_loopback()).collect();
    let texts = |wanted: fn(&IpAddr) -> bool| -> Vec<String> {
        controllers.iter().filter(|address| wanted(address)).map(ToString::to_string).collect()
    };
    let (controllers4, controllers6) = (texts(IpAddr::is_ipv4), texts(IpAddr::is_ipv6));
    let mariadb_port = mariadb::PORT;
    let values = context! { ports, mariadb_port, first_uid, last_uid, controllers4, controllers6 };
    render("packet-filter.nft", Syntax::Plain, RULES, values)
}

fn unit(os: &OsProfile) -> Result<String, RenderError> {
    let values = context! { nft => os.nft, rules => format!("{}/{RULES_FILE}", Layout::STATE) };
    render("npanel-packet-filter.service", Syntax::Unit, UNIT, values)
}

fn commit(rules: &str, unit: &str) -> Result<(bool, bool), ServiceError> {
    let state = Directory::open(Layout::STATE)?;
    let rules_changed = !state.holds(RULES_FILE, rules.as_bytes(), FILE)?;
    state.commit(&Directory::staged_name(RULES_FILE), RULES_FILE)?;
    let units = Directory::open(Layout::UNITS)?;
    let unit_changed = units.write(UNIT_FILE, unit.as_bytes(), FILE)?;
    units.sync()?;
    Ok((rules_changed, unit_changed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_system_loads_them_with_its_own_program() {
        for os in OsProfile::all() {
            let text = unit(&os).expect("rendered");
            assert!(text.contains(&format!("ExecStart={} -f ", os.nft)), "{}: {text}", os.name);
        }
    }

    #[test]
    fn the_rules_are_about_accounts_uids_and_all_control_ports() {
        let guarded = Guarded { ports: BTreeSet::from([9471]), ..Guarded::default() };
        let text = rules(&guarded).expect("rendered");
        assert!(text.contains("meta skuid 1900000000-2147483647 jump account"), "{text}");
        assert!(text.contains("elements = { 9471, 8081 }"), "{text}");
        assert!(text.contains("elements = { 9471, 8081, 3306 }"), "{text}");
        assert!(text.contains("169.254.169.254") && text.contains("fd00:ec2::254"));
    }

    #[test]
    fn the_rules_name_every_controllers_address_by_its_family() {
        let addresses = ["192.0.2.7", "::ffff:192.0.2.8", "2001:db8::7", "127.0.0.1", "::1"];
        let controllers = addresses.map(|text| text.parse().expect("an address")).into();
        let text = rules(&Guarded { controllers, ..Guarded::default() }).expect("rendered");
        assert!(text.contains("elements = { 192.0.2.7, 192.0.2.8 }"), "{text}");
        assert!(text.contains("elements = { 2001:db8::7 }"), "{text}");
        let none = rules(&Guarded::default()).expect("rendered");
        assert!(!none.contains("elements = {  }"), "a list must not be empty: {none}");
    }
}
