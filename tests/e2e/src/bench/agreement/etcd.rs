//! Three members of etcd, on loopback, as Debian packages it, and behind TLS as the controllers are: to clients, and
//! between members with certificates on both sides.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use npanel_e2e::World;
use npanel_fleet::{cache_directory, until};
use tempfile::TempDir;
use tonic::transport::Channel;

use super::{
    Freshness,
    etcd_api::{PutRequest, RangeRequest, put, range, status},
    etcd_tls::Keys,
};
use crate::{debian, drive::Asker};

const MEMBERS: u16 = 3;
const FIRST_PORT: u16 = 22_379;
/// Clients that share a connection, as they share ours.
const ON_A_CONNECTION: usize = 32;
const VALUE: usize = 256;
const LIMIT: Duration = Duration::from_secs(30);

/// The running members; they end with this value.
pub(super) struct Etcd {
    members: Vec<Child>,
    keys: Keys,
    /// On the same disk as the controllers' data.
    _data: TempDir,
}

impl Etcd {
    pub(super) fn start() -> Result<Self> {
        let program = program()?;
        let data = tempfile::tempdir_in(cache_directory()?).context("etcd's data")?;
        let keys = Keys::generate(data.path())?;
        let client = |number: u16| format!("https://127.0.0.1:{}", client_port(number));
        let peer = |number: u16| format!("https://127.0.0.1:{}", client_port(number) + 1);
        let all: Vec<_> = (0..MEMBERS).map(|number| format!("e{number}={}", peer(number))).collect();
        let mut members = Vec::new();
        for number in 0..MEMBERS {
            let (client, peer) = (client(number), peer(number));
            let member = Command::new(&program)
                .arg("--name")
                .arg(format!("e{number}"))
                .arg("--data-dir")
                .arg(data.path().join(number.to_string()))
                .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
                .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
                .args(["--initial-cluster", &all.join(","), "--initial-cluster-state", "new"])
                .args(keys.arguments())
                .args(["--logger", "zap", "--log-level", "error"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn();
            members.push(member.context("etcd")?);
        }
        Ok(Self { members, keys, _data: data })
    }

    /// Clients of the leader that write, each a key of its own.
    pub(super) fn writers(&self, world: &World, clients: usize) -> Result<Vec<Writer>> {
        let writer = |(client, etcd)| Writer { etcd, key: key(client), value: vec![b'v'; VALUE] };
        Ok(self.clients(world, clients)?.into_iter().enumerate().map(writer).collect())
    }

    /// Clients of the leader that read what as many of them wrote.
    pub(super) fn readers(&self, world: &World, clients: usize, fresh: Freshness) -> Result<Vec<Reader>> {
        let request = |client| RangeRequest { key: key(client), serializable: fresh == Freshness::Stale };
        let reader = |(client, etcd)| Reader { etcd, request: request(client) };
        Ok(self.clients(world, clients)?.into_iter().enumerate().map(reader).collect())
    }

    /// A connection for each client.
    fn clients(&self, world: &World, clients: usize) -> Result<Vec<Channel>> {
        let leader = until("etcd's leader", LIMIT, || Ok(world.block_on(self.leader()).ok()))?;
        let connections: Vec<_> = (0..clients.div_ceil(ON_A_CONNECTION))
            .map(|_| world.block_on(self.keys.connect(leader)))
            .collect::<Result<_, _>>()?;
        Ok(connections.into_iter().cycle().take(clients).collect())
    }

    /// Its port.
    async fn leader(&self) -> Result<u16> {
        for port in (0..MEMBERS).map(client_port) {
            let status = status(self.keys.connect(port).await?).await?;
            if status.leader != 0 && status.header.is_some_and(|header| header.member_id == status.leader) {
                return Ok(port);
            }
        }
        anyhow::bail!("no member leads")
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        for member in &mut self.members {
            drop(member.kill());
            drop(member.wait());
        }
    }
}

fn client_port(number: u16) -> u16 {
    FIRST_PORT + 10 * number
}

fn key(client: usize) -> Vec<u8> {
    format!("account/{client}").into_bytes()
}

pub(super) struct Writer {
    etcd: Channel,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Asker for Writer {
    async fn ask(&mut self, number: u64) -> Result<()> {
        self.value[..8].copy_from_slice(&number.to_be_bytes());
        put(self.etcd.clone(), PutRequest { key: self.key.clone(), value: self.value.clone() }).await
    }
}

pub(super) struct Reader {
    etcd: Channel,
    request: RangeRequest,
}

impl Asker for Reader {
    async fn ask(&mut self, _: u64) -> Result<()> {
        let value = range(self.etcd.clone(), self.request.clone()).await?;
        ensure!(value.len() == VALUE, "a value has {} bytes (expected {VALUE})", value.len());
        Ok(())
    }
}

/// Where it is.
pub(super) fn program() -> Result<PathBuf> {
    debian::program("etcd-server", "usr/bin/etcd")
}
