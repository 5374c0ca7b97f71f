//! The way from this machine into a demo fleet: connections to a port of the host's loopback are carried to the API
//! of the first controller that answers.
//!
//! The listening socket is made in the host's network namespace and handed over as standard input; the process
//! then moves to the hub, from which it dials. No route joins the two.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::controller::API_PORT;
use crate::fleet::Fleet;
use crate::launch::{Launch, reap};
use crate::places::FleetName;
use crate::spec::Kind;

const DIAL_LIMIT: Duration = Duration::from_secs(1);

/// Starts the forwarder of a fleet on a port of the loopback; it ends with the fleet.
pub(crate) fn start(fleet: &Fleet, port: u16) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).with_context(|| {
        format!("port {port} of this machine's loopback is taken: set NPANEL_DEMO_PORT to another")
    })?;
    let cgroup = fleet.side_cgroup("forward");
    cgroup.create()?;
    let log = fleet.disk()?.join("forward.log");
    let launch = Launch { binaries: fleet.binaries(), cgroup: &cgroup, netns: None, log: &log };
    let mut command = launch.command()?;
    command.arg(fleet.binaries().path("npanel-fleet")?).args(["forward", fleet.name().as_str()]);
    command.stdin(Stdio::from(OwnedFd::from(listener)));
    reap(command.spawn().context("cannot start the forwarder")?);
    Ok(())
}

/// The forwarder's own life: standard input is the listening socket.
pub fn forward(name: &FleetName) -> Result<()> {
    let listener =
        TcpListener::from(io::stdin().as_fd().try_clone_to_owned().context("no listening socket")?);
    let fleet = Fleet::open(name)?;
    let controllers: Vec<SocketAddr> =
        fleet.of_kind(Kind::Controller).map(|member| SocketAddr::from((member.address, API_PORT))).collect();
    fleet.enter_hub()?;
    for client in listener.incoming() {
        let (client, controllers) = (client.context("accept")?, controllers.clone());
        thread::spawn(move || {
            if let Err(error) = carry(&client, &controllers) {
                eprintln!("{error:#}");
            }
        });
    }
    Ok(())
}

fn carry(client: &TcpStream, controllers: &[SocketAddr]) -> Result<()> {
    let mut dialled =
        controllers.iter().filter_map(|address| TcpStream::connect_timeout(address, DIAL_LIMIT).ok());
    let server = dialled.next().context("no controller answers")?;
    thread::scope(|scope| {
        scope.spawn(|| pour(client, &server));
        pour(&server, client);
    });
    Ok(())
}

/// Copies until the source ends, then tells the other side; a broken connection is an end like any other.
fn pour(mut from: &TcpStream, mut to: &TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
