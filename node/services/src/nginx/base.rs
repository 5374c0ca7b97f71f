//! nginx's own configuration. It names no site.

use std::{path::Path, time::Duration};

use minijinja::context;
use nix::unistd::Group;
use npanel_host::{
    Attributes, Child, Directory, Layout, Managed, OsProfile, Owner, ShouldBe, Stages, Systemd, blocking,
};

use super::{certificate::Certificate, probe, site};
use crate::{
    Difference, ServiceError, UnitEffects,
    aside::Aside,
    difference::change_at,
    template::{RenderError, Syntax, render},
};

const NGINX_CONF: &str = include_str!("templates/nginx.conf");
const UNIT_CONF: &str = include_str!("templates/unit.conf");
const SYSUSERS_CONF: &str = include_str!("templates/sysusers.conf");
const FILE: Attributes = Attributes { owner: Owner::ROOT, mode: 0o644 };
const CONFIGURATION: &str = "npanel.conf";
const UNIT_FILE: &str = "nginx.service.d/npanel.conf";
/// The site of clients that name none.
const DEFAULT_SITE: &str = "_";
/// `nginx -t` reads a configuration without sites: milliseconds.
const CHECK: Duration = Duration::from_secs(20);
/// Stopping waits for running requests.
const RESTART: Duration = Duration::from_secs(45);
/// New workers after SIGHUP.
const SHOWN: Duration = Duration::from_secs(10);

/// The group that the web server reads sites by.
///
/// # Errors
/// If it is not there: the base has not been set up.
pub fn web_group() -> Result<u32, ServiceError> {
    match Group::from_name(Layout::WEB_USER) {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        _ => Err(ServiceError::NoUser(Layout::WEB_USER)),
    }
}

/// nginx's user, directories, default certificate and configuration, in effect. Answers whether anything was
/// changed. systemd's units are read again, so it comes after everything else that writes units.
///
/// # Errors
/// If the configuration is refused (the last good one stays) or nginx does not come up with it.
pub async fn ensure_base(
    os: &OsProfile,
    systemd: &Systemd,
    stages: &mut Stages,
) -> Result<bool, ServiceError> {
    stages.enter("nginx-user");
    let mut changed = ensure_user(os).await?;
    let web_gid = web_group()?;
    stages.enter("nginx-render");
    let text = configuration(os, has_ipv6())?;
    let unit = unit(os)?;
    stages.enter("nginx-check");
    let directory = os.nginx.configuration;
    changed |= blocking(move || site::ensure_directories(web_gid)).await?;
    changed |= ensure_default_certificate(web_gid).await?;
    let previous = check(os, &text).await?;
    stages.enter("nginx-commit");
    let unit_changed = blocking(move || write_unit(&unit)).await?;
    if unit_changed {
        systemd.reload_units().await?;
    }
    let text_changed = previous.as_deref() != Some(text.as_bytes());
    // Also if only whose it is has changed.
    changed |= blocking(move || commit(directory, text.as_bytes())).await?;
    changed |= systemd.enable(os.nginx.unit).await?;
    let running = systemd.state(os.nginx.unit).await?.is_active();
    if unit_changed || !running {
        systemd.reset_failed(os.nginx.unit).await?;
        systemd.restart(os.nginx.unit, RESTART).await?;
    } else if text_changed {
        systemd.hang_up(os.nginx.unit).await?;
    }
    stages.enter("nginx-verify");
    if let Err(error) = verify_default().await {
        if let (true, Some(last_good)) = (text_changed, previous) {
            blocking(move || commit(directory, &last_good)).await?;
            systemd.restart(os.nginx.unit, RESTART).await?;
        }
        return Err(error);
    }
    Ok(changed || unit_changed || text_changed || !running)
}

/// What making nginx's configuration right, which differs so, does to its unit.
///
/// # Errors
/// If nginx refuses the configuration. A server that does not run is not asked: its checker would open its ports.
pub async fn foresee_base(
    os: &OsProfile,
    systemd: &Systemd,
    differences: &[Difference],
) -> Result<UnitEffects, ServiceError> {
    let configured = Path::new(os.nginx.configuration).join(CONFIGURATION);
    let unit = Path::new(Layout::UNITS).join(UNIT_FILE);
    let text_differs = change_at(differences, &configured).is_some();
    if text_differs && systemd.state(os.nginx.unit).await?.is_active() {
        let aside = Aside::write(configuration(os, has_ipv6())?, Owner::ROOT.gid).await?;
        let checker = Child::new(os.nginx.program, CHECK).arg("-t").arg("-c").arg(aside.path());
        checker.run().await.map_err(|error| ServiceError::checked("nginx", error))?;
    }
    if text_differs || change_at(differences, &unit).is_some() {
        return Ok(UnitEffects::reload(os.nginx.unit));
    }
    Ok(UnitEffects::default())
}

