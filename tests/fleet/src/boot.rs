//! From nothing to a fleet whose controllers agree and whose nodes are ready.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use serde::{Deserialize, Serialize};

use crate::controller::FLEET_PORT;
use crate::fleet::Fleet;
use crate::run::finish;
use crate::spec::{Kind, Member};
use crate::timing::Timings;
use crate::wait::until;

const READY_LIMIT: Duration = Duration::from_secs(60);

/// What a client needs besides an address.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Access {
    pub(crate) cluster_id: String,
    pub(crate) api_key_file: PathBuf,
    pub(crate) recovery_key: String,
    pub(crate) ca_file: PathBuf,
}

/// What `npanel-controller init` prints.
#[derive(Deserialize)]
struct Initialised {
    cluster_id: String,
    api_key: String,
    recovery_key: Option<String>,
    ca_file: PathBuf,
}

/// Boots everything that the fleet's specification names. `prepare` is called when every member has its directory.
pub(crate) fn boot(fleet: &mut Fleet, prepare: impl FnOnce(&Fleet) -> Result<()>) -> Result<()> {
    let mut timings = std::mem::take(&mut fleet.timings);
    let outcome = boot_timed(fleet, prepare, &mut timings);
    fleet.timings = timings;
    outcome
}

fn boot_timed(
    fleet: &mut Fleet,
    prepare: impl FnOnce(&Fleet) -> Result<()>,
    timings: &mut Timings,
) -> Result<()> {
    timings.measure("network and directories", || fleet.create_ground())?;
    prepare(fleet)?;
    if fleet.of_kind(Kind::Controller).next().is_some() {
        fleet.access = Some(timings.measure("first controller answers", || first_controller(fleet))?);
    }
    let fleet = &*fleet;
    let (systems, others) = thread::scope(|scope| {
        let systems = scope.spawn(|| timed(|| each_node(fleet, boot_node)));
        let others = timed(|| other_controllers(fleet));
        (systems.join().map_err(|_| anyhow!("a node's boot panicked")), others)
    });
    let (systems, others) = (systems?, others);
    if fleet.of_kind(Kind::Controller).count() > 1 {
        timings.note("other controllers vote", others.0);
    }
    others.1?;
    timings.note("nodes boot (beside the controllers)", systems.0);
    systems.1?;
    if fleet.access.is_some() {
        timings.measure("nodes enrol", || enrol_nodes(fleet))?;
        timings.measure("nodes ready", || {
            until("every node to be ready", READY_LIMIT, || ready(nodes_ready(fleet)?))
        })?;
    }
    Ok(())
}

fn timed<T>(step: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let value = step();
    (start.elapsed(), value)
}

/// Does `step` for all nodes at once; the first failure in the order of the nodes is the answer.
fn each_node(fleet: &Fleet, step: impl Fn(&Fleet, &Member) -> Result<()> + Sync) -> Result<()> {
    thread::scope(|scope| {
        let threads: Vec<_> =
            fleet.of_kind(Kind::Node).map(|node| scope.spawn(|| step(fleet, node))).collect();
        let outcomes =
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("a panic"))));
        outcomes.collect()
    })
}

fn first_controller(fleet: &Fleet) -> Result<Access> {
    let member = fleet.of_kind(Kind::Controller).next().context("no controller")?;
    let controller = fleet.controller(member);
    controller.install()?;
    let printed = controller.init()?;
    let made: Initialised =
        serde_json::from_str(&printed).context("the answer of `npanel-controller init`")?;
    let api_key_file = fleet.disk()?.join("admin.key");
    fs::write(&api_key_file, &made.api_key).context("the administrator's key")?;
    fs::set_permissions(&api_key_file, fs::Permissions::from_mode(0o600))?;
    controller.start()?;
    wait_until_ready(fleet, member)?;
    let Initialised { cluster_id, recovery_key, ca_file, .. } = made;
    Ok(Access { cluster_id, api_key_file, recovery_key: recovery_key.unwrap_or_default(), ca_file })
}

fn wait_until_ready(fleet: &Fleet, member: &Member) -> Result<()> {
    let url = format!("http://{}:9470/readyz", member.address);
    until(&format!("{} to be ready", member.name), READY_LIMIT, || {
        ensure!(fleet.is_up(&member.name)?, "its process has ended");
        fleet.hub("/usr/bin/curl", ["--fail", "--silent", "--show-error", "--max-time", "2", &url]).map(Some)
    })
    .map(drop)
}

