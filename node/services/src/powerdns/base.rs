//! What all zones of a node share: the database, and the server's configuration with the key of its API.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use minijinja::context;
use nix::unistd::User;
use npanel_host::{
    Attributes, Directory, Kind, Layout, Managed, OsProfile, Owner, PowerDnsProfile, ShouldBe, Stages,
    Systemd, blocking,
};
use npanel_model::Secret;
use rusqlite::Connection;

use super::{API_PORT, PowerDns};
use crate::{
    Change, Difference, ServiceError, UnitEffects,
    difference::change_at,
    template::{RenderError, Syntax, render},
};

const PDNS_CONF: &str = include_str!("templates/pdns.conf");
const SCHEMA: &str = include_str!("schema.sql");
const CONFIGURATION: &str = "npanel.conf";
const DATABASE: &str = "npanel.sqlite3";
const KEY: &str = "powerdns-api.key";
const START: Duration = Duration::from_secs(60);

impl PowerDns {
    /// The database, the configuration, and PowerDNS running with it. Answers whether anything was changed.
    ///
    /// # Errors
    /// If it does not come up.
    pub async fn ensure_base(
        &self,
        os: &OsProfile,
        systemd: &Systemd,
        stages: &mut Stages,
    ) -> Result<bool, ServiceError> {
        let profile = os.powerdns.clone();
        stages.enter("powerdns-commit");
        let changed = blocking(move || commit(&profile)).await?;
        stages.enter("powerdns-start");
        let enabled = systemd.enable(os.powerdns.unit).await?;
        let running = systemd.state(os.powerdns.unit).await?.is_active();
        if changed || !running {
            systemd.reset_failed(os.powerdns.unit).await?;
            systemd.restart(os.powerdns.unit, START).await?;
        }
        stages.enter("powerdns-verify");
        self.ping().await?;
        Ok(changed || enabled || !running)
    }
}

/// What making PowerDNS's configuration right, which differs so, does to its unit. It has no checker.
pub fn foresee_base(os: &OsProfile, differences: &[Difference]) -> UnitEffects {
    let profile = &os.powerdns;
    let configured = Path::new(profile.configuration).join(CONFIGURATION);
    let lacks = change_at(differences, &database(profile)) == Some(Change::Create);
    if lacks || change_at(differences, &configured).is_some() {
        return UnitEffects::reload(profile.unit);
    }
    UnitEffects::default()
}

/// The files that all zones share, as they should be.
///
/// # Errors
/// If PowerDNS's user is not there, or the key cannot be read.
pub fn managed_base(os: &OsProfile) -> Result<Vec<Managed>, ServiceError> {
    let profile = &os.powerdns;
    let owner = owner(profile)?;
    let text = configuration(profile, &key()?, has_ipv6())?;
    let at = |directory: &str, name: &str| Path::new(directory).join(name);
    let key_attributes = Attributes::new(Owner::ROOT, 0o600);
    Ok(vec![
        Managed::file(at(profile.configuration, CONFIGURATION), text, configured(owner)),
        Managed::new(at(Layout::STATE, KEY), ShouldBe::Made { attributes: key_attributes }),
        Managed::new(database(profile), ShouldBe::Data { owner }),
        Managed::new(at(Layout::UNITS, "multi-user.target.wants").join(profile.unit), ShouldBe::Enabled),
    ])
}

/// Where PowerDNS keeps its zones.
pub(super) fn database(profile: &PowerDnsProfile) -> PathBuf {
    Path::new(profile.data).join(DATABASE)
}

fn owner(profile: &PowerDnsProfile) -> Result<Owner, ServiceError> {
    let user = User::from_name(profile.user).ok().flatten().ok_or(ServiceError::NoUser(profile.user))?;
    Ok(Owner { uid: user.uid.as_raw(), gid: user.gid.as_raw() })
}

/// The key of the API is in it.
fn configured(owner: Owner) -> Attributes {
    Attributes::new(Owner::root_and(owner.gid), 0o640)
}

