//! A test fleet does not outlive its test: a guard process waits on a pipe whose other end closes when the owner
//! ends, however it ends, and takes the fleet down.

use std::io::Read;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use crate::fleet::Fleet;
use crate::places::{Binaries, FleetName};

/// Takes the fleet of its name down when dropped, or when this process dies.
#[derive(Debug)]
pub struct Guard {
    child: Child,
}

impl Guard {
    /// Watches over the fleet of this name from now on; it need not be up yet.
    pub fn over(name: &FleetName) -> Result<Self> {
        let mut command = Command::new(Binaries::locate()?.path("npanel-fleet")?);
        command.args(["guard", name.as_str()]).stdin(Stdio::piped()).stdout(Stdio::null());
        Ok(Self { child: command.spawn().context("cannot start the fleet's guard")? })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It reports its own failure on standard error.
        let _ = self.child.wait();
    }
}

/// The guard's own life: waits for the end of standard input, then takes the fleet down.
pub fn watch(name: &FleetName) -> Result<()> {
    // An interrupt from the terminal is for the owner; this process outlives it to clean up.
    let _ = nix::unistd::setsid();
    std::io::stdin().read_to_end(&mut Vec::new()).context("the owner's pipe")?;
    Fleet::down(name)
}
