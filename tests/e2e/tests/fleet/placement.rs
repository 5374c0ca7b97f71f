//! Where accounts go, and who is told why.

use anyhow::{Context, Result, ensure};
use npanel_client::Wait;
use npanel_e2e::World;
use npanel_model::{ActionPattern, NodeId, Part};
use npanel_sdk_types::{Account, ApiKey, CreateApiKey, Node, PlacementWish, UpdateNode};
use serde_json::json;

fn schedulable(world: &World, id: NodeId, schedulable: bool) -> Result<()> {
    let change = UpdateNode { schedulable: Some(schedulable), ..UpdateNode::default() };
    world.block_on(world.client.update::<Node>(id, &change, Wait::No))?;
    Ok(())
}

fn web_node(account: &Account) -> Option<NodeId> {
    account.assignments.iter().find(|on| on.part == Part::Web).map(|on| on.node_id)
}

pub(crate) fn a_cordoned_node_gets_nothing_new_and_says_so(world: &World) -> Result<()> {
    let (first, second) = (world.node("n1")?, world.node("n2")?);
    schedulable(world, first.id, false)?;
    for number in 0..3 {
        let site = world.host(&format!("cordon{number}"), &format!("cordon{number}.example"))?;
        ensure!(web_node(&site.account) == Some(second.id), "it went to the cordoned node");
    }
    let (tenant, plan) = world.platform()?;
    let report = world.block_on(world.client.explain_placement(tenant, plan, &PlacementWish::default()))?;
    let said = report.parts[0].nodes.iter().find(|verdict| verdict.node_id == first.id).context("no verdict")?;
    ensure!(said.reason.contains("cordoned"), "{said:?}");
    schedulable(world, first.id, true)?;
    let health = world.block_on(world.client.node_status(first.id))?;
    ensure!(health.online == Some(true) && health.node.limits.disk_mb.0 > 0, "{health:?}");
    let only_there = PlacementWish { node_id: Some(first.id), ..PlacementWish::default() };
    let report = world.block_on(world.client.explain_placement(tenant, plan, &only_there))?;
    ensure!(report.parts[0].chosen == Some(first.id), "it is open again: {report:?}");
    Ok(())
}

pub(crate) fn a_tenant_sees_of_a_placement_only_where_its_own_accounts_are(world: &World) -> Result<()> {
    let tenant = world.tenant("onlooker")?;
    let plan = world.plan(tenant, "onlooker")?;
    let key = CreateApiKey {
        tenant_id: Some(tenant),
        name: "onlooker".parse()?,
        actions: vec![ActionPattern::everything()],
        role: None,
        accounts: Vec::new(),
        networks: Vec::new(),
        expires_at: None,
    };
    let key = world.create::<ApiKey>(&key)?.key.context("no key was shown")?.expose().to_owned();
    let body = json!({"tenant_id": tenant, "plan_id": plan, "username": "onlooker", "create_zone": false}).to_string();
    let made = world.raw("c1", "POST", "/v1/accounts", Some(&key), Some(&body))?;
    ensure!(made.status == 201, "{made:?}");
    let web = &made.body["placement"]["parts"][0];
    ensure!(web["nodes"] == json!([]), "{web}");
    ensure!(web["chosen"] == made.body["assignments"][0]["node_id"] && web["chosen"].is_string(), "{web}");
    let named = json!({"tenant_id": tenant, "plan_id": plan, "username": "onlooker2", "placement": {"pool": "default"}});
    let refused = world.raw("c1", "POST", "/v1/accounts", Some(&key), Some(&named.to_string()))?;
    ensure!((refused.status, refused.code()) == (403, "forbidden"), "{refused:?}");
    Ok(())
}