fn other_controllers(fleet: &Fleet) -> Result<()> {
    let mut controllers = fleet.of_kind(Kind::Controller);
    let Some(first) = controllers.next() else { return Ok(()) };
    let others: Vec<&Member> = controllers.collect();
    if others.is_empty() {
        return Ok(());
    }
    let token = token(fleet, "controller", others.len())?;
    let met_at = format!("{}:{FLEET_PORT}", first.address);
    for member in others {
        let controller = fleet.controller(member);
        controller.install()?;
        controller.join(&met_at, &token)?;
        controller.start()?;
        wait_until_ready(fleet, member)?;
    }
    until("every controller to vote", READY_LIMIT, || ready(controllers_vote(fleet)?))
}

/// Makes a controller's machine, whose daemon is down, a new controller of the cluster, by way of another.
pub(crate) fn join_anew(fleet: &Fleet, member: &Member, by: &Member) -> Result<()> {
    // First: the CA that the command line trusts may be in what is removed.
    join_with(fleet, member, by, &token(fleet, "controller", 1)?)
}

/// The same with a token that is there.
pub(crate) fn join_with(fleet: &Fleet, member: &Member, by: &Member, token: &str) -> Result<()> {
    let controller = fleet.controller(member);
    controller.clear_data()?;
    controller.install()?;
    controller.join(&format!("{}:{FLEET_PORT}", by.address), token)?;
    controller.start()
}

fn ready(yes: bool) -> Result<Option<()>> {
    Ok(yes.then_some(()))
}

/// Whether all controllers of the fleet are voters.
pub(crate) fn controllers_vote(fleet: &Fleet) -> Result<bool> {
    let status = fleet.npanel(&["cluster", "status"])?;
    let known = status["controllers"].as_array().context("the answer names no controllers")?;
    let voters =
        known.iter().filter(|one| ["leader", "voter"].iter().any(|role| one["role"] == *role)).count();
    Ok(voters == fleet.of_kind(Kind::Controller).count())
}

fn token(fleet: &Fleet, role: &str, uses: usize) -> Result<String> {
    let uses = uses.to_string();
    let made = fleet.npanel(&["token", "create", "--role", role, "--uses", &uses, "--ttl", "15m"])?;
    Ok(made["token"].as_str().context("the answer has no token")?.to_owned())
}

fn boot_node(fleet: &Fleet, member: &Member) -> Result<()> {
    let node = fleet.node(member);
    node.install(&configuration(fleet, member))?;
    node.start()
}

fn configuration(fleet: &Fleet, member: &Member) -> String {
    let (name, address) = (&member.name, member.address);
    let controllers: Vec<String> = fleet
        .of_kind(Kind::Controller)
        .map(|controller| format!("\"{}:{FLEET_PORT}\"", controller.address))
        .collect();
    format!(
        "data_directory = \"/var/lib/npanel\"\nname = \"{name}\"\naddress = \"{address}\"\n\
         controllers = [{}]\nroles = [\"web\", \"database\", \"dns\"]\n\n\
         [telemetry]\nlisten = \"{address}:9471\"\n",
        controllers.join(", ")
    )
}

fn enrol_nodes(fleet: &Fleet) -> Result<()> {
    let nodes = fleet.of_kind(Kind::Node).count();
    if nodes == 0 {
        return Ok(());
    }
    let token = token(fleet, "node", nodes)?;
    each_node(fleet, |fleet, node| {
        // As the agent's unit runs it, so that the key belongs to the agent.
        let mut enroll = fleet.node_command(&node.name)?;
        enroll.args([
            "/usr/bin/systemd-run",
            "--quiet",
            "--wait",
            "--pipe",
            "--collect",
            "--property=User=npanel",
        ]);
        enroll.args(["--property=StateDirectory=npanel", "--property=StateDirectoryMode=0700"]);
        enroll.env("NPANEL_TOKEN", &token).args(["--setenv=NPANEL_TOKEN", "--"]);
        enroll.args([
            "/usr/bin/npanel-node",
            "enroll",
            "--config",
            "/etc/npanel/node.toml",
            "--token",
            &token,
        ]);
        finish(&mut enroll, READY_LIMIT)?
            .ok()
            .with_context(|| format!("npanel-node enroll on {}", node.name))?;
        let units = ["npanel-executor.service", "npanel-node.service"];
        fleet
            .exec(&node.name, ["/usr/bin/systemctl", "enable", "--quiet", "--now"].iter().chain(&units))
            .map(drop)
    })
}

/// Whether all nodes of the fleet are connected.
pub(crate) fn nodes_ready(fleet: &Fleet) -> Result<bool> {
    let listed = fleet.npanel(&["node", "list"])?;
    let nodes = listed["items"].as_array().or(listed.as_array()).context("the answer is no list")?;
    let ready = nodes.iter().filter(|node| node["status"] == "ready").count();
    Ok(ready == fleet.of_kind(Kind::Node).count())
}
