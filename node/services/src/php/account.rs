//! One account's PHP.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use minijinja::context;
use npanel_host::{
    AccountUser, Attributes, Child, Directory, Kind, Layout, Managed, OsProfile, Owner, ShouldBe, Stages,
    Systemd, blocking,
};
use npanel_model::{PhpVersion, Uid};

use super::units::{TARGET, Units};
use crate::{
    Change, Difference, ServiceError, UnitEffects,
    aside::Aside,
    difference::change_at,
    nginx::web_group,
    template::{RenderError, Syntax, render},
};

const FPM_CONF: &str = include_str!("templates/fpm.conf");
const CONFIGURATION: &str = "fpm.conf";
const PROGRAM: &str = "php-fpm";
const CHECK: Duration = Duration::from_secs(10);
const START: Duration = Duration::from_secs(20);
/// More than the time that the unit gives running requests to end.
const STOP: Duration = Duration::from_secs(40);

/// A configuration that its PHP accepts, not yet in place.
#[derive(Debug)]
pub struct Prepared {
    program: PathBuf,
    /// None if what is in place is right already.
    staged: Option<Staged>,
}

#[derive(Debug)]
struct Staged {
    /// Whether another one is in place.
    replaces: bool,
}

/// The files that an account's PHP comes to, as they should be, and its socket's unit, unless it is suspended.
///
/// # Errors
/// If the PHP version is not installed, or the base has not been set up.
pub fn managed_account(
    os: &OsProfile,
    user: &AccountUser,
    version: &PhpVersion,
    suspended: bool,
) -> Result<(Vec<Managed>, Option<String>), ServiceError> {
    let program = os.php_program(version);
    require_installed(os, version, &program)?;
    let uid = user.uid;
    let own = Path::new(Layout::PHP).join(uid.to_string());
    let socket = ShouldBe::Socket { owner: Owner::root_and(web_group()?) };
    let mut files = vec![home_link(user), own_directory(uid)];
    files.extend([
        Managed::link(own.join(PROGRAM), program),
        Managed::file(own.join(CONFIGURATION), configuration(user)?, readable(uid, 0o640)),
    ]);
    if suspended {
        files.push(Managed::new(wanted_at_boot(uid).path, ShouldBe::Absent));
        return Ok((files, None));
    }
    files.extend([wanted_at_boot(uid), Managed::new(Layout::php_socket(uid), socket)]);
    Ok((files, Some(Units::of(uid).socket)))
}

/// What the end of an account's PHP removes.
pub fn removed_with_account(user: &AccountUser) -> Vec<Managed> {
    vec![home_link(user), wanted_at_boot(user.uid), own_directory(user.uid)]
}

fn home_link(user: &AccountUser) -> Managed {
    let path = Path::new(Layout::HOME_LINKS).join(user.uid.to_string());
    Managed::link(path, Layout::home(&user.username))
}

fn own_directory(uid: Uid) -> Managed {
    Managed::directory(Path::new(Layout::PHP).join(uid.to_string()), readable(uid, 0o750))
}

/// The link by which the socket listens at boot.
fn wanted_at_boot(uid: Uid) -> Managed {
    let units = Units::of(uid);
    let wants = Path::new(Layout::UNITS).join(format!("{TARGET}.wants"));
    Managed::link(wants.join(&units.socket), Path::new(Layout::UNITS).join(&units.template))
}

/// What making an account's PHP as it should be, which differs so, does to its units. A new configuration is
/// checked as it will be, beside what is in place.
///
/// # Errors
/// If the PHP refuses the configuration.
pub async fn foresee_account(
    os: &OsProfile,
    systemd: &Systemd,
    user: &AccountUser,
    version: &PhpVersion,
    suspended: bool,
    differences: &[Difference],
) -> Result<UnitEffects, ServiceError> {
    let own = Path::new(Layout::PHP).join(user.uid.to_string());
    let text = change_at(differences, &own.join(CONFIGURATION));
    let is_staged = text.is_some() || change_at(differences, &own.join(PROGRAM)).is_some();
    if is_staged {
        let aside = Aside::write(configuration(user)?, user.uid.get()).await?;
        accepts(&os.php_program(version), &aside.path(), user.uid).await?;
    }
    if suspended {
        return Ok(UnitEffects::stopping(running(systemd, user.uid).await?));
    }
    // The first one replaces none.
    let replaces = is_staged && text != Some(Change::Create);
    let service = Units::of(user.uid).service;
    Ok(if replaces { UnitEffects::reload(&service) } else { UnitEffects::default() })
}

