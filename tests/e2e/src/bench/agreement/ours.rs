//! The controllers, by their public API.

use anyhow::{Context, Result};
use npanel_client::{Client, Config, Wait};
use npanel_fleet::Kind;
use npanel_model::{AccountId, Secret};
use npanel_sdk_types::{Account, UpdateAccount};

use super::drive::Asker;
use crate::{Bench, serving::account};

const ACCOUNTS: usize = 64;
/// Clients that share a connection.
const ON_A_CONNECTION: usize = 32;

/// Accounts to change, and where.
pub(super) struct Ours {
    accounts: Vec<AccountId>,
    config: Config,
}

impl Ours {
    /// Makes accounts, and then stops the nodes: what is measured is the controllers.
    pub(super) fn prepare(bench: &Bench) -> Result<Self> {
        let world = &bench.world;
        let mut accounts = Vec::new();
        for number in 0..ACCOUNTS {
            let body = account(world, &format!("agreed{number}"))?;
            accounts.push(world.create::<Account>(&body)?.id);
        }
        for node in world.fleet.of_kind(Kind::Node) {
            world.fleet.stop(&node.name)?;
        }
        let leader = world.fleet.api_url(&world.leader()?)?;
        let ca = std::fs::read(world.fleet.ca_file()?).context("the cluster's CA")?;
        let config = Config::new(vec![leader], Secret::new(world.administrator_key()?)).with_ca(ca);
        Ok(Self { accounts, config })
    }

    /// Clients of the leader.
    pub(super) fn writers(&self, clients: usize) -> Result<Vec<Writer>> {
        let connections: Vec<_> = (0..clients.div_ceil(ON_A_CONNECTION))
            .map(|_| Client::new(self.config.clone()))
            .collect::<Result<_, _>>()?;
        let writer = |client: usize| Writer {
            api: connections[client % connections.len()].clone(),
            client,
            account: self.accounts[client % self.accounts.len()],
        };
        Ok((0..clients).map(writer).collect())
    }

    pub(super) fn finish(self, bench: &Bench) -> Result<()> {
        bench.world.restore()
    }
}

pub(super) struct Writer {
    api: Client,
    client: usize,
    account: AccountId,
}

impl Asker for Writer {
    async fn ask(&mut self, number: u64) -> Result<()> {
        let contact = format!("c{}n{number}@agreed.example", self.client).parse()?;
        let change = UpdateAccount { contact: Some(Some(contact)), ..UpdateAccount::default() };
        self.api.update::<Account>(self.account, &change, Wait::No).await?;
        Ok(())
    }
}
