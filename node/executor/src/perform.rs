//! Carrying operations out.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use npanel_host::{
    AccountUser, Accounts, Attributes, Directory, Layout, OsError, OsProfile, Owner, Stages, Systemd,
    blocking, file_system, memory, space,
};
use npanel_model::{Allotment, NodeRole, PhpVersion, Timestamp, Uid, Username};
use npanel_services::{
    Difference, ServiceError, cron, journal,
    mariadb::Mariadb,
    nginx::{self, SiteSpec},
    packet_filter::{self, Guarded},
    php::{self, WarmUps},
    powerdns::{PowerDns, ZonePrints},
    walls,
};
use uuid::Uuid;

use crate::{
    config::ExecutorConfig,
    controllers::Controllers,
    failure::PerformError,
    made::Made,
    operation::{
        Capacity, Done, Facts, FailedService, Failure, FileSystem, Operation, Output, ServiceHealth,
        StageTime,
    },
};

/// What carries operations out: the machine, or a test's stand-in.
pub(crate) trait Perform: Send + Sync + 'static {
    /// Carries one out to its end.
    fn perform(&self, operation: Operation) -> impl Future<Output = Result<Done, Failure>> + Send;
}

/// This machine's services.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) os: OsProfile,
    pub(crate) systemd: Systemd,
    pub(crate) mariadb: Mariadb,
    pub(crate) powerdns: PowerDns,
    pub(crate) zones: ZonePrints,
    control_ports: BTreeSet<u16>,
    pub(crate) controllers: Arc<Controllers>,
    pub(crate) made: Arc<Made>,
    warm_ups: Arc<WarmUps>,
    ledger: Option<PathBuf>,
    /// Of this run.
    pub(crate) incarnation: Uuid,
    /// How many sweeps there were.
    sweeps: Arc<AtomicU64>,
    /// The packet filter's rules as the kernel showed them when they were last ensured.
    loaded_rules: Arc<Mutex<Option<String>>>,
}

/// Whether anything was changed, and what was read.
type Outcome = (bool, Output);

impl Machine {
    pub(crate) fn open(systemd: Systemd, config: &ExecutorConfig) -> Result<Self, OsError> {
        let os = OsProfile::detect()?;
        Ok(Self {
            systemd,
            mariadb: Mariadb::new(&os),
            powerdns: PowerDns::new(),
            zones: ZonePrints::new(&os),
            control_ports: config.control_ports.clone(),
            controllers: Arc::new(Controllers::new(config.controllers.clone())),
            ledger: config.ledger.clone(),
            made: Arc::default(),
            incarnation: Uuid::now_v7(),
            warm_ups: Arc::default(),
            sweeps: Arc::default(),
            loaded_rules: Arc::default(),
            os,
        })
    }

    pub(crate) fn next_part(&self) -> u64 {
        self.sweeps.fetch_add(1, Ordering::Relaxed)
    }

    /// What the packet filter keeps from accounts.
    pub(crate) async fn guarded(&self) -> Guarded {
        Guarded { ports: self.control_ports.clone(), controllers: self.controllers.addresses().await }
    }