fn has_ipv6() -> bool {
    std::fs::metadata("/proc/net/if_inet6").is_ok()
}

/// The key of the API, which is made on this node and never leaves it.
pub(super) fn key() -> Result<Secret, ServiceError> {
    let state = Directory::open(Layout::STATE)?;
    let read = |bytes: Vec<u8>| String::from_utf8(bytes).ok().filter(|text| text.len() == 64);
    let attributes = Attributes::new(Owner::ROOT, 0o600);
    if let Some(key) = state.read(KEY, 1024)?.and_then(read) {
        // Somebody may have changed whose it is.
        state.write(KEY, key.as_bytes(), attributes)?;
        return Ok(Secret::new(key));
    }
    let mut random = [0_u8; 32];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| ServiceError::NoRandomness)?;
    let key: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    state.write(KEY, key.as_bytes(), attributes)?;
    state.sync()?;
    Ok(Secret::new(key))
}

fn commit(profile: &PowerDnsProfile) -> Result<bool, ServiceError> {
    let owner = owner(profile)?;
    let made = ensure_database(profile, owner)?;
    let text = configuration(profile, &key()?, has_ipv6())?;
    let directory = Directory::open(profile.configuration)?;
    let written = directory.write(CONFIGURATION, text.as_bytes(), configured(owner))?;
    directory.sync()?;
    Ok(made || written)
}

fn configuration(profile: &PowerDnsProfile, key: &Secret, ipv6: bool) -> Result<String, RenderError> {
    let values = context! {
        database => database(profile).display().to_string(),
        port => API_PORT,
        key => key.expose(),
        ipv6,
    };
    render("pdns.conf", Syntax::Plain, PDNS_CONF, values)
}

/// An empty database, made aside and moved into the place that belongs to PowerDNS.
fn ensure_database(profile: &PowerDnsProfile, owner: Owner) -> Result<bool, ServiceError> {
    let data = Directory::open(profile.data)?;
    if data.kind(DATABASE)? == Some(Kind::File) {
        return Ok(false);
    }
    let state = Directory::open(Layout::STATE)?;
    let (place, _) = state.ensure("powerdns.new", Attributes::new(Owner::ROOT, 0o700))?;
    place.remove_file(DATABASE)?;
    make_database(&place.path().join(DATABASE))?;
    let contents = place.read(DATABASE, 16 * 1024 * 1024)?.unwrap_or_default();
    data.write(DATABASE, &contents, Attributes::new(owner, 0o640))?;
    data.sync()?;
    state.remove_tree("powerdns.new")?;
    Ok(true)
}

fn make_database(path: &Path) -> Result<(), rusqlite::Error> {
    let connection = Connection::open(path)?;
    connection.execute_batch(SCHEMA)?;
    // Closing writes the log back into the file.
    connection.close().map_err(|(_, error)| error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_is_whole_in_one_file() {
        let place = tempfile::tempdir().expect("a directory");
        make_database(&place.path().join("z")).expect("made");
        assert_eq!(std::fs::read_dir(place.path()).expect("a list").count(), 1);
        let connection = Connection::open(place.path().join("z")).expect("opened");
        let tables: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema WHERE type = 'table'", [], |row| row.get(0))
            .expect("counted");
        assert_eq!(tables, 7);
    }

    #[test]
    fn the_api_listens_on_this_machine_only() {
        for os in OsProfile::all() {
            let text = configuration(&os.powerdns, &Secret::new("k"), true).expect("rendered");
            assert!(text.contains("\nwebserver-address=127.0.0.1\n") && text.contains("\napi-key=k\n"));
            assert!(text.contains("\nlocal-address=0.0.0.0, ::\n"), "{text}");
            let database = format!("={}/npanel.sqlite3\n", os.powerdns.data);
            assert!(text.contains(&database), "{}: {text}", os.name);
        }
    }
}