/// Which of an account's PHP units are up.
///
/// # Errors
/// If systemd cannot be asked.
pub async fn running(systemd: &Systemd, uid: Uid) -> Result<Vec<String>, ServiceError> {
    let Units { socket, service, .. } = Units::of(uid);
    let up = systemd.list(&["active", "activating"], &[&socket, &service]).await?;
    Ok(up.into_iter().map(|state| state.unit).collect())
}

/// Renders, stages and checks the account's PHP configuration. The account's user need not be there yet.
///
/// # Errors
/// If the PHP version is not installed or refuses the configuration.
pub async fn prepare_account(
    os: &OsProfile,
    user: &AccountUser,
    version: &PhpVersion,
    stages: &mut Stages,
) -> Result<Prepared, ServiceError> {
    stages.enter("render");
    let program = os.php_program(version);
    require_installed(os, version, &program)?;
    let text = configuration(user)?;
    stages.enter("stage");
    let (uid, link) = (user.uid, program.clone());
    let staged = blocking(move || stage(uid, &text, &link)).await?;
    stages.enter("check");
    if staged.is_some() {
        check(&program, user.uid).await?;
    }
    Ok(Prepared { program, staged })
}

/// Puts the configuration into place and has the account's socket listen, now and at boot; for a suspended
/// account, stops everything that runs as it, now and at boot. Answers whether anything was changed. Requests in
/// flight end under the old configuration. The account's user must be there.
///
/// # Errors
/// If the socket does not start, or something does not stop.
pub async fn commit_account(
    systemd: &Systemd,
    user: &AccountUser,
    prepared: Prepared,
    suspended: bool,
    stages: &mut Stages,
) -> Result<bool, ServiceError> {
    stages.enter("commit");
    let units = Units::of(user.uid);
    let (uid, home) = (user.uid, Layout::home(&user.username));
    let replaces = prepared.staged.as_ref().is_some_and(|staged| staged.replaces);
    // Nothing connects to the socket before there is a site, so it need not wait for the files.
    let put = blocking(move || commit(uid, prepared.staged.is_some(), &prepared.program, &home, suspended));
    let switch = async {
        if suspended { stop_all(systemd, &units).await } else { ensure_socket(systemd, uid, &units).await }
    };
    let (put, switched) = tokio::join!(put, switch);
    let (put, switched) = (put?, switched?);
    if replaces && !suspended {
        systemd.stop(&units.service, STOP).await?;
    }
    stages.enter("verify");
    if suspended {
        verify_stopped(systemd, &units).await?;
    } else {
        verify(systemd, user.uid, &units).await?;
    }
    Ok(put || switched)
}

/// The socket first, so that nothing starts the service again; the slice last, whatever is in it. Answers whether
/// anything ran.
async fn stop_all(systemd: &Systemd, units: &Units) -> Result<bool, ServiceError> {
    let mut ran = false;
    for unit in [&units.socket, &units.service, &units.slice] {
        ran |= systemd.state(unit).await?.is_active();
        systemd.stop(unit, STOP).await?;
        systemd.reset_failed(unit).await?;
    }
    Ok(ran)
}

async fn verify_stopped(systemd: &Systemd, units: &Units) -> Result<(), ServiceError> {
    for unit in [&units.socket, &units.service] {
        let state = systemd.state(unit).await?;
        if state.is_active() {
            let detail = format!("{unit} of a suspended account is {}", state.active);
            return Err(ServiceError::Unverified { service: "php", detail });
        }
    }
    Ok(())
}