    pub(crate) fn loaded_rules(&self) -> Option<String> {
        self.loaded_rules.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn note_loaded_rules(&self, rules: Option<String>) {
        *self.loaded_rules.lock().unwrap_or_else(PoisonError::into_inner) = rules;
    }

    /// How what is to be ensured differs from what the same operation made before.
    async fn differed(&self, operation: &Operation) -> Vec<Difference> {
        match operation.ensures() {
            Some(target) if self.made.is_by(&target, operation) => {
                // What cannot be looked at is ensured all the same.
                self.differences(operation).await.unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    /// Notes what the sweep is to look after from now on.
    async fn note(&self, operation: &Operation) {
        if let Some(target) = operation.removes() {
            self.made.forget(&target);
        }
        if let Some(target) = operation.ensures()
            && let Err(error) = self.remember(operation, target).await
        {
            tracing::warn!(operation = operation.name(), %error, "drift of this will not be noticed");
        }
    }

    async fn dispatch(&self, operation: Operation, stages: &mut Stages) -> Result<Outcome, PerformError> {
        let changed = match operation {
            Operation::EnsureBase { roles } => self.ensure_base(&roles, stages).await?,
            Operation::EnsureAccount { uid, username, php, suspended, allotment } => {
                let user = AccountUser { uid, username };
                self.ensure_account(user, php, suspended, allotment, stages).await?
            }
            Operation::RetireAccount { uid, username } => self.retire_account(uid, username, stages).await?,
            Operation::PurgeAccount { uid } => self.purge_account(uid, stages).await?,
            Operation::RestAccount { uid } => php::retire_account(&self.systemd, uid, stages).await?,
            Operation::SetAccountAside { uid, username } => {
                self.set_account_aside(AccountUser { uid, username }, stages).await?
            }
            Operation::EnsureSite { uid, username, domain, document_root, suspended } => {
                let user = AccountUser { uid, username };
                let (accounts, web_gid) = accounts()?;
                let site = SiteSpec { user, domain, document_root, suspended };
                nginx::ensure_site(&accounts, web_gid, &site, &self.warm_ups, stages).await?
            }
            Operation::RemoveSite { domain } => nginx::remove_site(&domain, stages).await?,
            Operation::EnsureCronTable { uid, username, jobs } => {
                let user = AccountUser { uid, username };
                cron::ensure_account(&self.os, &self.systemd, &user, &jobs, stages).await?
            }
            Operation::RemoveCronTable { uid } => cron::remove_account(&self.systemd, uid, stages).await?,
            Operation::EnsureDatabase { name } => self.mariadb.ensure_database(&name, stages).await?,
            Operation::DropDatabase { name } => self.mariadb.drop_database(&name, stages).await?,
            Operation::EnsureDatabaseUser { name, password_hash, grants, locked } => {
                self.mariadb.ensure_user(&name, &password_hash, &grants, locked, stages).await?
            }
            Operation::DropDatabaseUser { name } => self.mariadb.drop_user(&name, stages).await?,
            Operation::EnsureZone { zone } => self.powerdns.ensure_zone(&zone, stages).await?,
            Operation::RemoveZone { name } => self.powerdns.remove_zone(&name, stages).await?,
            Operation::Sweep {} => return Ok((false, Output::Sweep(self.sweep().await?))),
            Operation::Preview { operation } => {
                return Ok((false, Output::Preview(self.preview(&operation).await?)));
            }
            Operation::Inventory { of } => return Ok((false, Output::Inventory(self.inventory(of).await?))),
            Operation::Capacity {} => return Ok((false, Output::Capacity(capacity()?))),
            Operation::ServiceHealth { roles } => {
                let failed = self.failed_services(&roles).await?;
                let file_systems = self.file_systems();
                return Ok((false, Output::ServiceHealth(ServiceHealth { failed, file_systems })));
            }
            Operation::Facts {} => return Ok((false, Output::Facts(self.facts()?))),
        };
        Ok((changed, Output::Nothing))
    }

    /// What units need comes before what starts them: the packet filter before PHP, PHP's units before nginx.
    async fn ensure_base(&self, roles: &[NodeRole], stages: &mut Stages) -> Result<bool, PerformError> {
        blocking(ensure_directories).await?;
        let mut changed = false;
        if roles.contains(&NodeRole::Web) {
            let (os, systemd) = (&self.os, &self.systemd);
            changed |= packet_filter::ensure_base(
                os,
                systemd,
                &self.guarded().await,
                self.loaded_rules().as_deref(),
                stages,
            )
            .await?;
            changed |= journal::ensure_base(systemd, stages).await?;
            changed |= walls::ensure_base(stages).await?;
            changed |= nginx::ensure_base(os, systemd, stages).await?;
            changed |= php::ensure_base(os, systemd, nginx::web_group()?, stages).await?;
            changed |= cron::ensure_base(systemd, stages).await?;
        }
        if roles.contains(&NodeRole::Database) {
            changed |= self.mariadb.ensure_base(&self.os, &self.systemd, stages).await?;
        }
        if roles.contains(&NodeRole::Dns) {
            changed |= self.powerdns.ensure_base(&self.os, &self.systemd, stages).await?;
        }
        Ok(changed)
    }

    async fn ensure_account(
        &self,
        user: AccountUser,
        php: PhpVersion,
        suspended: bool,
        allotment: Allotment,
        stages: &mut Stages,
    ) -> Result<bool, PerformError> {
        stages.enter("user");
        let (accounts, _) = accounts()?;
        let (checked, owned) = (accounts.clone(), user.clone());
        blocking(move || checked.check_allowed(&owned)).await?;
        let mut beside = Stages::begin("render");
        let owned = user.clone();
        let (made, prepared) = tokio::join!(
            blocking(move || accounts.ensure(&owned)),
            php::prepare_account(&self.os, &user, &php, &mut beside)
        );
        let made = made?;
        stages.absorb(beside);
        stages.enter("limit");
        let limited = php::limit_account(&self.systemd, user.uid, &allotment).await?;
        // Before what runs is stopped: a job that begins meanwhile would keep it from ending.
        let rested = suspended && cron::rest(&self.systemd, user.uid).await?;
        let served = php::commit_account(&self.systemd, &user, prepared?, suspended, stages).await?;
        Ok(made || limited || rested || served)
    }

    async fn retire_account(
        &self,
        uid: Uid,
        username: Username,
        stages: &mut Stages,
    ) -> Result<bool, PerformError> {
        stages.enter("check");
        let (accounts, _) = accounts()?;
        let user = AccountUser { uid, username };
        let (checked, owned) = (accounts.clone(), user.clone());
        blocking(move || checked.check_identity(&owned)).await?;
        let stopped = php::retire_account(&self.systemd, uid, stages).await?;
        stages.enter("retain");
        let retired = blocking(move || accounts.retire(&user)).await?;
        Ok(stopped || retired)
    }

    async fn purge_account(&self, uid: Uid, stages: &mut Stages) -> Result<bool, PerformError> {
        stages.enter("purge");
        let (accounts, _) = accounts()?;
        Ok(blocking(move || accounts.purge(uid)).await?)
    }

    async fn set_account_aside(&self, user: AccountUser, stages: &mut Stages) -> Result<bool, PerformError> {
        stages.enter("check");
        let (accounts, _) = accounts()?;
        let (checked, owned) = (accounts.clone(), user.clone());
        blocking(move || checked.check_identity(&owned)).await?;
        let stopped = php::retire_account(&self.systemd, user.uid, stages).await?;
        stages.enter("set-aside");
        Ok(blocking(move || accounts.set_aside(&user)).await? || stopped)
    }

    async fn failed_services(&self, roles: &[NodeRole]) -> Result<Vec<FailedService>, ServiceError> {
        let mut failed = Vec::new();
        for role in roles {
            let Some(unit) = self.os.base_units(*role).first().copied() else { continue };
            let state = self.systemd.state(unit).await?;
            if state.is_active() {
                continue;
            }
            let end = self.systemd.end_of(unit).await?;
            let since = i64::try_from(end.since_micros / 1000).unwrap_or_default();
            failed.push(FailedService {
                unit: unit.to_owned(),
                state: state.active,
                result: end.result,
                since: Timestamp::from_millis(since),
            });
        }
        Ok(failed)
    }

    /// What cannot be asked, or is not there, is left out.
    fn file_systems(&self) -> Vec<FileSystem> {
        let places = [
            ("homes", Path::new(Layout::HOMES)),
            ("databases", Path::new(self.os.mariadb_data)),
            ("zones", Path::new(self.os.powerdns.data)),
            ("logs", Path::new("/var/log")),
        ];
        let ledger = self.ledger.as_deref().map(|path| ("ledger", path));
        let mut found: BTreeMap<u64, FileSystem> = BTreeMap::new();
        for (name, path) in places.into_iter().chain(ledger) {
            let Ok(one) = file_system(path) else { continue };
            let entry = found.entry(one.device).or_insert_with(|| FileSystem {
                names: Vec::new(),
                total: one.space.total,
                free: one.space.free,
                inodes: one.inodes,
                inodes_free: one.inodes_free,
            });
            entry.names.push(name.to_owned());
        }
        found.into_values().collect()
    }

    fn facts(&self) -> Result<Facts, PerformError> {
        Ok(Facts {
            os_profile: self.os.name.to_owned(),
            php_versions: self.os.php_versions(),
            capacity: capacity()?,
            missing: self.os.missing(),
        })
    }
}

impl Perform for Machine {
    async fn perform(&self, operation: Operation) -> Result<Done, Failure> {
        let mut stages = Stages::begin("begin");
        let differed = self.differed(&operation).await;
        match self.dispatch(operation.clone(), &mut stages).await {
            Ok((changed, output)) => {
                let stages = stages.finish().into_iter().map(stage_time).collect();
                self.note(&operation).await;
                Ok(Done { changed, stages, differed, output })
            }
            Err(error) => Err(error.into_failure(stages.current())),
        }
    }
}

fn stage_time(time: npanel_host::StageTime) -> StageTime {
    let microseconds = u64::try_from(time.time.as_micros()).unwrap_or(u64::MAX);
    StageTime { stage: time.stage.to_owned(), microseconds }
}

/// The accounts, and the group that the web server reads them by.
pub(crate) fn accounts() -> Result<(Accounts, u32), ServiceError> {
    let web_gid = nginx::web_group()?;
    Ok((Accounts::new(web_gid), web_gid))
}

fn capacity() -> Result<Capacity, PerformError> {
    let (disk, memory) = (space(Layout::HOMES)?, memory()?);
    Ok(Capacity {
        disk_total: disk.total,
        disk_free: disk.free,
        memory_total: memory.total,
        memory_free: memory.free,
    })
}

/// The directories that are there whatever the node is for.
fn ensure_directories() -> Result<(), ServiceError> {
    let state = Directory::open("/var/lib")?;
    state.ensure("npanel-executor", Attributes::new(Owner::ROOT, 0o700))?;
    state.sync()?;
    let etc = Directory::open("/etc")?;
    etc.ensure("userdb", Attributes::new(Owner::ROOT, 0o755))?;
    Ok(etc.sync()?)
}
