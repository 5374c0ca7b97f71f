//! `/etc/npanel/controller.toml`: unknown keys are refused, and every error is reported at once.

mod anchor;
mod backup;
mod bucket;
mod fields;
mod keys;
mod outgoing;
mod proxies;
mod raft_log;
mod rates;

use std::{
    fmt, fs, io,
    net::SocketAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use npanel_cloud::Outside;
use npanel_consensus::Retention;
use npanel_model::NodeName;
use npanel_pki::{Lifetimes, lifetime};
use npanel_reconcile::Anchor;
use npanel_state::{FEATURE_LEVEL, OLDEST_FEATURE_LEVEL};
use rustls::pki_types::ServerName;

use self::fields::Fields;
pub use self::keys::KeyPlace;
use crate::{
    backup::BackupStore,
    http::{PublicAddress, TrustedProxies},
    rates::RateLimits,
};

/// A controller's configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where everything that it keeps is.
    pub data_directory: PathBuf,
    /// Its name among the controllers.
    pub name: NodeName,
    /// Where the API listens.
    pub api_listen: SocketAddr,
    /// The names and addresses that clients reach the API under.
    pub api_names: Vec<ServerName<'static>>,
    /// Where browsers reach the API: `https://HOST[:PORT]`; if it is not said, as they ask, by one of those names.
    pub public_url: Option<String>,
    /// Where controllers and nodes are listened for.
    pub fleet_listen: SocketAddr,
    /// Where the other controllers and the nodes reach this one: `HOST:PORT`.
    pub fleet_advertise: String,
    /// Where health and metrics are served, without TLS.
    pub telemetry_listen: SocketAddr,
    /// How long nodes keep the data of what is deleted. Used by `init`; replicated from then on.
    pub retention: Duration,
    /// How long certificates live that this controller issues. The same on every controller.
    pub lifetimes: Lifetimes,
    /// Where the leader keeps the audit's checkpoints outside of the fleet. The same on every controller.
    pub anchor: Option<Anchor>,
    /// The feature level that this controller goes up to: its version's, unless it is held back.
    pub max_feature_level: u32,
    /// Where backups of the state are kept that are asked for without saying where else. The same on every controller.
    pub backups: Option<BackupStore>,
    /// Who is believed that says for whom it asks.
    pub trusted_proxies: TrustedProxies,
    /// How often this controller serves whom.
    pub rate_limits: RateLimits,
    /// Where controllers connect to on others' behalf. The same on every controller.
    pub outside: Outside,
    /// How much of the log is kept.
    pub raft_log: Retention,
    /// Where the machine's key rests.
    pub machine_key: KeyPlace,
}

/// A week: long enough to notice that something is missed.
const RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);

/// The feature levels that this version can go up to.
pub const FEATURE_LEVELS: RangeInclusive<u32> = OLDEST_FEATURE_LEVEL..=FEATURE_LEVEL;

