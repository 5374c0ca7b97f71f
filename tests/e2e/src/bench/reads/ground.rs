//! Accounts to read.

use anyhow::{Context, Result, ensure};
use http::HeaderValue;
use npanel_client::Wait;
use npanel_e2e::World;
use npanel_fleet::{Kind, until};
use npanel_model::AccountId;
use npanel_sdk_types::{Account, NodeHealth};
use rustls::pki_types::{CertificateDer, pem::PemObject};

use super::{File, Reader, Server};
use crate::{Bench, serving::account, tls::Tls};

/// A page.
const ACCOUNTS: usize = 100;
const PAGE: &str = "/v1/accounts?limit=100";

pub(super) struct Ground {
    /// One each.
    pub(super) accounts: Vec<File>,
    pub(super) page: Vec<File>,
    pub(super) leader: String,
    pub(super) address: String,
    authorities: Vec<CertificateDer<'static>>,
    authorization: HeaderValue,
}

impl Ground {
    /// Makes accounts, and then stops the nodes: what is measured is a controller.
    pub(super) fn prepare(bench: &Bench) -> Result<Self> {
        let world = &bench.world;
        let accounts = make(world)?;
        for node in world.fleet.of_kind(Kind::Node) {
            world.fleet.stop(&node.name)?;
        }
        let leader = world.leader()?;
        let address = world.fleet.api_url(&leader)?.trim_start_matches("https://").to_owned();
        let ca = std::fs::read(world.fleet.ca_file()?).context("the cluster's CA")?;
        let authorities = CertificateDer::pem_slice_iter(&ca).collect::<Result<Vec<_>, _>>()?;
        let authorization = format!("Bearer {}", world.administrator_key()?).parse()?;
        let mut ground =
            Self { accounts: Vec::new(), page: Vec::new(), leader, address, authorities, authorization };
        for account in accounts {
            let file = ground.file(world, format!("/v1/accounts/{account}"), account.to_string())?;
            ground.accounts.push(file);
        }
        let page = ground.file(world, PAGE.to_owned(), "page".to_owned())?;
        ensure!(page.content.iter().filter(|byte| **byte == b'{').count() > ACCOUNTS, "the page is not full");
        ground.page.push(page);
        Ok(ground)
    }

    fn file(&self, world: &World, path: String, name: String) -> Result<File> {
        let content = world.block_on(Reader::read(&self.server(""), &path))?;
        Ok(File { path, name, content })
    }

    /// The leader, asked with this query besides.
    pub(super) fn server(&self, query: &'static str) -> Server {
        let tls = Tls::trusting(self.authorities.iter().cloned(), "http/1.1");
        Server {
            tls: tls.expect("the cluster's authorities were read before"),
            address: self.address.clone(),
            authorization: self.authorization.clone(),
            is_nginx: false,
            query,
        }
    }

    pub(super) fn authorization(&self) -> HeaderValue {
        self.authorization.clone()
    }
}

/// Makes them side by side, and waits until nodes have no more to do.
fn make(world: &World) -> Result<Vec<AccountId>> {
    let bodies: Vec<_> =
        (0..ACCOUNTS).map(|number| account(world, &format!("read{number}"))).collect::<Result<_>>()?;
    let making: Vec<_> = bodies
        .into_iter()
        .map(|body| {
            let client = world.client.clone();
            world.spawn(async move { client.create::<Account>(&body, Wait::No).await })
        })
        .collect();
    let mut made = Vec::new();
    for one in making {
        made.push(world.block_on(one)??.object.id);
    }
    until("every account to be served", World::PATIENCE * 3, || {
        for node in world.fleet.of_kind(Kind::Node) {
            let node = world.node(&node.name)?;
            let NodeHealth { pending, .. } = world.block_on(world.client.node_status(node.id))?;
            if pending > 0 {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })?;
    Ok(made)
}
