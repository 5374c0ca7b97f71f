//! The limits of a plan, as they are typed.

use clap::Args;
use npanel_model::{Limit, PhpVersion};
use npanel_sdk_types::{CreatePlan, UpdatePlan};

use crate::arguments::limit;

/// What an account may have besides; unlimited where it is not said.
#[derive(Debug, Args)]
pub(crate) struct LimitArguments {
    /// How many files and directories an account may have.
    #[arg(long)]
    inodes: Option<u64>,
    /// What an account's sites may send in a month, in MB.
    #[arg(long)]
    bandwidth_mb_per_month: Option<u64>,
    /// How many domains beneath another of its own an account may have; they do not count as domains.
    #[arg(long)]
    subdomains: Option<u64>,
    /// How many mailboxes an account may have.
    #[arg(long)]
    mailboxes: Option<u64>,
    /// How many FTP users an account may have.
    #[arg(long)]
    ftp_users: Option<u64>,
    /// How many scheduled jobs an account may have.
    #[arg(long)]
    cron_jobs: Option<u64>,
    /// What an account's processes may take of the processors, in hundredths of one.
    #[arg(long)]
    cpu_percent: Option<u64>,
    /// What an account's processes may take of memory, in MB.
    #[arg(long)]
    memory_limit_mb: Option<u64>,
    /// How many processes and threads an account may have.
    #[arg(long)]
    processes: Option<u64>,
    /// What an account's processes may read from the homes' disk in a second, and as much to write, in MB.
    #[arg(long)]
    io_mb_per_second: Option<u64>,
    /// How many reads from that disk in a second, and as many writes.
    #[arg(long)]
    io_operations_per_second: Option<u64>,
    /// A PHP version that accounts may choose, the plan's own among them; can be repeated. All if absent.
    #[arg(long = "php-allowed", value_name = "VERSION")]
    php_versions: Vec<PhpVersion>,
}

impl LimitArguments {
    pub(crate) fn put(self, plan: &mut CreatePlan) {
        plan.inodes = Limit::from(self.inodes);
        plan.bandwidth_mb_per_month = Limit::from(self.bandwidth_mb_per_month);
        plan.subdomains = Limit::from(self.subdomains);
        plan.mailboxes = Limit::from(self.mailboxes);
        plan.ftp_users = Limit::from(self.ftp_users);
        plan.cron_jobs = Limit::from(self.cron_jobs);
        plan.cpu_percent = Limit::from(self.cpu_percent);
        plan.memory_limit_mb = Limit::from(self.memory_limit_mb);
        plan.processes = Limit::from(self.processes);
        plan.io_mb_per_second = Limit::from(self.io_mb_per_second);
        plan.io_operations_per_second = Limit::from(self.io_operations_per_second);
        plan.php_versions = self.php_versions;
    }
}

/// What an account may have besides: a number, or unlimited.
#[derive(Debug, Args)]
pub(crate) struct LimitChangeArguments {
    /// How many files and directories an account may have.
    #[arg(long, value_parser = limit)]
    inodes: Option<Limit>,
    /// What an account's sites may send in a month, in MB.
    #[arg(long, value_parser = limit)]
    bandwidth_mb_per_month: Option<Limit>,
    /// How many domains beneath another of its own an account may have; they do not count as domains.
    #[arg(long, value_parser = limit)]
    subdomains: Option<Limit>,
    /// How many mailboxes an account may have.
    #[arg(long, value_parser = limit)]
    mailboxes: Option<Limit>,
    /// How many FTP users an account may have.
    #[arg(long, value_parser = limit)]
    ftp_users: Option<Limit>,
    /// How many scheduled jobs an account may have.
    #[arg(long, value_parser = limit)]
    cron_jobs: Option<Limit>,
    /// What an account's processes may take of the processors, in hundredths of one.
    #[arg(long, value_parser = limit)]
    cpu_percent: Option<Limit>,
    /// What an account's processes may take of memory, in MB.
    #[arg(long, value_parser = limit)]
    memory_limit_mb: Option<Limit>,
    /// How many processes and threads an account may have.
    #[arg(long, value_parser = limit)]
    processes: Option<Limit>,
    /// What an account's processes may read from the homes' disk in a second, and as much to write, in MB.
    #[arg(long, value_parser = limit)]
    io_mb_per_second: Option<Limit>,
    /// How many reads from that disk in a second, and as many writes.
    #[arg(long, value_parser = limit)]
    io_operations_per_second: Option<Limit>,
    /// A PHP version that accounts may choose, in place of those that were said; can be repeated.
    #[arg(long = "php-allowed", value_name = "VERSION", conflicts_with = "any_php")]
    php_versions: Vec<PhpVersion>,
    /// Accounts may choose all PHP versions that their nodes have.
    #[arg(long)]
    any_php: bool,
}

impl LimitChangeArguments {
    pub(crate) fn put(self, change: &mut UpdatePlan) {
        change.inodes = self.inodes;
        change.bandwidth_mb_per_month = self.bandwidth_mb_per_month;
        change.subdomains = self.subdomains;
        change.mailboxes = self.mailboxes;
        change.ftp_users = self.ftp_users;
        change.cron_jobs = self.cron_jobs;
        change.cpu_percent = self.cpu_percent;
        change.memory_limit_mb = self.memory_limit_mb;
        change.processes = self.processes;
        change.io_mb_per_second = self.io_mb_per_second;
        change.io_operations_per_second = self.io_operations_per_second;
        change.php_versions = (self.any_php || !self.php_versions.is_empty()).then_some(self.php_versions);
    }
}