/// Everything that is wrong with a configuration.
#[derive(Debug)]
pub struct ConfigError {
    path: PathBuf,
    problems: Vec<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be used:", self.path.display())?;
        for problem in &self.problems {
            write!(f, "\n  - {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    /// Everything that is wrong, one sentence each.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

/// The text of an ordinary file. A pipe would be waited for, and a device may have no end.
fn text_of(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.is_file() {
        fs::read_to_string(path)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no ordinary file"))
    }
}

impl Config {
    /// Reads and checks the file.
    ///
    /// # Errors
    /// With every problem that there is.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let problem = |problems| ConfigError { path: path.to_owned(), problems };
        let text = text_of(path).map_err(|error| problem(vec![error.to_string()]))?;
        Self::parse(&text).map_err(problem)
    }

    /// Where browsers reach this controller.
    pub fn public_address(&self) -> PublicAddress {
        let names = self.api_names.iter().map(|name| name.to_str().into_owned()).collect();
        PublicAddress::new(self.public_url.clone(), names)
    }

    fn parse(text: &str) -> Result<Self, Vec<String>> {
        // What is not TOML has no fields to look at.
        let table =
            text.parse().map_err(|error: toml::de::Error| vec![error.to_string().trim().to_owned()])?;
        let mut fields = Fields::new(table);
        let data_directory = fields.text("data_directory", absolute_path);
        let name = fields.text("name", |text| text.parse::<NodeName>().map_err(|error| error.to_string()));
        let (oldest, newest) = (FEATURE_LEVELS.start(), FEATURE_LEVELS.end());
        let levels = u64::from(*oldest)..=u64::from(*newest);
        let max_feature_level = fields
            .number_within("max_feature_level", (*newest).into(), levels)
            .and_then(|level| u32::try_from(level).ok());
        let mut api = fields.section("api");
        let api_listen = api.text("listen", address);
        let api_names = api.texts("names", server_name);
        let public_url = api.text_if_there("public_url", origin);
        let trusted_proxies = proxies::read(&mut api);
        fields.end_section(api);
        let mut fleet = fields.section("fleet");
        let fleet_listen = fleet.text("listen", address);
        let fleet_advertise = fleet.text("advertise", host_and_port);
        fields.end_section(fleet);
        let mut telemetry = fields.section("telemetry");
        let telemetry_listen = telemetry.text("listen", address);
        fields.end_section(telemetry);
        let mut retention = fields.section("retention");
        let retained = retention.seconds("deleted_data_seconds", RETENTION);
        fields.end_section(retention);
        let mut certificates = fields.section("certificates");
        let shortest = lifetime::SHORTEST;
        let node =
            certificates.seconds_within("node_seconds", lifetime::NODE, shortest..=lifetime::LONGEST_NODE);
        let controller = certificates.seconds_within(
            "controller_seconds",
            lifetime::CONTROLLER,
            shortest..=lifetime::LONGEST_CONTROLLER,
        );
        fields.end_section(certificates);
        let lifetimes = node.zip(controller).map(|(node, controller)| Lifetimes { node, controller });
        let anchor = anchor::read(&mut fields);
        let backups = backup::read(&mut fields);
        let rate_limits = rates::read(&mut fields);
        let outside = outgoing::read(&mut fields);
        let raft_log = raft_log::read(&mut fields);
        let machine_key = keys::read(&mut fields);
        let problems = fields.end();
        let required = (data_directory, name, api_listen, fleet_listen, fleet_advertise, telemetry_listen);
        match (required, retained.zip(lifetimes).zip(max_feature_level).zip(machine_key)) {
            (
                (
                    Some(data_directory),
                    Some(name),
                    Some(api_listen),
                    Some(fleet_listen),
                    Some(fleet_advertise),
                    Some(telemetry_listen),
                ),
                Some((((retention, lifetimes), max_feature_level), machine_key)),
            ) if problems.is_empty() => Ok(Self {
                data_directory,
                name,
                api_listen,
                api_names,
                public_url,
                fleet_listen,
                fleet_advertise,
                telemetry_listen,
                retention,
                lifetimes,
                anchor,
                max_feature_level,
                backups,
                trusted_proxies,
                rate_limits,
                outside,
                raft_log,
                machine_key,
            }),
            _ => Err(problems),
        }
    }
}

fn absolute_path(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_absolute() { Ok(path) } else { Err(format!("an absolute path is expected (got {text:?})")) }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("ADDRESS:PORT is expected (got {text:?})"))
}

fn server_name(text: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(text.to_owned())
        .map_err(|_| format!("a host name or IP address is expected (got {text:?})"))
}

/// Where something is on the web: nothing but a host and a port.
fn origin(text: &str) -> Result<String, String> {
    let wrong = || format!("https://HOST[:PORT] is expected (got {text:?})");
    let authority = text.strip_prefix("https://").map(|rest| rest.trim_end_matches('/')).ok_or_else(wrong)?;
    let parsed: http::uri::Authority = authority.parse().map_err(|_| wrong())?;
    if parsed.host().is_empty() || authority.contains('@') {
        Err(wrong())
    } else {
        Ok(format!("https://{authority}"))
    }
}

fn host_and_port(text: &str) -> Result<String, String> {
    let is_one = text.rsplit_once(':').is_some_and(|(host, port)| {
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        ServerName::try_from(host).is_ok() && port.parse::<u16>().is_ok_and(|port| port != 0)
    });
    if is_one { Ok(text.to_owned()) } else { Err(format!("HOST:PORT is expected (got {text:?})")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_ordinary_file_is_not_waited_for() {
        let error = Config::load(Path::new("/dev/null")).expect_err("a device");
        assert!(error.to_string().contains("no ordinary file"), "{error}");
    }

    const GOOD: &str = r#"
        data_directory = "/var/lib/npanel"
        name = "c1"
        [api]
        listen = "0.0.0.0:8443"
        names = ["c1.example.net", "10.88.0.1"]
        [fleet]
        listen = "0.0.0.0:8444"
        advertise = "10.88.0.1:8444"
        [telemetry]
        listen = "127.0.0.1:9470"
    "#;

    #[test]
    fn the_documented_file_is_accepted() {
        let config = Config::parse(GOOD).expect("a good configuration");
        assert_eq!(config.retention, Duration::from_secs(604_800));
    }

    #[test]
    fn every_error_is_reported_at_once() {
        let bad = GOOD
            .replace("c1\"\n", "C 1\"\n")
            .replace("0.0.0.0:8443", "nowhere")
            .replace("10.88.0.1:8444", "x");
        let problems = Config::parse(&bad).expect_err("three errors");
        assert_eq!(problems.len(), 3, "{problems:?}");
    }

    #[test]
    fn unknown_keys_are_all_named() {
        let bad = format!("colour = 1\n{GOOD}\n speed = 3\n[extra]\nx = 1\n");
        let mut problems = Config::parse(&bad).expect_err("unknown keys");
        problems.sort();
        assert_eq!(problems, ["colour: unknown key", "extra: unknown key", "telemetry.speed: unknown key"]);
    }

    #[test]
    fn what_is_missing_of_a_wrong_type_and_unknown_is_reported_together() {
        let bad = r#"
            name = 7
            colour = "red"
            retention = 3
            [api]
            names = ["c1.example.net", 5, "-"]
            port = 8443
            [fleet]
            listen = "nowhere"
        "#;
        let mut problems = Config::parse(bad).expect_err("many errors");
        problems.sort();
        assert_eq!(
            problems,
            [
                "api.listen: missing",
                "api.names: a host name or IP address is expected (got \"-\")",
                "api.names: a string is expected (got integer)",
                "api.port: unknown key",
                "colour: unknown key",
                "data_directory: missing",
                "fleet.advertise: missing",
                "fleet.listen: ADDRESS:PORT is expected (got \"nowhere\")",
                "name: a string is expected (got integer)",
                "retention: a table is expected (got integer)",
                "telemetry.listen: missing",
            ]
        );
    }

    #[test]
    fn a_certificates_life_has_bounds() {
        let with = |value: &str| Config::parse(&format!("{GOOD}\n[certificates]\nnode_seconds = {value}\n"));
        assert_eq!(with("3600").expect("an hour").lifetimes.node, Duration::from_secs(3600));
        for value in ["1", "99999999"] {
            let problems = with(value).expect_err("out of bounds");
            assert!(problems[0].starts_with("certificates.node_seconds: 30 to 2678400"), "{problems:?}");
        }
    }

    #[test]
    fn checkpoints_are_kept_outside_only_where_it_says_all_there_is_to_know() {
        assert!(Config::parse(GOOD).expect("good").anchor.is_none());
        let with = |rest: &str| Config::parse(&format!("{GOOD}\n[audit_anchor]\n{rest}\n"));
        let all = "bucket = \"audit\"\nregion = \"eu-central-1\"\nkeys_file = \"/etc/npanel/s3\"";
        let anchor = with(all).expect("good").anchor.expect("an anchor");
        assert_eq!((anchor.prefix.as_str(), anchor.retention), ("", Duration::from_secs(400 * 24 * 3600)));
        for (wrong, key) in [
            (all.replace("bucket", "bucked"), "audit_anchor.bucked"),
            (all.replace("/etc", "etc"), "audit_anchor.keys_file"),
            (format!("{all}\nendpoint = \"ftp://x\""), "audit_anchor.endpoint"),
            (format!("{all}\nretain_seconds = 60"), "audit_anchor.retain_seconds"),
        ] {
            let problems = with(&wrong).expect_err("wrong");
            assert!(problems.iter().any(|problem| problem.starts_with(key)), "{problems:?}");
        }
    }

    #[test]
    fn controllers_connect_to_the_internet_at_large_unless_it_says_where_else() {
        assert_eq!(Config::parse(GOOD).expect("good").outside, Outside::default());
        let with = |section: &str, value: &str| {
            Config::parse(&format!("{GOOD}\n[{section}]\nallowed_networks = {value}\n"))
        };
        for section in ["outgoing", "webhooks"] {
            let networks = with(section, "[\"10.20.0.0/16\"]").expect("good").outside.allowed;
            assert_eq!(networks.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.20.0.0/16"]);
            for wrong in ["[]", "[\"10.20.0.1/16\"]", "\"10.20.0.0/16\""] {
                let problems = with(section, wrong).expect_err("wrong");
                assert!(problems[0].starts_with(&format!("{section}.allowed_networks: ")), "{problems:?}");
            }
        }
        let refused = format!("{GOOD}\n[outgoing]\nrefused_networks = [\"203.0.113.7\"]\n");
        assert_eq!(Config::parse(&refused).expect("good").outside.refused.len(), 1);
    }

    #[test]
    fn nobody_is_believed_unless_it_says_so() {
        let with = |line: &str| Config::parse(&GOOD.replace("[fleet]", &format!("{line}\n[fleet]")));
        let debug = |config: Config| format!("{:?}", config.trusted_proxies);
        assert!(debug(with("").expect("good")).contains("networks: []"));
        let trusted = with("trusted_proxies = [\"10.0.0.0/8\"]\nforwarded_header = \"forwarded\"");
        let trusted = debug(trusted.expect("good"));
        assert!(trusted.contains("header: Forwarded") && trusted.contains("10.0.0.0"), "{trusted}");
        for (wrong, key) in [
            ("trusted_proxies = [\"10.0.0.1/8\"]", "api.trusted_proxies: "),
            ("trusted_proxies = \"10.0.0.0/8\"", "api.trusted_proxies: "),
            ("forwarded_header = \"X-Real-IP\"", "api.forwarded_header: "),
        ] {
            let problems = with(wrong).expect_err("wrong");
            assert!(problems[0].starts_with(key), "{problems:?}");
        }
    }

    #[test]
    fn how_often_somebody_is_served_can_be_said_and_left_open() {
        assert_eq!(Config::parse(GOOD).expect("good").rate_limits, RateLimits::default());
        let with = |rest: &str| Config::parse(&format!("{GOOD}\n[rate_limits]\n{rest}\n"));
        let limits = with("key_per_second = 7\nfailures_per_minute = 0").expect("good").rate_limits;
        assert_eq!(limits, RateLimits { key_per_second: 7, failures_per_minute: 0, ..RateLimits::default() });
        for wrong in ["key_per_second = -1", "tenant_per_second = 10000001", "address_per_second = 1.5"] {
            let problems = with(wrong).expect_err("wrong");
            let key = wrong.split(' ').next().expect("a key");
            assert!(problems[0].starts_with(&format!("rate_limits.{key}: ")), "{problems:?}");
        }
    }

    #[test]
    fn how_much_of_the_log_is_kept_has_bounds() {
        assert_eq!(Config::parse(GOOD).expect("good").raft_log, Retention::default());
        let with = |rest: &str| Config::parse(&format!("{GOOD}\n[raft_log]\n{rest}\n"));
        let all = "snapshot_after_entries = 100\nsnapshot_at_latest_entries = 200\nkept_entries = 50\npatience_seconds = 3";
        let expected = Retention {
            snapshot_after_entries: 100,
            snapshot_at_latest_entries: 200,
            kept_entries: 50,
            patience: Duration::from_secs(3),
        };
        assert_eq!(with(all).expect("good").raft_log, expected);
        for wrong in ["snapshot_after_entries = 0", "kept_entries = 400001", "patience_seconds = 0"] {
            let problems = with(wrong).expect_err("out of bounds");
            let key = wrong.split(' ').next().expect("a key");
            assert!(problems[0].starts_with(&format!("raft_log.{key}: 1 to ")), "{problems:?}");
        }
    }

    #[test]
    fn a_controller_is_held_at_a_feature_level_that_its_version_knows() {
        assert_eq!(Config::parse(GOOD).expect("good").max_feature_level, FEATURE_LEVEL);
        let with = |value: &str| Config::parse(&format!("max_feature_level = {value}\n{GOOD}"));
        assert_eq!(with("3").expect("good").max_feature_level, 3);
        for value in ["2", "99", "\"3\""] {
            let problems = with(value).expect_err("wrong");
            assert!(problems[0].starts_with("max_feature_level: "), "{problems:?}");
        }
    }

    #[test]
    fn the_machines_key_is_in_a_file_unless_it_says_who_seals_it() {
        let place = |text: &str| Config::parse(text).expect("good").machine_key;
        assert!(matches!(place(GOOD), KeyPlace::File));
        let with = |rest: &str| format!("{GOOD}\n[keys]\n{rest}\n");
        let all = "kms = \"alias/npanel\"\nregion = \"eu-central-1\"\nkeys_file = \"/etc/npanel/kms.keys\"";
        assert!(matches!(place(&with(all)), KeyPlace::Kms(_)));
        assert!(matches!(place(&with(&format!("{all}\nback_to_file = true"))), KeyPlace::BackToFile(_)));
        for (wrong, key) in [
            (all.replace("kms =", "kmz ="), "keys.kmz"),
            (all.replace("/etc", "etc"), "keys.keys_file"),
            (format!("{all}\nendpoint = \"http://kms.example.net\""), "keys.endpoint"),
            (format!("{all}\nback_to_file = 1"), "keys.back_to_file"),
        ] {
            let problems = Config::parse(&with(&wrong)).expect_err("wrong");
            assert!(problems.iter().any(|problem| problem.starts_with(key)), "{problems:?}");
        }
    }

    #[test]
    fn a_time_is_a_whole_number_of_seconds() {
        for value in ["-1", "1.5", "\"7d\""] {
            let bad = format!("{GOOD}\n[retention]\ndeleted_data_seconds = {value}\n");
            let problems = Config::parse(&bad).expect_err("not a time");
            assert!(problems[0].starts_with("retention.deleted_data_seconds: "), "{problems:?}");
        }
        let good = format!("{GOOD}\n[retention]\ndeleted_data_seconds = 60\n");
        assert_eq!(Config::parse(&good).expect("a minute").retention, Duration::from_secs(60));
    }
}
