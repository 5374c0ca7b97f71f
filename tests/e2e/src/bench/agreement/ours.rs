//! The controllers, by their public API.

use anyhow::{Context, Result, ensure};
use http::{
    HeaderValue, Method, Request,
    header::{AUTHORIZATION, CONTENT_TYPE},
    request,
};
use http_body_util::{BodyExt, Full};
use hyper::{body::Bytes, client::conn::http2::SendRequest};
use hyper_util::rt::TokioExecutor;
use npanel_e2e::World;
use npanel_fleet::Kind;
use npanel_model::AccountId;
use npanel_sdk_types::Account;
use rustls::pki_types::{CertificateDer, pem::PemObject};

use super::Freshness;
use crate::{Bench, drive::Asker, serving::account, tls::Tls};

const ACCOUNTS: usize = 64;
/// Clients that share a connection.
const ON_A_CONNECTION: usize = 32;

/// Accounts to change, and where.
pub(super) struct Ours {
    accounts: Vec<AccountId>,
    tls: Tls,
    leader: String,
    authorization: HeaderValue,
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
        let leader = leader.trim_start_matches("https://").to_owned();
        let ca = std::fs::read(world.fleet.ca_file()?).context("the cluster's CA")?;
        let authorities = CertificateDer::pem_slice_iter(&ca).collect::<Result<Vec<_>, _>>()?;
        let authorization = format!("Bearer {}", world.administrator_key()?).parse()?;
        Ok(Self { accounts, tls: Tls::trusting(authorities, "h2")?, leader, authorization })
    }

    /// Clients of the leader that change accounts.
    pub(super) fn writers(&self, world: &World, clients: usize) -> Result<Vec<Writer>> {
        let writer = |(number, client)| Writer { client, number };
        Ok(self.clients(world, clients, "")?.into_iter().enumerate().map(writer).collect())
    }

    /// Clients of the leader that read an account each.
    pub(super) fn readers(&self, world: &World, clients: usize, fresh: Freshness) -> Result<Vec<Reader>> {
        let query = match fresh {
            Freshness::Linearizable => "?consistency=linearizable",
            Freshness::Stale => "?consistency=stale",
        };
        Ok(self.clients(world, clients, query)?.into_iter().map(Reader).collect())
    }

    fn clients(&self, world: &World, clients: usize, query: &str) -> Result<Vec<Client>> {
        let connections: Vec<_> = (0..clients.div_ceil(ON_A_CONNECTION))
            .map(|_| world.block_on(self.connect()))
            .collect::<Result<_, _>>()?;
        let client = |(number, api)| {
            let account = self.accounts[number % self.accounts.len()];
            let url = format!("https://{}/v1/accounts/{account}{query}", self.leader);
            Client { api, authorization: self.authorization.clone(), url }
        };
        Ok(connections.into_iter().cycle().take(clients).enumerate().map(client).collect())
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>> {
        let stream = self.tls.connect(&self.leader).await?;
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await?;
        // It ends when the last client is gone.
        tokio::spawn(connection);
        Ok(sender)
    }

    pub(super) fn finish(self, bench: &Bench) -> Result<()> {
        bench.world.restore()
    }
}

/// Asks for one account.
struct Client {
    api: SendRequest<Full<Bytes>>,
    authorization: HeaderValue,
    url: String,
}

impl Client {
    fn request(&self, method: Method) -> request::Builder {
        Request::builder().method(method).uri(&self.url).header(AUTHORIZATION, &self.authorization)
    }

    async fn ask(&mut self, request: Request<Full<Bytes>>) -> Result<Bytes> {
        self.api.ready().await?;
        let answer = self.api.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
        Ok(body)
    }
}

pub(super) struct Writer {
    client: Client,
    number: usize,
}

impl Asker for Writer {
    async fn ask(&mut self, number: u64) -> Result<()> {
        let change = format!(r#"{{"contact":"c{}n{number}@agreed.example"}}"#, self.number);
        let request = self.client.request(Method::PATCH).header(CONTENT_TYPE, "application/json");
        // As etcd, which answers that it is done, not what it is then.
        let request = request.header("prefer", "return=minimal").body(Full::from(change))?;
        self.client.ask(request).await.map(drop)
    }
}

pub(super) struct Reader(Client);

impl Asker for Reader {
    async fn ask(&mut self, _: u64) -> Result<()> {
        let request = self.0.request(Method::GET).body(Full::default())?;
        let body = self.0.ask(request).await?;
        ensure!(!body.is_empty(), "an account without content");
        Ok(())
    }
}
