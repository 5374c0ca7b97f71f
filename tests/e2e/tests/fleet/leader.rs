//! The leader dies while work is going on.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use npanel_client::{Client, Error, Events, Told, Wait};
use npanel_e2e::World;
use npanel_fleet::until;
use npanel_model::{PlanId, TenantId};
use npanel_sdk_types::{Account, CreateAccount, Event, Status};

const CALLERS: usize = 4;
const EACH: usize = 5;
const LIMIT: Duration = Duration::from_secs(90);

pub(crate) fn no_acknowledged_account_is_lost_or_doubled_when_the_leader_is_killed(world: &World) -> Result<()> {
    let platform = world.platform()?;
    let leader = world.leader()?;
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let mut events = world.client_that_asks(&leader)?.events(None, &["account.created".parse()?]);
    ensure!(matches!(world.block_on(events.next())?, Told::UpTo(_)), "there is something to tell already");
    let told = world.spawn(async move { tokio::time::timeout(LIMIT, follow(events)).await });
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| world.spawn(create(world.client.clone(), platform, caller, Arc::clone(&acknowledged))))
        .collect();
    until("some accounts", LIMIT, || Ok((acknowledged.load(Ordering::Relaxed) >= CALLERS).then_some(())))?;
    let before = acknowledged.load(Ordering::Relaxed);
    world.fleet.kill(&leader)?;
    ensure!(before < CALLERS * EACH, "all accounts were made before the leader could be killed");

    let mut made = Vec::new();
    for caller in callers {
        made.extend(world.block_on(caller)?.context("a caller was refused")?);
    }
    ensure!(made.len() == CALLERS * EACH, "only {} of {} were acknowledged", made.len(), CALLERS * EACH);
    for account in &made {
        converges(world, account)?;
    }
    none_twice(world, &made)?;
    let told = world.block_on(told)?.context("not all that was made was told in time")??;
    let ids: HashSet<String> = made.iter().map(|account| account.id.to_string()).collect();
    let told_ids: HashSet<String> = told.iter().map(|event| event.object_id.clone()).collect();
    ensure!(told_ids == ids && told.len() == ids.len(), "told {told:?}");
    ensure!(told.is_sorted_by_key(|event| event.index), "told in another order: {told:?}");
    Ok(())
}

/// Who listens at the leader, and goes on at another when it has died, is told of each account once.
async fn follow(mut events: Events) -> Result<Vec<Event>, Error> {
    let mut told = Vec::new();
    while told.len() < CALLERS * EACH {
        if let Told::Event(event) = events.next().await? {
            told.push(event);
        }
    }
    Ok(told)
}

async fn create(
    client: Client,
    (tenant_id, plan_id): (TenantId, PlanId),
    caller: usize,
    acknowledged: Arc<AtomicUsize>,
) -> Result<Vec<Account>, Error> {
    let mut made = Vec::new();
    for number in 0..EACH {
        let name = format!("crowd{caller}{number}");
        let account = CreateAccount {
            tenant_id,
            plan_id,
            username: name.parse().expect("a user name"),
            contact: None,
            domain: Some(format!("{name}.example").parse().expect("a domain")),
            document_root: None,
            create_zone: true,
            placement: None,
        };
        made.push(client.create::<Account>(&account, Wait::No).await?.object);
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
    Ok(made)
}

fn converges(world: &World, account: &Account) -> Result<()> {
    until(&format!("{} to converge", account.username), LIMIT, || {
        let now = world.block_on(world.client.get::<Account>(account.id))?;
        Ok((now.convergence.status == Status::Ready).then_some(()))
    })
}

/// Every user name, id and uid is there once, and no account exists that nobody asked for.
fn none_twice(world: &World, made: &[Account]) -> Result<()> {
    let all = world.block_on(world.client.list_all::<Account>(&[]))?;
    let crowd: Vec<_> = all.iter().filter(|account| account.username.as_str().starts_with("crowd")).collect();
    let names: HashSet<_> = crowd.iter().map(|account| account.username.as_str()).collect();
    let uids: HashSet<u32> = all.iter().map(|account| account.uid.into()).collect();
    ensure!(crowd.len() == made.len() && names.len() == made.len(), "{} accounts of {}", crowd.len(), made.len());
    ensure!(uids.len() == all.len(), "two accounts share a uid");
    Ok(())
}

/// After its death a write is accepted again, and meanwhile every visitor is served, no daemon of a node restarts and
/// no object leaves its state. How long writes wait is measured by `make bench`; here they only must not wait long.
pub(crate) fn nodes_do_not_notice_that_the_leader_dies(world: &World) -> Result<()> {
    let site = world.host("unmoved", "unmoved.example")?;
    let daemons = || -> Result<Vec<(String, i32)>> {
        let mut all = Vec::new();
        for node in ["n1", "n2"] {
            let of_node = world.fleet.processes(node)?;
            all.extend(of_node.into_iter().filter(|(name, _)| name.starts_with("npanel")));
        }
        all.sort();
        Ok(all)
    };
    let before = daemons()?;
    ensure!(before.len() >= 4, "an agent and an executor on each node: {before:?}");
    let leader = world.leader()?;
    world.fleet.kill(&leader)?;
    let killed = std::time::Instant::now();
    let (client, platform) = (world.client.clone(), world.platform()?);
    let writing = world.spawn(async move {
        let (tenant_id, plan_id) = platform;
        let account = CreateAccount {
            tenant_id,
            plan_id,
            username: "afterdeath".parse().expect("a user name"),
            contact: None,
            domain: None,
            document_root: None,
            create_zone: false,
            placement: None,
        };
        client.create::<Account>(&account, Wait::No).await.map(|_| killed.elapsed())
    });
    while !writing.is_finished() {
        let page = world.fetch(&site, "/")?;
        ensure!(page.status == 200, "the site answered {} while there was no leader", page.status);
        let pause = Duration::from_millis(50);
        world.block_on(async { tokio::time::sleep(pause).await });
    }
    let waited = world.block_on(writing)??;
    ensure!(waited < Duration::from_secs(15), "no write was accepted for {waited:?}");
    let account = world.block_on(world.client.get::<Account>(site.account.id))?;
    ensure!(account.convergence.status == Status::Ready, "the account is {:?}", account.convergence.status);
    ensure!(account.convergence.conditions.iter().all(|now| {
        site.account.convergence.conditions.iter().any(|then| then.since == now.since)
    }), "a condition has changed");
    ensure!(daemons()? == before, "a daemon was started again: {before:?}, now {:?}", daemons()?);
    Ok(())
}
