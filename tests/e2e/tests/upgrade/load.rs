//! Clients that write without a pause, each at a controller of its own, and take no refusal.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use anyhow::{Context, Result, bail, ensure};
use npanel_client::{Client, Wait};
use npanel_e2e::World;
use npanel_fleet::until;
use npanel_model::TenantId;
use npanel_sdk_types::{CreateTenant, Tenant};
use tokio::task::JoinHandle;

use crate::{LIMIT, names};

pub(crate) struct Load {
    clients: Vec<JoinHandle<Result<Vec<TenantId>>>>,
    is_over: Arc<AtomicBool>,
    acknowledged: Arc<AtomicUsize>,
    refused: Arc<OnceLock<String>>,
}

impl Load {
    pub(crate) fn start(world: &World) -> Result<Self> {
        let (is_over, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let refused = Arc::new(OnceLock::new());
        let mut clients = Vec::new();
        for name in names(world) {
            let client = world.client_that_asks(&name)?;
            let (is_over, acknowledged) = (Arc::clone(&is_over), Arc::clone(&acknowledged));
            let refused = Arc::clone(&refused);
            clients.push(world.spawn(async move {
                let made = write(client, &name, &is_over, &acknowledged).await;
                if let Err(error) = &made {
                    let _ = refused.set(format!("{error:#}"));
                }
                made
            }));
        }
        Ok(Self { clients, is_over, acknowledged, refused })
    }

    /// Waits until so many more writes were acknowledged.
    pub(crate) fn until_more(&self, world: &World, more: usize) -> Result<()> {
        let wanted = self.acknowledged.load(Ordering::Relaxed) + more;
        let leader = world.leader()?;
        until(&format!("{more} more writes, led by {leader}"), LIMIT, || {
            if let Some(why) = self.refused.get() {
                bail!("a client was refused a write: {why}");
            }
            Ok((self.acknowledged.load(Ordering::Relaxed) >= wanted).then_some(()))
        })
    }

    /// Ends it, and shows that everything that was acknowledged is there, once. Returns how much that is.
    pub(crate) fn end_with_all_there(self, world: &World) -> Result<usize> {
        self.is_over.store(true, Ordering::Relaxed);
        let mut made = BTreeSet::new();
        for client in self.clients {
            made.extend(world.block_on(client)?.context("a write was refused")?);
        }
        ensure!(made.len() == self.acknowledged.load(Ordering::Relaxed), "an id was given twice");
        let all = world.block_on(world.client.list_all::<Tenant>(&[]))?;
        let there: BTreeSet<TenantId> = all.iter().map(|tenant| tenant.id).collect();
        ensure!(made.is_subset(&there), "{:?} were acknowledged and are lost", made.difference(&there));
        Ok(made.len())
    }
}

/// The client asks again, with the same key, while no controller answers.
async fn write(
    client: Client,
    name: &str,
    is_over: &AtomicBool,
    acknowledged: &AtomicUsize,
) -> Result<Vec<TenantId>> {
    let mut made = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let tenant = CreateTenant::new(format!("{name}-{}", made.len()).parse()?);
        made.push(client.create::<Tenant>(&tenant, Wait::No).await?.object.id);
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
    Ok(made)
}
