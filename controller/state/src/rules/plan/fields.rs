//! What of a plan can be changed: everything but whose it is.

use npanel_model::{
    Allotment, Amounts, Megabytes, PhpVersion, PlanId, PlanName, PoolName, Strategy, TenantId,
};
use npanel_proto::command::{CreatePlan, PlanLimits, PlanLimitsChange, UpdatePlan};

use super::{
    placed::{self, Placed},
    usage::Share,
};
use crate::{
    Refusal, RefusalCode,
    context::{Context, Rule, json, texts, wire_text},
};

/// From this level on a domain beneath another one of its account is a subdomain, and no domain, to limits.
pub(in crate::rules) const SUBDOMAINS_COUNTED: u32 = 4;

/// More than there are lines of releases; a plan is read for each account that is made.
const MOST_PHP_VERSIONS: usize = 100;

#[derive(Clone, PartialEq)]
pub(super) struct Fields {
    pub(super) name: String,
    disk_mb: u64,
    memory_mb: u64,
    domains: Option<u64>,
    databases: Option<u64>,
    limits: PlanLimits,
    pub(super) php_version: String,
    /// Those that accounts may choose; none: all.
    php_versions: Vec<String>,
    pub(super) placed: Placed,
}

impl Fields {
    pub(super) fn of_new(ctx: &Context<'_>, body: &CreatePlan) -> Rule<Self> {
        wire_text::<PlanName>(&body.name, "/name")?;
        let fields = Self {
            name: body.name.clone(),
            disk_mb: body.disk_mb,
            memory_mb: body.memory_mb,
            domains: body.domains,
            databases: body.databases,
            limits: body.limits.unwrap_or_default(),
            php_version: body.php_version.clone(),
            php_versions: body.php_versions.clone(),
            placed: placed::of_new(ctx, body.placement.as_ref())?,
        };
        fields.checked(ctx)
    }

    pub(super) fn read(ctx: &Context<'_>, id: PlanId) -> Rule<Self> {
        ctx.find(
            "SELECT name, disk_mb, memory_mb, domains, databases, php_version, placement_strategy, anti_affinity,
                 pool, labels, php_versions, inodes, bandwidth_mb_per_month, subdomains, mailboxes, ftp_users,
                 cron_jobs, cpu_percent, memory_limit_mb, processes, io_mb_per_second, io_operations_per_second
             FROM plans WHERE id = ?1",
            [id.to_bytes()],
            |row| {
                Ok(Self {
                    name: row.get(0)?,
                    disk_mb: row.get(1)?,
                    memory_mb: row.get(2)?,
                    domains: row.get(3)?,
                    databases: row.get(4)?,
                    php_version: row.get(5)?,
                    placed: Placed {
                        strategy: row
                            .get::<_, Option<String>>(6)?
                            .and_then(|strategy| strategy.parse().ok()),
                        ..placed::of_row(row, 7)?
                    },
                    php_versions: texts(&row.get::<_, String>(10)?),
                    limits: limits_of_row(row, 11)?,
                })
            },
        )?
        .ok_or_else(|| Refusal::not_found("plan", "/id").into())
    }

    pub(super) fn changed(self, ctx: &Context<'_>, body: &UpdatePlan) -> Rule<Self> {
        let placed = match &body.placement {
            Some(change) => {
                ctx.require_placing("/placement")?;
                self.placed.changed(change)?
            }
            None => self.placed,
        };
        Self {
            name: body.name.clone().unwrap_or(self.name),
            disk_mb: body.disk_mb.unwrap_or(self.disk_mb),
            memory_mb: body.memory_mb.unwrap_or(self.memory_mb),
            domains: body.domains.map_or(self.domains, |change| change.limit),
            databases: body.databases.map_or(self.databases, |change| change.limit),
            limits: body.limits.map_or(self.limits, |change| changed_limits(self.limits, &change)),
            php_version: body.php_version.clone().unwrap_or(self.php_version),
            php_versions: body
                .php_versions
                .as_ref()
                .map_or(self.php_versions, |change| change.versions.clone()),
            placed,
        }
        .checked(ctx)
    }

    fn checked(mut self, ctx: &Context<'_>) -> Rule<Self> {
        self.php()?;
        if self.php_versions.len() > MOST_PHP_VERSIONS {
            let message = format!("at most {MOST_PHP_VERSIONS} versions (got {})", self.php_versions.len());
            return Err(Refusal::new(RefusalCode::Invalid, "/php_versions", message).into());
        }
        for version in &self.php_versions {
            wire_text::<PhpVersion>(version, "/php_versions")?;
        }
        self.php_versions.sort();
        self.php_versions.dedup();
        if !self.php_versions.is_empty() && !self.php_versions.contains(&self.php_version) {
            let message = format!(
                "the plan's own version is one of those that it allows ({}; got {})",
                self.php_versions.join(", "),
                self.php_version
            );
            return Err(Refusal::new(RefusalCode::Invalid, "/php_version", message).into());
        }
        self.allotment()
            .checked()
            .map_err(|error| Refusal::new(RefusalCode::Invalid, error.field, error.to_string()))?;
        if ctx.level < SUBDOMAINS_COUNTED {
            // As a replica has it that comes to know the column later.
            self.limits.subdomains = self.domains;
        }
        Ok(self)
    }

    pub(super) fn php(&self) -> Rule<PhpVersion> {
        wire_text(&self.php_version, "/php_version")
    }

    pub(super) fn require_disk(&self) -> Rule<()> {
        if self.disk_mb > 0 {
            return Ok(());
        }
        let message = "an account needs disk space: at least 1 (got 0)";
        Err(Refusal::new(RefusalCode::Invalid, "/disk_mb", message).into())
    }

