//! The demo's site: a tenant, a plan, an account, a domain, a database, a page, and the proof that they work.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{list, text};
use crate::fleet::Fleet;
use crate::timing::Timings;

const TENANT: &str = "demo-hosting";
const PLAN: &str = "starter";
const USERNAME: &str = "alice";
const DOMAIN: &str = "alice.example";
const DATABASE: &str = "shop";
const ROW: &str = "a row of the database, written by its own user";

/// An account and where it lives.
struct Home {
    uid: u32,
    node: String,
    address: String,
}

/// Makes what is not there yet, and shows that it answers.
pub(super) fn host(fleet: &Fleet, timings: &mut Timings) -> Result<()> {
    println!("\nA site");
    timings.measure("tenant and plan", || tenant_and_plan(fleet))?;
    let account = timings.measure("account with domain, converged", || account(fleet))?;
    let home = home(fleet, &account)?;
    println!("  account   {USERNAME}, uid {}, on {} ({})", home.uid, home.node, home.address);
    let database = format!("{USERNAME}_{DATABASE}");
    if timings
        .measure("database, converged", || make(fleet, &["database", "get", &database], &database_create()))?
        .1
    {
        let password = timings.measure("database user, converged", || database_user(fleet))?;
        timings.measure("page and row put in place", || fill(fleet, &home, &database, &password))?;
    }
    println!("  database  {database} on {}", home.node);
    let page = timings.measure("page over TLS", || page(fleet, &home))?;
    println!(
        "  page      https://{DOMAIN}/ answers\n            | {}",
        page.trim().replace('\n', "\n            | ")
    );
    timings.measure("A record from every name server", || address_record(fleet, &home))
}

fn database_create() -> [&'static str; 7] {
    ["database", "create", "--account", USERNAME, "--name", DATABASE, "--wait"]
}

/// The object that `get` finds, else what `create` makes; and whether it was made now.
fn make(fleet: &Fleet, get: &[&str], create: &[&str]) -> Result<(Value, bool)> {
    match fleet.npanel(get) {
        Ok(found) => Ok((found, false)),
        Err(_) => Ok((fleet.npanel(create)?, true)),
    }
}

fn tenant_and_plan(fleet: &Fleet) -> Result<()> {
    let (_, new) = make(fleet, &["tenant", "get", TENANT], &["tenant", "create", "--name", TENANT])?;
    let limits = ["--disk-mb", "10240", "--domains", "10", "--databases", "5"];
    let create: Vec<&str> =
        ["plan", "create", "--tenant", TENANT, "--name", PLAN].into_iter().chain(limits).collect();
    make(fleet, &["plan", "get", PLAN], &create)?;
    println!("  tenant    {TENANT}, plan {PLAN}{}", if new { "" } else { " (there already)" });
    Ok(())
}

fn account(fleet: &Fleet) -> Result<Value> {
    let of = ["account", "create", "--tenant", TENANT, "--plan", PLAN];
    let create: Vec<&str> =
        of.into_iter().chain(["--username", USERNAME, "--domain", DOMAIN, "--wait"]).collect();
    Ok(make(fleet, &["account", "get", USERNAME], &create)?.0)
}

fn home(fleet: &Fleet, account: &Value) -> Result<Home> {
    let uid =
        account["uid"].as_u64().and_then(|uid| u32::try_from(uid).ok()).context("the account has no uid")?;
    let parts = list(&account["assignments"])?;
    let web = parts.iter().find(|part| part["part"] == "web").context("the account's sites are nowhere")?;
    let node = fleet.npanel(&["node", "get", text(web, "node_id")?])?;
    Ok(Home { uid, node: text(&node, "name")?.to_owned(), address: text(&node, "address")?.to_owned() })
}

/// Makes the database's user; its password, which is shown only now.
fn database_user(fleet: &Fleet) -> Result<String> {
    let grant = format!("{USERNAME}_{DATABASE}=all");
    let of = ["database", "create-user", "--account", USERNAME, "--name", DATABASE];
    let create: Vec<&str> = of.into_iter().chain(["--grant", &grant, "--wait"]).collect();
    Ok(text(&fleet.npanel(&create)?, "password")?.to_owned())
}

/// Writes the page and its row as the account's own user, as the tenant would.
fn fill(fleet: &Fleet, home: &Home, database: &str, password: &str) -> Result<()> {
    let directory = format!("/home/{USERNAME}");
    let options = format!("{directory}/tmp/demo.cnf");
    let (node, uid) = (home.node.as_str(), home.uid);
    fleet.write_as(node, uid, &options, &format!("[client]\nuser={database}\npassword=\"{password}\"\n"))?;
    let statement = format!(
        "CREATE TABLE IF NOT EXISTS greeting (line VARCHAR(200) NOT NULL); INSERT INTO greeting VALUES ('{ROW}')"
    );
    let client =
        ["/usr/bin/mariadb", &format!("--defaults-extra-file={options}"), database, "--execute", &statement];
    fleet.exec_as(node, uid, client)?.ok().context("the database's user cannot write")?;
    fleet.exec_as(node, uid, ["/bin/rm", "--", &options])?.ok()?;
    let php = include_str!("page.php").replace("@DATABASE@", database).replace("@PASSWORD@", password);
    fleet.write_as(node, uid, &format!("{directory}/web/{DOMAIN}/index.php"), &php)
}

fn page(fleet: &Fleet, home: &Home) -> Result<String> {
    let resolve = format!("{DOMAIN}:443:{}", home.address);
    let url = format!("https://{DOMAIN}/");
    // The certificate is self-signed until a real authority signs it.
    let curl = ["--insecure", "--fail-with-body", "--silent", "--show-error", "--max-time", "10"];
    let page = fleet.hub("/usr/bin/curl", curl.iter().chain(&["--resolve", &resolve, &url]))?;
    ensure!(
        page.contains(&format!("as {USERNAME} (uid {})", home.uid)),
        "the page ran as someone else:\n{page}"
    );
    ensure!(page.contains(ROW), "the page shows no row of its database:\n{page}");
    Ok(page)
}

fn address_record(fleet: &Fleet, home: &Home) -> Result<()> {
    for server in list(&fleet.npanel(&["node", "list"])?)? {
        if list(&server["roles"])?.iter().any(|role| role == "dns") {
            let at = format!("@{}", text(server, "address")?);
            let query = ["+short", "+tries=1", "+time=2", &at, DOMAIN, "A"];
            let answer = fleet.hub("/usr/bin/dig", query)?;
            ensure!(answer.trim() == home.address, "{DOMAIN} is {answer:?} at {at}, not {}", home.address);
            println!("  DNS       {DOMAIN} A {} says {} ({at})", home.address, text(server, "name")?);
        }
    }
    Ok(())
}