/// The files that all sites share, as they should be.
///
/// # Errors
/// If one cannot be rendered.
pub fn managed_base(os: &OsProfile, web_gid: u32) -> Result<Vec<Managed>, ServiceError> {
    let at = |name: &str| Path::new(Layout::UNITS).join(name);
    let shared = Attributes::new(Owner::root_and(web_gid), 0o750);
    let configured = Path::new(os.nginx.configuration).join(CONFIGURATION);
    let mut files = site::managed_directory(&Path::new(Layout::SITES).join(DEFAULT_SITE), web_gid).to_vec();
    files.extend([
        Managed::file(configured, configuration(os, has_ipv6())?, FILE),
        Managed::file(at(UNIT_FILE), unit(os)?, FILE),
        Managed::new(at(&format!("multi-user.target.wants/{}", os.nginx.unit)), ShouldBe::Enabled),
        Managed::file("/etc/sysusers.d/npanel-web.conf", sysusers()?, FILE),
        Managed::directory(Layout::SERVED, Attributes::new(Owner::ROOT, 0o711)),
        Managed::directory(Layout::SITES, shared),
        Managed::directory(Layout::ACME, shared),
    ]);
    Ok(files)
}

fn sysusers() -> Result<String, RenderError> {
    let values = context! { web_user => Layout::WEB_USER };
    render("sysusers.d", Syntax::Plain, SYSUSERS_CONF, values)
}

fn configuration(os: &OsProfile, ipv6: bool) -> Result<String, RenderError> {
    let values = context! {
        web_user => Layout::WEB_USER,
        pid_file => os.nginx.pid_file,
        logs => os.nginx.logs,
        configuration => os.nginx.configuration,
        sites => Layout::SITES,
        acme => Layout::ACME,
        ipv6,
    };
    render("nginx.conf", Syntax::Nginx, NGINX_CONF, values)
}

fn unit(os: &OsProfile) -> Result<String, RenderError> {
    let values = context! {
        program => os.nginx.program,
        configuration => format!("{}/{CONFIGURATION}", os.nginx.configuration),
    };
    render("nginx.service.d", Syntax::Unit, UNIT_CONF, values)
}

async fn ensure_user(os: &OsProfile) -> Result<bool, ServiceError> {
    let text = sysusers()?;
    let written = blocking(move || {
        let directory = Directory::open("/etc")?.ensure("sysusers.d", Attributes::new(Owner::ROOT, 0o755))?.0;
        let written = directory.write("npanel-web.conf", text.as_bytes(), FILE)?;
        directory.sync().map(|()| written)
    });
    let written = written.await?;
    if written || web_group().is_err() {
        Child::new(os.sysusers, CHECK).arg("/etc/sysusers.d/npanel-web.conf").run().await?;
    }
    Ok(written)
}

async fn ensure_default_certificate(web_gid: u32) -> Result<bool, ServiceError> {
    blocking(move || {
        let directory = site::open_site(DEFAULT_SITE, web_gid)?;
        let (_, made) = site::ensure_certificate(&directory, "default.invalid", web_gid)?;
        directory.sync()?;
        Directory::open(Layout::SITES)?.sync()?;
        Ok(made)
    })
    .await
}

/// Has nginx check the text, if it differs from what is in place, which is answered.
async fn check(os: &OsProfile, text: &str) -> Result<Option<Vec<u8>>, ServiceError> {
    let (path, text) = (os.nginx.configuration, text.to_owned());
    let (previous, staged) = blocking(move || {
        let directory = Directory::open(path)?;
        let previous = directory.read(CONFIGURATION, 1024 * 1024)?;
        if previous.as_deref() == Some(text.as_bytes()) {
            return Ok((previous, None));
        }
        directory.stage(CONFIGURATION, text.as_bytes(), FILE).map(|staged| (previous, Some(staged)))
    })
    .await?;
    if let Some(staged) = staged {
        let staged = Path::new(path).join(staged);
        let checked = Child::new(os.nginx.program, CHECK).arg("-t").arg("-c").arg(staged).run().await;
        checked.map_err(|error| ServiceError::checked("nginx", error))?;
    }
    Ok(previous)
}

