//! The packet filter: which addresses and ports accounts' processes may not reach. One table of our own,
//! `inet npanel`; the administrator's other tables are left alone.

use std::{collections::BTreeSet, path::Path, time::Duration};

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

/// The files of the packet filter, as they should be.
///
/// # Errors
/// If one cannot be rendered.
pub fn managed_base(os: &OsProfile, control_ports: &BTreeSet<u16>) -> Result<Vec<Managed>, ServiceError> {
    Ok(vec![
        Managed::file(Path::new(Layout::STATE).join(RULES_FILE), rules(control_ports)?, FILE),
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

/// The rules, checked, loaded now and at boot. `control_ports` are ports of this machine that no account may
/// reach, besides those of the managed services; `known` is what was loaded at the last time, if that is known.
/// Answers whether anything was changed.
///
/// # Errors
/// If the rules are refused: the loaded ones stay.
pub async fn ensure_base(
    os: &OsProfile,
    systemd: &Systemd,
    control_ports: &BTreeSet<u16>,
    known: Option<&str>,
    stages: &mut Stages,
) -> Result<bool, ServiceError> {
    stages.enter("filter-render");
    let (rules, unit) = (rules(control_ports)?, unit(os)?);
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
    control_ports: &BTreeSet<u16>,
    differences: &[Difference],
    is_loaded: bool,
) -> Result<UnitEffects, ServiceError> {
    let file = Path::new(Layout::STATE).join(RULES_FILE);
    let differs = change_at(differences, &file).is_some();
    if differs {
        let aside = Aside::write(rules(control_ports)?, Owner::ROOT.gid).await?;
        let checked = Child::new(os.nft, DEADLINE).arg("-c").arg("-f").arg(aside.path()).run().await;
        checked.map_err(|error| ServiceError::checked("nftables", error))?;
    }
    Ok(if differs || !is_loaded { UnitEffects::reload(UNIT_FILE) } else { UnitEffects::default() })
}

fn is_ours(shown: &str) -> bool {
    shown.contains("meta skuid")
}

fn rules(control_ports: &BTreeSet<u16>) -> Result<String, RenderError> {
    let ports: Vec<u16> = control_ports.iter().copied().chain([API_PORT]).collect();
    let (first_uid, last_uid) = (Uid::FIRST.get(), Uid::LAST.get());
    let values = context! { ports, mariadb_port => mariadb::PORT, first_uid, last_uid };
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
        let text = rules(&BTreeSet::from([9471])).expect("rendered");
        assert!(text.contains("meta skuid 1900000000-2147483647 jump account"), "{text}");
        assert!(text.contains("elements = { 9471, 8081 }"), "{text}");
        assert!(text.contains("elements = { 9471, 8081, 3306 }"), "{text}");
        assert!(text.contains("169.254.169.254") && text.contains("fd00:ec2::254"));
    }
}
