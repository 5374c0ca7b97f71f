//! What all accounts' PHP shares: templates of units, and directories.

use std::{path::Path, time::Duration};

use minijinja::context;
use npanel_host::{
    Attributes, Child, Directory, Layout, Managed, OsProfile, Owner, ShouldBe, Stages, Systemd, blocking,
};

use super::units::{PAIRS, TARGET, number};
use crate::{
    ServiceError, UnitEffects,
    template::{RenderError, Syntax, render},
    walls::walls,
};

const SOCKET: &str = include_str!("templates/php.socket");
const SERVICE: &str = include_str!("templates/php.service");
const TARGET_UNIT: &str = include_str!("templates/php.target");
const TMPFILES: &str = include_str!("templates/tmpfiles.conf");
const FILE: Attributes = Attributes { owner: Owner::ROOT, mode: 0o644 };
const DEADLINE: Duration = Duration::from_secs(20);
/// At a boot with many accounts their sockets start with the target: 46 s for 10,000.
const TARGET_DEADLINE: Duration = Duration::from_secs(120);

/// The templates of PHP's units and the directories of accounts' configuration and sockets; the distribution's
/// own process managers, which run all sites as one user, are stopped. Answers whether anything was changed.
///
/// # Errors
/// If a file cannot be written or a unit not started.
pub async fn ensure_base(
    os: &OsProfile,
    systemd: &Systemd,
    web_gid: u32,
    stages: &mut Stages,
) -> Result<bool, ServiceError> {
    stages.enter("php-render");
    let units = units(os)?;
    let tmpfiles = tmpfiles()?;
    stages.enter("php-commit");
    let units_changed = blocking(move || write_units(&units)).await?;
    let mut changed = units_changed;
    changed |= blocking(move || write_directories(&tmpfiles, web_gid)).await?;
    Child::new(os.tmpfiles, DEADLINE).arg("--create").arg("/etc/tmpfiles.d/npanel-php.conf").run().await?;
    if units_changed {
        systemd.reload_units().await?;
    }
    changed |= systemd.enable(TARGET).await?;
    systemd.start(TARGET, TARGET_DEADLINE).await?;
    for version in os.php_versions() {
        let shared = os.php_default_unit(&version);
        if systemd.state(&shared).await?.is_active() {
            changed |= systemd.disable(&shared).await?;
            systemd.stop(&shared, DEADLINE).await?;
        }
    }
    Ok(changed)
}

/// The distribution's own process managers that run, and would be stopped.
///
/// # Errors
/// If systemd cannot be asked.
pub async fn foresee_base(os: &OsProfile, systemd: &Systemd) -> Result<UnitEffects, ServiceError> {
    let mut running = Vec::new();
    for version in os.php_versions() {
        let shared = os.php_default_unit(&version);
        if systemd.state(&shared).await?.is_active() {
            running.push(shared);
        }
    }
    Ok(UnitEffects::stopping(running))
}

/// The files that all accounts' PHP shares, as they should be.
///
/// # Errors
/// If one cannot be rendered.
pub fn managed_base(os: &OsProfile, web_gid: u32) -> Result<Vec<Managed>, ServiceError> {
    let at = |name: &str| Path::new(Layout::UNITS).join(name);
    let mut files: Vec<Managed> =
        units(os)?.into_iter().map(|(name, text)| Managed::file(at(&name), text, FILE)).collect();
    let frame = Attributes::new(Owner::ROOT, 0o711);
    files.extend([
        Managed::directory(at(&format!("{TARGET}.wants")), Attributes::new(Owner::ROOT, 0o755)),
        Managed::new(at(&format!("multi-user.target.wants/{TARGET}")), ShouldBe::Enabled),
        Managed::file("/etc/tmpfiles.d/npanel-php.conf", tmpfiles()?, FILE),
        Managed::directory(Layout::PHP_SOCKETS, Attributes::new(Owner::root_and(web_gid), 0o2750)),
        Managed::directory(Layout::PHP, frame),
    ]);
    Ok(files)
}

fn tmpfiles() -> Result<String, RenderError> {
    let values = context! { sockets => Layout::PHP_SOCKETS, web_user => Layout::WEB_USER };
    render("tmpfiles.d", Syntax::Plain, TMPFILES, values)
}

