//! The fleet under test.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result};
use npanel_client::{Client, Config, Creatable, Wait};
use npanel_fleet::{Fleet, FleetName, FleetSpec, Guard, Kind, cache_directory, until};
use npanel_model::{Megabytes, PlanId, Secret, TenantId};
use npanel_sdk_types::{CreatePlan, CreateTenant, Node, Plan, Tenant};
use tokio::runtime::Runtime;

/// How long a healthy fleet may need for anything.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A fleet of three controllers and two nodes, and an administrator's view of it.
#[derive(Debug)]
pub struct World {
    /// The fleet, to be steered.
    pub fleet: Fleet,
    /// A client with the first administrator's key that knows every controller.
    pub client: Client,
    runtime: Runtime,
    platform: OnceLock<(TenantId, PlanId)>,
    small: OnceLock<(TenantId, PlanId)>,
    // The last field: the fleet goes down after everything else has gone.
    _guard: Guard,
}

impl World {
    /// How long a healthy fleet may need for anything.
    pub const PATIENCE: Duration = LIMIT;

    /// Boots a fleet that goes down with this value, or with this process, and moves the calling thread into its
    /// hub.
    pub fn boot(purpose: &str) -> Result<Self> {
        Self::boot_of(purpose, 3, 2, |_| Ok(()))
    }

    /// As [`World::boot`], with so many members, and a step before the first daemon starts: see
    /// [`Fleet::boot_prepared`].
    pub fn boot_of(
        purpose: &str,
        controllers: u8,
        nodes: u8,
        prepare: impl FnOnce(&Fleet) -> Result<()>,
    ) -> Result<Self> {
        let name: FleetName = format!("{purpose}-{}", std::process::id()).parse()?;
        let guard = Guard::over(&name)?;
        let fleet = Fleet::boot_prepared(FleetSpec { name, controllers, nodes }, prepare)?;
        fleet.enter_hub()?;
        // Its threads are born in the hub.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let names: Vec<&str> = fleet.of_kind(Kind::Controller).map(|member| member.name.as_str()).collect();
        let client = client(&fleet, &names, &key(&fleet)?)?;
        Ok(Self { client, runtime, platform: OnceLock::new(), small: OnceLock::new(), fleet, _guard: guard })
    }

    /// Runs a future to its end.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Starts a future beside the caller.
    pub fn spawn<F>(&self, future: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.runtime.spawn(future)
    }

    /// The first administrator's API key.
    pub fn administrator_key(&self) -> Result<String> {
        key(&self.fleet)
    }

    /// Makes an object and waits until the fleet has done it.
    pub fn create<T: Creatable>(&self, body: &T::Create) -> Result<T> {
        let written = self.block_on(self.client.create::<T>(body, Wait::Converged(LIMIT)))?;
        anyhow::ensure!(
            !written.timed_out,
            "{} {} did not converge within {LIMIT:?}",
            T::PATH,
            written.object.id()
        );
        Ok(written.object)
    }

    /// The tenant and the plan that sites belong to unless a scenario wants others; made when first asked for.
    pub fn platform(&self) -> Result<(TenantId, PlanId)> {
        if let Some(platform) = self.platform.get() {
            return Ok(*platform);
        }
        let tenant = self.tenant("platform")?;
        let plan = self.plan(tenant, "plan")?;
        Ok(*self.platform.get_or_init(|| (tenant, plan)))
    }

    /// A tenant, and a plan so small that a node has room for thousands of accounts; made when first asked for.
    pub fn small(&self) -> Result<(TenantId, PlanId)> {
        if let Some(small) = self.small.get() {
            return Ok(*small);
        }
        let tenant = self.tenant("small")?;
        let plan = self.sized_plan(tenant, "small", Megabytes(1))?;
        Ok(*self.small.get_or_init(|| (tenant, plan)))
    }

    /// Makes a tenant of that name.
    pub fn tenant(&self, name: &str) -> Result<TenantId> {
        let tenant = CreateTenant::new(name.parse()?);
        Ok(self.create::<Tenant>(&tenant)?.id)
    }

    /// Makes a roomy plan of that name.
    pub fn plan(&self, tenant: TenantId, name: &str) -> Result<PlanId> {
        self.sized_plan(tenant, name, Megabytes(1024))
    }

    /// Makes a plan of that name with so much disk space.
    pub fn sized_plan(&self, tenant: TenantId, name: &str, disk_mb: Megabytes) -> Result<PlanId> {
        let plan =
            CreatePlan { tenant_id: Some(tenant), ..CreatePlan::new(name.parse()?, disk_mb, "8.2".parse()?) };
        Ok(self.create::<Plan>(&plan)?.id)
    }

    /// A client that asks this controller first, and then the others.
    pub fn client_that_asks(&self, first: &str) -> Result<Client> {
        let mut names: Vec<&str> =
            self.fleet.of_kind(Kind::Controller).map(|member| member.name.as_str()).collect();
        names.sort_by_key(|name| *name != first);
        client(&self.fleet, &names, &key(&self.fleet)?)
    }

    /// The name of the leader, once there is one.
    pub fn leader(&self) -> Result<String> {
        until("a leader", LIMIT, || {
            let status = self.block_on(self.client.cluster_status())?;
            let leads = |controller: &&npanel_sdk_types::Controller| Some(controller.id) == status.leader_id;
            Ok(status.controllers.iter().find(leads).map(|leader| leader.name.clone()))
        })
    }

    /// A node as the API shows it.
    pub fn node(&self, name: &str) -> Result<Node> {
        let found = self.block_on(self.client.list_all::<Node>(&[("name", name.to_owned())]))?;
        found.into_iter().next().with_context(|| format!("there is no node {name}"))
    }

    /// Runs a line of shell on a member as root; what it prints.
    pub fn shell(&self, member: &str, line: &str) -> Result<String> {
        self.fleet.exec(member, ["/bin/sh", "-c", line])
    }

    /// Undoes what a scenario may have left: every member is up, awake and connected again.
    pub fn restore(&self) -> Result<()> {
        self.fleet.heal()?;
        for member in self.fleet.members() {
            let name = &member.name;
            if self.fleet.is_paused(name)? {
                self.fleet.resume(name)?;
            }
            if !self.fleet.is_up(name)? {
                self.fleet.start(name)?;
            }
        }
        until("the fleet to be whole", LIMIT, || Ok(self.fleet.is_ready()?.then_some(())))
    }

    /// Where the logs of a failed run are put; the last run's are replaced.
    pub fn keep_logs(&self, purpose: &str) -> Result<PathBuf> {
        let directory = cache_directory()?.join("logs").join(purpose);
        if directory.exists() {
            std::fs::remove_dir_all(&directory).context("the last run's logs")?;
        }
        self.fleet.collect_logs(&directory)?;
        Ok(directory)
    }
}

fn key(fleet: &Fleet) -> Result<String> {
    Ok(std::fs::read_to_string(fleet.api_key_file()?).context("the administrator's key")?.trim().to_owned())
}

fn client(fleet: &Fleet, controllers: &[&str], key: &str) -> Result<Client> {
    let urls = controllers.iter().map(|name| fleet.api_url(name)).collect::<Result<_>>()?;
    let ca = std::fs::read(fleet.ca_file()?).context("the cluster's CA")?;
    Ok(Client::new(Config::new(urls, Secret::new(key)).with_ca(ca))?)
}