    /// What its accounts reserve on their nodes.
    pub(super) fn amounts(&self) -> Amounts {
        Amounts::account(Megabytes(self.disk_mb), Megabytes(self.memory_mb))
    }

    /// What its accounts are promised, as their tenants' limits count it.
    pub(super) fn share(&self) -> Share {
        Share { disk_mb: self.disk_mb, bandwidth_mb_per_month: self.limits.bandwidth_mb_per_month }
    }

    /// What the processes of its accounts may take.
    pub(super) fn allotment(&self) -> Allotment {
        allotment(&self.limits)
    }

    /// Whether one of these accounts may have less of something than by another plan.
    pub(super) fn allows_less_than(&self, old: &Self) -> bool {
        let shrinks = |new: Option<u64>, old: Option<u64>| match (new, old) {
            (Some(new), Some(old)) => new < old,
            (new, old) => new.is_some() && old.is_none(),
        };
        shrinks(self.domains, old.domains)
            || shrinks(self.databases, old.databases)
            || shrinks(self.limits.subdomains, old.limits.subdomains)
            || shrinks(self.limits.cron_jobs, old.limits.cron_jobs)
            || self.php_versions != old.php_versions
    }

    pub(super) fn insert(&self, ctx: &Context<'_>, id: PlanId, tenant: TenantId) -> Rule<()> {
        ctx.run(
            "INSERT INTO plans (id, tenant_id, name, disk_mb, php_version, created_millis)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            (
                id.to_bytes(),
                tenant.to_bytes(),
                &self.name,
                self.disk_mb,
                &self.php_version,
                ctx.now.as_millis(),
            ),
        )?;
        self.write(ctx, id)
    }

    pub(super) fn write(&self, ctx: &Context<'_>, id: PlanId) -> Rule<()> {
        let limits = &self.limits;
        ctx.run(
            "UPDATE plans SET name = ?2, disk_mb = ?3, memory_mb = ?4, domains = ?5, databases = ?6, php_version = ?7,
                 placement_strategy = ?8, anti_affinity = ?9, pool = ?10, labels = ?11, php_versions = ?12,
                 inodes = ?13, bandwidth_mb_per_month = ?14, subdomains = ?15, mailboxes = ?16, ftp_users = ?17,
                 cron_jobs = ?18, cpu_percent = ?19, memory_limit_mb = ?20, processes = ?21, io_mb_per_second = ?22,
                 io_operations_per_second = ?23
             WHERE id = ?1",
            rusqlite::params![
                id.to_bytes(),
                self.name,
                self.disk_mb,
                self.memory_mb,
                self.domains,
                self.databases,
                self.php_version,
                self.placed.strategy.map(Strategy::as_str),
                self.placed.anti_affinity.as_str(),
                self.placed.pool.as_ref().map(PoolName::as_str),
                json(&self.placed.labels),
                json(&self.php_versions),
                limits.inodes,
                limits.bandwidth_mb_per_month,
                limits.subdomains,
                limits.mailboxes,
                limits.ftp_users,
                limits.cron_jobs,
                limits.cpu_percent,
                limits.memory_limit_mb,
                limits.processes,
                limits.io_mb_per_second,
                limits.io_operations_per_second,
            ],
        )?;
        Ok(())
    }
}

pub(super) fn allotment(limits: &PlanLimits) -> Allotment {
    Allotment {
        cpu_percent: limits.cpu_percent,
        memory_limit_mb: limits.memory_limit_mb,
        processes: limits.processes,
        io_mb_per_second: limits.io_mb_per_second,
        io_operations_per_second: limits.io_operations_per_second,
    }
}

/// The limits, from eleven columns in the order of their message's fields.
pub(super) fn limits_of_row(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<PlanLimits> {
    Ok(PlanLimits {
        inodes: row.get(at)?,
        bandwidth_mb_per_month: row.get(at + 1)?,
        subdomains: row.get(at + 2)?,
        mailboxes: row.get(at + 3)?,
        ftp_users: row.get(at + 4)?,
        cron_jobs: row.get(at + 5)?,
        cpu_percent: row.get(at + 6)?,
        memory_limit_mb: row.get(at + 7)?,
        processes: row.get(at + 8)?,
        io_mb_per_second: row.get(at + 9)?,
        io_operations_per_second: row.get(at + 10)?,
    })
}

fn changed_limits(old: PlanLimits, change: &PlanLimitsChange) -> PlanLimits {
    PlanLimits {
        inodes: change.inodes.map_or(old.inodes, |to| to.limit),
        bandwidth_mb_per_month: change
            .bandwidth_mb_per_month
            .map_or(old.bandwidth_mb_per_month, |to| to.limit),
        subdomains: change.subdomains.map_or(old.subdomains, |to| to.limit),
        mailboxes: change.mailboxes.map_or(old.mailboxes, |to| to.limit),
        ftp_users: change.ftp_users.map_or(old.ftp_users, |to| to.limit),
        cron_jobs: change.cron_jobs.map_or(old.cron_jobs, |to| to.limit),
        cpu_percent: change.cpu_percent.map_or(old.cpu_percent, |to| to.limit),
        memory_limit_mb: change.memory_limit_mb.map_or(old.memory_limit_mb, |to| to.limit),
        processes: change.processes.map_or(old.processes, |to| to.limit),
        io_mb_per_second: change.io_mb_per_second.map_or(old.io_mb_per_second, |to| to.limit),
        io_operations_per_second: change
            .io_operations_per_second
            .map_or(old.io_operations_per_second, |to| to.limit),
    }
}
