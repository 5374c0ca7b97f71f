//! `npanel-fleet`: fleets of real nodes on this machine, for tests, the demo and development.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use npanel_fleet::{Enter, Fleet, FleetName, FleetSpec, Image, demo, enter_and_exec, forward, watch};

/// Fleets of real nodes on this machine, for tests, the demo and development. Needs root.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Build the node image if it is not in the cache, and print its path.
    Image,
    /// Show the whole way of a site on a fleet that stays up (`make demo`).
    Demo,
    /// Boot a fleet and leave it running.
    Up {
        name: FleetName,
        #[arg(long, default_value_t = 3)]
        controllers: u8,
        #[arg(long, default_value_t = 2)]
        nodes: u8,
    },
    /// Kill and remove a fleet, also one that died half-way.
    Down { name: FleetName },
    /// Say who is up.
    Status { name: FleetName },
    /// SIGKILL to everything of a member.
    Kill { name: FleetName, member: String },
    /// Let a member stand still.
    Pause { name: FleetName, member: String },
    /// Let it go on.
    Resume { name: FleetName, member: String },
    /// End a member cleanly.
    Stop { name: FleetName, member: String },
    /// Start a member that is down.
    Start { name: FleetName, member: String },
    /// Stop and start a member.
    Restart { name: FleetName, member: String },
    /// Cut a member off from everyone, or from the named peers only.
    Cut { name: FleetName, member: String, peers: Vec<String> },
    /// Let nothing of a member reach another, but all of the other's reach it.
    CutOneWay { name: FleetName, from: String, to: String },
    /// Move the wall clock of a controller that was started with a movable one: seconds ahead of the machine's.
    SetClock {
        name: FleetName,
        member: String,
        #[arg(allow_hyphen_values = true)]
        seconds: i64,
    },
    /// End every cut.
    Heal { name: FleetName },
    /// Run a command as root inside a node.
    Exec {
        name: FleetName,
        node: String,
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Run a command in the fleet's hub, from which all members are reached.
    Hub {
        name: FleetName,
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Copy all logs into a directory.
    Logs { name: FleetName, directory: PathBuf },
    /// A single node without controllers, to try things in.
    #[command(subcommand)]
    Node(Scratch),
    #[command(hide = true)]
    Launch(Enter),
    #[command(hide = true)]
    Guard { name: FleetName },
    #[command(hide = true)]
    Forward { name: FleetName },
}

#[derive(Subcommand)]
enum Scratch {
    /// Boot it.
    Up { name: FleetName },
    /// Run a command as root inside it.
    Exec {
        name: FleetName,
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Kill and remove it.
    Down { name: FleetName },
}

fn main() -> ExitCode {
    match run(Arguments::parse().action) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("npanel-fleet: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(action: Action) -> Result<ExitCode> {
    match action {
        Action::Image => println!("{}", Image::ensure()?.path().display()),
        Action::Demo => demo()?,
        Action::Up { name, controllers, nodes } => {
            print!("{}", Fleet::boot(FleetSpec { name, controllers, nodes })?.timings());
        }
        Action::Down { name } => Fleet::down(&name)?,
        Action::Status { name } => status(&Fleet::open(&name)?)?,
        Action::Kill { name, member } => Fleet::open(&name)?.kill(&member)?,
        Action::Pause { name, member } => Fleet::open(&name)?.pause(&member)?,
        Action::Resume { name, member } => Fleet::open(&name)?.resume(&member)?,
        Action::Stop { name, member } => Fleet::open(&name)?.stop(&member)?,
        Action::Start { name, member } => Fleet::open(&name)?.start(&member)?,
        Action::Restart { name, member } => Fleet::open(&name)?.restart(&member)?,
        Action::Cut { name, member, peers } if peers.is_empty() => Fleet::open(&name)?.cut(&member)?,
        Action::Cut { name, member, peers } => {
            let peers: Vec<&str> = peers.iter().map(String::as_str).collect();
            Fleet::open(&name)?.cut_from(&member, &peers)?;
        }
        Action::CutOneWay { name, from, to } => Fleet::open(&name)?.cut_one_way(&from, &to)?,
        Action::SetClock { name, member, seconds } => Fleet::open(&name)?.set_clock(&member, seconds)?,
        Action::Heal { name } => Fleet::open(&name)?.heal()?,
        Action::Exec { name, node, command } => return exec(&Fleet::open(&name)?, &node, &command),
        Action::Hub { name, command } => {
            let mut hub = Fleet::open(&name)?.hub_command(&command[0]);
            return follow(hub.args(&command[1..]));
        }
        Action::Logs { name, directory } => Fleet::open(&name)?.collect_logs(&directory)?,
        Action::Node(scratch) => return run_scratch(scratch),
        Action::Launch(enter) => match enter_and_exec(&enter)? {},
        Action::Guard { name } => watch(&name)?,
        Action::Forward { name } => forward(&name)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A scratch node is the only member of a fleet of its name.
fn run_scratch(scratch: Scratch) -> Result<ExitCode> {
    match scratch {
        Scratch::Up { name } => {
            let fleet = Fleet::boot(FleetSpec { name, controllers: 0, nodes: 1 })?;
            println!("n1 is up; its files are at {}", fleet.node_path("n1", "/")?.display());
        }
        Scratch::Exec { name, command } => return exec(&Fleet::open(&name)?, "n1", &command),
        Scratch::Down { name } => Fleet::down(&name)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn exec(fleet: &Fleet, node: &str, command: &[String]) -> Result<ExitCode> {
    follow(fleet.node_command(node)?.args(command))
}

/// Runs a command on this process's own standard streams and passes its exit code on.
fn follow(command: &mut std::process::Command) -> Result<ExitCode> {
    let status = command.stdin(std::process::Stdio::inherit()).status()?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

fn status(fleet: &Fleet) -> Result<()> {
    for member in fleet.members() {
        let state = match (fleet.is_up(&member.name)?, fleet.is_paused(&member.name)?) {
            (_, true) => "paused",
            (true, false) => "up",
            (false, false) => "down",
        };
        println!("{:<4} {:<12} {state}", member.name, member.address);
    }
    Ok(())
}