/// All unit files, by name.
fn units(os: &OsProfile) -> Result<Vec<(String, String)>, RenderError> {
    let mut units = vec![(TARGET.to_owned(), TARGET_UNIT.to_owned())];
    let walls = walls(os)?;
    for pair in 0..PAIRS {
        let number = number(pair);
        let values = context! {
            userdb => Layout::USERDB,
            number,
            sockets => Layout::PHP_SOCKETS,
            configuration => Layout::PHP,
            homes => Layout::HOME_LINKS,
            homes_within => Layout::HOME_LINKS_WITHIN,
        };
        let socket = render("php.socket", Syntax::Unit, SOCKET, &values)?;
        let service = render("php.service", Syntax::Unit, SERVICE, &values)? + &walls;
        units.push((format!("npanel-php{number}@.socket"), socket));
        units.push((format!("npanel-php{number}@.service"), service));
    }
    Ok(units)
}

fn write_units(units: &[(String, String)]) -> Result<bool, ServiceError> {
    let directory = Directory::open(Layout::UNITS)?;
    let mut changed = false;
    for (name, text) in units {
        changed |= directory.write(name, text.as_bytes(), FILE)?;
    }
    let wants = format!("{TARGET}.wants");
    changed |= directory.ensure(&wants, Attributes::new(Owner::ROOT, 0o755))?.1;
    if changed {
        directory.sync()?;
    }
    Ok(changed)
}

fn write_directories(tmpfiles: &str, web_gid: u32) -> Result<bool, ServiceError> {
    let etc = Directory::open("/etc")?;
    let (directory, _) = etc.ensure("tmpfiles.d", Attributes::new(Owner::ROOT, 0o755))?;
    let mut changed = directory.write("npanel-php.conf", tmpfiles.as_bytes(), FILE)?;
    directory.sync()?;
    let run = Directory::open("/run")?;
    // Sockets made in it get its group, so that the web server can connect to them.
    let sockets = Attributes::new(Owner::root_and(web_gid), 0o2750);
    changed |= run.own("npanel-php", sockets)?.1;
    let (served, _) = Directory::open("/srv")?.ensure("npanel", Attributes::new(Owner::ROOT, 0o711))?;
    changed |= served.own("php", Attributes::new(Owner::ROOT, 0o711))?.1;
    served.sync()?;
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered() -> Vec<(String, String)> {
        units(&OsProfile::named("debian-12").expect("a profile")).expect("rendered")
    }

    #[test]
    fn every_pair_has_a_slice_of_its_own() {
        let units = rendered();
        assert_eq!(units.len(), 201);
        let text = |name: &str| units.iter().find(|unit| unit.0 == name).expect("a unit").1.clone();
        assert!(text("npanel-php07@.socket").contains("\nSlice=acct-07.slice\n"));
        assert!(text("npanel-php07@.service").contains("\nSlice=acct-07-%i.slice\n"));
        assert!(text("npanel-php99@.service").contains("\nUser=%i\n"));
    }

    #[test]
    fn every_systems_units_show_accounts_the_databases_socket_and_only_that() {
        for os in OsProfile::all() {
            let (_, text) = units(&os).expect("rendered").pop().expect("a unit");
            let (run, name) = (os.mariadb_run, os.name);
            assert!(text.lines().any(|line| line.contains("Bind") && line.contains(run)), "{name}: {text}");
            let known = |line: &str| {
                line.is_empty() || line.starts_with(['#', ';', '[']) || line.split_once('=').is_some()
            };
            assert!(text.lines().all(known), "{name}: {text}");
        }
    }

    #[test]
    fn a_service_sees_no_other_account() {
        let (_, text) = rendered().pop().expect("a unit");
        for wall in [
            "RootDirectory=/srv/npanel/root\n",
            "TemporaryFileSystem=/home:ro,mode=0755 /run:ro,",
            "BindPaths=/srv/npanel/root/homes/%i:/homes/%i\n",
            "BindReadOnlyPaths=/srv/npanel/php/%i:/srv/npanel/php\n",
            "ProtectProc=invisible",
            "NoNewPrivileges=yes",
            "-+/etc/npanel",
        ] {
            assert!(text.contains(wall), "{wall}");
        }
    }
}