/// Ends everything that the account runs and removes its socket and PHP configuration. Answers whether
/// anything was there.
///
/// # Errors
/// If a unit cannot be stopped.
pub async fn retire_account(systemd: &Systemd, uid: Uid, stages: &mut Stages) -> Result<bool, ServiceError> {
    stages.enter("stop");
    let units = Units::of(uid);
    let removed = blocking(move || disable(uid, &Units::of(uid))).await?;
    stop_all(systemd, &units).await?;
    let configured = blocking(move || remove_configuration(uid)).await?;
    Ok(removed || configured)
}

fn configuration(user: &AccountUser) -> Result<String, RenderError> {
    let values = context! {
        pool => user.uid.to_string(),
        socket => Layout::php_socket(user.uid).display().to_string(),
        home => Layout::home(&user.username).display().to_string(),
        private => Layout::private(&user.username).display().to_string(),
    };
    render("fpm.conf", Syntax::Ini, FPM_CONF, values)
}

fn require_installed(os: &OsProfile, version: &PhpVersion, program: &Path) -> Result<(), ServiceError> {
    if program.exists() {
        return Ok(());
    }
    let installed: Vec<String> = os.php_versions().iter().map(ToString::to_string).collect();
    Err(ServiceError::UnknownPhp { version: version.clone(), installed: installed.join(", ") })
}

/// Stages the configuration if it differs from what is in place, or is for another PHP.
fn stage(uid: Uid, text: &str, program: &Path) -> Result<Option<Staged>, ServiceError> {
    let directory = open(uid)?;
    let known = directory.kind(CONFIGURATION)?.is_some();
    let same_program = match directory.kind(PROGRAM)? {
        Some(Kind::Link) => directory.link_target(PROGRAM)?.as_deref() == Some(program),
        _ => false,
    };
    if same_program && directory.holds(CONFIGURATION, text.as_bytes(), readable(uid, 0o640))? {
        return Ok(None);
    }
    directory.stage(CONFIGURATION, text.as_bytes(), readable(uid, 0o640))?;
    Ok(Some(Staged { replaces: known }))
}

/// As the account, as it will run; `-n`: the extensions of php.ini are not what is checked, and loading them
/// takes most of the time.
async fn check(program: &Path, uid: Uid) -> Result<(), ServiceError> {
    let staged = Path::new(Layout::PHP).join(uid.to_string()).join(staged_name());
    accepts(program, &staged, uid).await
}

async fn accepts(program: &Path, configuration: &Path, uid: Uid) -> Result<(), ServiceError> {
    let checker =
        Child::new(program, CHECK).arg("-n").arg("-t").arg("--fpm-config").arg(configuration).as_account(uid);
    match checker.run().await {
        Ok(_) => Ok(()),
        Err(error) => Err(ServiceError::checked("php-fpm", error)),
    }
}

fn commit(
    uid: Uid,
    staged: bool,
    program: &Path,
    home: &Path,
    suspended: bool,
) -> Result<bool, ServiceError> {
    let homes = Directory::open(Layout::HOME_LINKS)?;
    let linked = homes.link(&uid.to_string(), home)?;
    // At boot, systemd starts the socket without us. A link in this directory needs no daemon-reload.
    let (wants, units) = (wants()?, Units::of(uid));
    let wanted = if suspended {
        wants.remove_file(&units.socket)?
    } else {
        wants.link(&units.socket, Path::new(Layout::UNITS).join(&units.template))?
    };
    let directory = open(uid)?;
    let mut changed = directory.link(PROGRAM, program)?;
    if staged {
        directory.put(&staged_name(), CONFIGURATION)?;
        changed = true;
    }
    // All names are there before the first is waited for, so that the disk takes them together.
    let configurations = Directory::open(Layout::PHP)?;
    for (directory, changed) in
        [(&configurations, changed), (&homes, linked), (&wants, wanted), (&directory, changed)]
    {
        if changed {
            directory.sync()?;
        }
    }
    Ok(changed || linked || wanted)
}

