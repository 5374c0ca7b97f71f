//! Limits hold when every controller is asked at once.

use std::sync::Mutex;

use anyhow::{Context, Result, ensure};
use npanel_client::Wait;
use npanel_e2e::World;
use npanel_model::Limit;
use npanel_sdk_types::{Account, CreateTenant, Tenant};
use serde_json::json;

const LIMIT: u64 = 1;
const ASKED: usize = 100;

pub(crate) fn a_tenants_quota_is_not_passed_by_asking_three_controllers_at_once(world: &World) -> Result<()> {
    let tenant =
        CreateTenant { account_limit: Limit::AtMost(LIMIT), ..CreateTenant::new("quota".parse()?) };
    let tenant = world.create::<Tenant>(&tenant)?.id;
    let plan = world.plan(tenant, "quota-plan")?;
    let key = world.administrator_key()?;
    let answers = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for number in 0..ASKED {
            let (key, answers) = (&key, &answers);
            scope.spawn(move || {
                let controller = ["c1", "c2", "c3"][number % 3];
                let body = json!({"tenant_id": tenant, "plan_id": plan, "username": format!("quota{number}")});
                let answer = world.raw(controller, "POST", "/v1/accounts", Some(key), Some(&body.to_string()));
                answers.lock().expect("no panic while it was locked").push(answer);
            });
        }
    });
    let answers = answers.into_inner().expect("no panic while it was locked");
    let answers = answers.into_iter().collect::<Result<Vec<_>>>().context("a controller did not answer")?;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    let refused = answers.iter().filter(|answer| answer.status == 409 && answer.code() == "limit_reached").count();
    ensure!((made as u64, refused) == (LIMIT, ASKED - made), "{answers:?}");
    let filter = [("tenant_id", tenant.to_string())];
    let there = world.block_on(world.client.list_all::<Account>(&filter))?.len();
    ensure!(there as u64 == LIMIT, "there are {there} accounts");
    let one_more = npanel_sdk_types::CreateAccount {
        tenant_id: tenant,
        plan_id: plan,
        username: "quotamore".parse()?,
        contact: None,
        domain: None,
        document_root: None,
        create_zone: true,
        placement: None,
    };
    ensure!(world.block_on(world.client.create::<Account>(&one_more, Wait::No)).is_err(), "one more was made");
    Ok(())
}

/// A node proves who it is to controllers on the fleet's port; on the API its certificate is worth nothing.
pub(crate) fn a_nodes_certificate_opens_no_route_of_the_api(world: &World) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mut options = Vec::new();
    for (option, file) in [("--cert", "identity.pem"), ("--key", "identity.pem")] {
        let pem = world.fleet.exec("n1", ["/usr/bin/cat", &format!("/var/lib/npanel/identity/{file}")])?;
        let path = directory.path().join(file);
        std::fs::write(&path, pem)?;
        options.extend([option.to_owned(), path.to_string_lossy().into_owned()]);
    }
    let ca = world.fleet.ca_file()?.to_string_lossy().into_owned();
    for path in ["/v1/accounts", "/v1/nodes", "/v1/cluster"] {
        let url = format!("{}{path}", world.fleet.api_url("c1")?);
        let mut arguments = options.clone();
        arguments.extend(["--silent", "--show-error", "--max-time", "30", "--write-out", "\n%{http_code}"].map(str::to_owned));
        arguments.extend(["--cacert".to_owned(), ca.clone(), "--".to_owned(), url]);
        let said = world.fleet.hub("/usr/bin/curl", arguments)?;
        ensure!(said.ends_with("\n401") && said.contains("unauthenticated"), "{path}: {said}");
    }
    Ok(())
}