fn commit(directory: &str, text: &[u8]) -> Result<bool, ServiceError> {
    let directory = Directory::open(directory)?;
    let written = directory.write(CONFIGURATION, text, FILE)?;
    directory.sync()?;
    Ok(written)
}

fn write_unit(text: &str) -> Result<bool, ServiceError> {
    let units = Directory::open(Layout::UNITS)?;
    let (directory, _) = units.ensure("nginx.service.d", Attributes::new(Owner::ROOT, 0o755))?;
    let changed = directory.write("npanel.conf", text.as_bytes(), FILE)?;
    directory.sync()?;
    Ok(changed)
}

async fn verify_default() -> Result<(), ServiceError> {
    let certificate = blocking(|| {
        let directory = Directory::open(Layout::SITES)?.descend(DEFAULT_SITE)?;
        Ok::<_, ServiceError>(directory.read("tls.pem", Certificate::LIMIT)?)
    })
    .await?;
    let certificate = certificate.and_then(|pem| Certificate::parse(&pem));
    let certificate = certificate.ok_or(ServiceError::Unverified {
        service: "nginx",
        detail: "there is no default certificate".to_owned(),
    })?;
    probe::shows(None, certificate.der(), SHOWN).await
}

fn has_ipv6() -> bool {
    std::fs::metadata("/proc/net/if_inet6").is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nginx::tokens;

    fn os() -> OsProfile {
        OsProfile::named("debian-12").expect("a profile")
    }

    #[test]
    fn only_plain_host_names_become_paths() {
        let text = configuration(&os(), true).expect("rendered");
        // Every path with a name in it takes the mapped one.
        for line in text.lines().filter(|line| line.contains(Layout::SITES) && !line.starts_with('#')) {
            assert!(line.contains("/$sni/") || line.contains("/$site/"), "{line}");
        }
        assert!(!text.contains("/$host") && !text.contains("/$ssl_server_name"));
    }

    #[test]
    fn nginx_reads_the_exemption_from_links_as_one_word() {
        let read = tokens(&configuration(&os(), true).expect("rendered")).expect("tokens");
        let at = |word: &str| read.iter().rposition(|token| token == word).expect("the directive");
        let directive = &read[at("disable_symlinks")..][..4];
        let from = format!("\"from={}/$site/docroot", Layout::SITES);
        assert_eq!(directive, ["disable_symlinks", "if_not_owner", &from, ";"]);
        // A quote inside a word would be a part of the value.
        let bare = read.iter().filter(|token| !token.starts_with(['"', '\'']));
        for word in bare {
            assert!(!word.contains(['"', '\'']), "{word}");
        }
    }

    #[test]
    fn without_ipv6_nothing_listens_on_it() {
        assert!(configuration(&os(), true).expect("rendered").contains("listen [::]:443"));
        assert!(!configuration(&os(), false).expect("rendered").contains("[::]"));
    }

    #[test]
    fn the_unit_reads_our_file_only() {
        for os in OsProfile::all() {
            let text = unit(&os).expect("rendered");
            let (program, directory) = (os.nginx.program, os.nginx.configuration);
            let start = format!("\nExecStart=\nExecStart={program} -c {directory}/npanel.conf\n");
            assert!(text.contains(&start), "{}: {text}", os.name);
        }
    }

    #[test]
    fn every_systems_configuration_is_read_back_with_its_own_paths() {
        for os in OsProfile::all() {
            let read = tokens(&configuration(&os, true).expect("rendered")).expect("tokens");
            let followed = |word: &str, by: &str| {
                read.windows(2).any(|pair| pair[0] == word && pair[1].trim_start_matches('"') == by)
            };
            assert!(followed("pid", os.nginx.pid_file), "{}", os.name);
            assert!(followed("error_log", &format!("{}/npanel-error.log", os.nginx.logs)), "{}", os.name);
            assert!(followed("include", &format!("{}/mime.types", os.nginx.configuration)), "{}", os.name);
        }
    }
}