/// Starts the socket unless it listens. What a tenant's own crashes have tripped is reset.
async fn ensure_socket(systemd: &Systemd, uid: Uid, units: &Units) -> Result<bool, ServiceError> {
    let active = systemd.state(&units.socket).await?.is_active();
    if active && socket_file(uid).await? == Some((Kind::Other, Owner::root_and(web_group()?))) {
        return Ok(false);
    }
    if active {
        // It listens where nobody can connect: its file was removed or given away.
        systemd.stop(&units.socket, STOP).await?;
    }
    systemd.reset_failed(&units.service).await?;
    systemd.reset_failed(&units.socket).await?;
    if systemd.start(&units.socket, START).await.is_err() {
        // While its service runs, a socket does not start.
        systemd.stop(&units.service, STOP).await?;
        systemd.reset_failed(&units.socket).await?;
        systemd.start(&units.socket, START).await?;
    }
    Ok(true)
}

/// By looks only: a connection would start PHP.
async fn verify(systemd: &Systemd, uid: Uid, units: &Units) -> Result<(), ServiceError> {
    let wanted = Owner::root_and(web_group()?);
    let (found, state) = (socket_file(uid).await?, systemd.state(&units.socket).await?);
    if found == Some((Kind::Other, wanted)) && state.is_active() {
        return Ok(());
    }
    let detail = format!("{} is {} and its file {found:?}", units.socket, state.active);
    Err(ServiceError::Unverified { service: "php", detail })
}

async fn socket_file(uid: Uid) -> Result<Option<(Kind, Owner)>, ServiceError> {
    let name = format!("{uid}.sock");
    blocking(move || {
        let sockets = Directory::open(Layout::PHP_SOCKETS)?;
        Ok(sockets.kind(&name)?.zip(sockets.owner(&name)?))
    })
    .await
}

fn disable(uid: Uid, units: &Units) -> Result<bool, ServiceError> {
    let wants = wants()?;
    let mut changed = wants.remove_file(&units.socket)?;
    wants.sync()?;
    let homes = Directory::open(Layout::HOME_LINKS)?;
    changed |= homes.remove_file(&uid.to_string())?;
    homes.sync()?;
    Ok(changed)
}

fn remove_configuration(uid: Uid) -> Result<bool, ServiceError> {
    Directory::open(Layout::PHP_SOCKETS)?.remove_file(&format!("{uid}.sock"))?;
    let limited = Systemd::forget_limits(&Units::of(uid).slice)?;
    let configurations = Directory::open(Layout::PHP)?;
    let removed = configurations.remove_tree(&uid.to_string())?;
    configurations.sync()?;
    Ok(removed || limited)
}

/// The account's own directory, which the other accounts cannot read.
fn open(uid: Uid) -> Result<Directory, ServiceError> {
    let configurations = Directory::open(Layout::PHP)?;
    Ok(configurations.own(&uid.to_string(), readable(uid, 0o750))?.0)
}

fn wants() -> Result<Directory, ServiceError> {
    Ok(Directory::open(Layout::UNITS)?.descend(&format!("{TARGET}.wants"))?)
}

fn readable(uid: Uid, mode: u32) -> Attributes {
    Attributes::new(Owner::root_and(uid.get()), mode)
}

fn staged_name() -> String {
    Directory::staged_name(CONFIGURATION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_names_its_own_account_only() {
        let user = AccountUser { uid: Uid::FIRST, username: "acme".parse().expect("a name") };
        let text = configuration(&user).expect("rendered");
        assert!(text.contains("[1900000000]\nlisten = \"/run/npanel-php/1900000000.sock\"\n"), "{text}");
        for line in text.lines().filter(|line| line.contains("/home/")) {
            assert!(line.contains("\"/home/acme"), "{line}");
        }
    }
}
