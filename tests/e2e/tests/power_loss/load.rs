//! Clients that write without a pause and remember what was acknowledged.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use anyhow::{Context, Result, bail, ensure};
use npanel_client::{Client, Error, Wait};
use npanel_e2e::World;
use npanel_fleet::until;
use npanel_model::{Limit, TenantId, TenantName};
use npanel_sdk_types::{ApiKey, CreateApiKey, CreateTenant, Tenant, UpdateTenant};
use tokio::task::JoinHandle;

use crate::ground::{Ground, LIMIT};

const CLIENTS: usize = 8;

/// How many actions a key is made with that is to fill the log: 6 KB, as a key may have, so that a segment of 8 MiB is full within some minutes.
const WIDE: usize = 200;

/// What one client was told.
struct Told {
    /// What it has made.
    made: Vec<(TenantId, TenantName)>,
    /// A tenant of its own, whose limit it sets to one number after the other.
    register: TenantId,
    last: Option<u64>,
    /// What it asked for without an answer: it may be carried out or not.
    unsure: Vec<u64>,
}

/// The clients at work.
pub(crate) struct Load {
    clients: Vec<JoinHandle<Result<Told>>>,
    filling: JoinHandle<Result<()>>,
    is_over: Arc<AtomicBool>,
    acknowledged: Arc<AtomicUsize>,
    /// Why a client has given up, if one has.
    given_up: Arc<OnceLock<String>>,
}

fn tenant(name: &TenantName, account_limit: Limit) -> CreateTenant {
    CreateTenant { account_limit, ..CreateTenant::new(name.clone()) }
}

/// Whether nothing is known of a write: it may yet be carried out. Anything else is an answer that no client should get.
fn is_unsure(error: &Error) -> bool {
    match error {
        Error::Unreachable(_) => true,
        Error::Refused(problem) => problem.status >= 500,
        _ => false,
    }
}

impl Load {
    /// `name`: of this load, in the names of what it makes.
    pub(crate) fn start(world: &World, name: &str) -> Result<Self> {
        let (is_over, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let given_up = Arc::new(OnceLock::new());
        let controllers = ["c1", "c2", "c3"];
        let mut clients = Vec::new();
        for number in 0..CLIENTS {
            let client = world.client_that_asks(controllers[number % controllers.len()])?;
            let (name, is_over, acknowledged) =
                (format!("{name}-{number}"), Arc::clone(&is_over), Arc::clone(&acknowledged));
            let given_up = Arc::clone(&given_up);
            clients.push(world.spawn(async move {
                let told = write(client, &name, &is_over, &acknowledged).await;
                if let Err(error) = &told {
                    let _ = given_up.set(format!("{error:#}"));
                }
                told
            }));
        }
        let (client, is_asked_to_end) = (world.client.clone(), Arc::clone(&is_over));
        let filling = world.spawn(async move { fill(client, &is_asked_to_end).await });
        Ok(Self { clients, filling, is_over, acknowledged, given_up })
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits until so many more writes were acknowledged.
    pub(crate) fn until_more(&self, more: usize) -> Result<()> {
        let wanted = self.acknowledged() + more;
        until(&format!("{more} more writes"), LIMIT, || {
            if let Some(why) = self.given_up.get() {
                bail!("a client has given up: {why}");
            }
            Ok((self.acknowledged() >= wanted).then_some(()))
        })
    }

    /// Ends it, and shows that everything that was acknowledged is there. Returns how much that is.
    pub(crate) fn all_is_there(self, ground: &Ground) -> Result<usize> {
        self.is_over.store(true, Ordering::Relaxed);
        let told: Vec<Told> = self
            .clients
            .into_iter()
            .map(|client| ground.world.block_on(client)?)
            .collect::<Result<_>>()
            .context("a client was told what it should not be")?;
        ground.world.block_on(self.filling)?.context("the log could not be filled")?;
        let all = ground.world.block_on(ground.world.client.list_all::<Tenant>(&[]))?;
        let all: BTreeMap<TenantId, Tenant> = all.into_iter().map(|tenant| (tenant.id, tenant)).collect();
        let mut count = 0;
        for Told { made, register, last, unsure } in told {
            for (id, name) in &made {
                let there =
                    all.get(id).with_context(|| format!("{name} ({id}) was acknowledged and is lost"))?;
                ensure!(there.name == *name, "{id} is {} and not {name}", there.name);
            }
            let now = all.get(&register).context("a register is lost")?.account_limit;
            let may_be = |value: &u64| now == Limit::AtMost(*value);
            ensure!(
                last.iter().chain(&unsure).any(may_be),
                "{register} is {now:?}, was acknowledged as {last:?}, and may be one of {unsure:?}"
            );
            count += made.len();
        }
        Ok(count)
    }
}

/// Makes keys that are long, and removes them again.
async fn fill(client: Client, is_over: &AtomicBool) -> Result<()> {
    let key = CreateApiKey {
        tenant_id: None,
        name: "wide".parse()?,
        // The longest of names, as often as a key may say it.
        actions: vec!["session.impersonate_to_write".parse()?; WIDE],
        role: None,
        accounts: Vec::new(),
        networks: Vec::new(),
        expires_at: None,
    };
    while !is_over.load(Ordering::Relaxed) {
        match client.create::<ApiKey>(&key, Wait::No).await {
            Ok(made) => match client.delete::<ApiKey>(made.object.id, Wait::No).await {
                Err(error) if !is_unsure(&error) => return Err(error.into()),
                _ => {}
            },
            Err(error) if is_unsure(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

async fn write(client: Client, name: &str, is_over: &AtomicBool, acknowledged: &AtomicUsize) -> Result<Told> {
    let own: TenantName = format!("{name}-register").parse()?;
    let register = client.create::<Tenant>(&tenant(&own, Limit::AtMost(0)), Wait::No).await?.object.id;
    let mut told = Told { made: Vec::new(), register, last: Some(0), unsure: Vec::new() };
    for number in 1.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let made: TenantName = format!("{name}-{number}").parse()?;
        match client.create::<Tenant>(&tenant(&made, Limit::Unlimited), Wait::No).await {
            Ok(written) => {
                told.made.push((written.object.id, made));
                acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) if is_unsure(&error) => {}
            Err(error) => return Err(error).with_context(|| format!("making {made}")),
        }
        let change = UpdateTenant { account_limit: Some(Limit::AtMost(number)), ..UpdateTenant::default() };
        match client.update::<Tenant>(register, &change, Wait::No).await {
            Ok(_) => told.last = Some(number),
            Err(error) if is_unsure(&error) => told.unsure.push(number),
            Err(error) => return Err(error).with_context(|| format!("setting {own} to {number}")),
        }
    }
    Ok(told)
}
