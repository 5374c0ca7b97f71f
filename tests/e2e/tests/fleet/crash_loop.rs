//! An account whose PHP kills its own process manager as often as it can.

use std::time::Duration;

use anyhow::{Result, ensure};
use npanel_e2e::{Site, World};
use npanel_fleet::until;

use crate::neighbours::{Pair, pair};

const LIMIT: Duration = Duration::from_secs(60);
/// The process manager runs as the account: it may do this.
const KILLS_ITSELF: &str = "<?php echo posix_kill(posix_getppid(), 9) ? 'killed' : 'denied';";

fn answers(world: &World, site: &Site, expected: &str) -> Result<bool> {
    let page = world.fetch(site, "/")?;
    Ok(page.status == 200 && page.body == expected)
}

/// Whether systemd has stopped listening for the account.
fn has_tripped(world: &World, site: &Site) -> Result<bool> {
    let unit = format!("npanel-php{:02}@{}.socket", site.uid() % 100, site.uid());
    let said = world.fleet.exec_any(&site.node, ["/usr/bin/systemctl", "is-failed", &unit])?.stdout;
    Ok(said.trim() == "failed")
}

pub(crate) fn a_crash_loop_harms_only_its_own_site_which_comes_back(world: &World) -> Result<()> {
    let Pair { a, b, .. } = pair(world, "crash")?;
    a.put(world, "index.php", "<?php echo 'a answers';")?;
    a.put(world, "kill.php", KILLS_ITSELF)?;
    ensure!(answers(world, &a, "a answers")?, "it does not answer before");

    let (mut killed, mut harmed) = (0, false);
    until("systemd to give it up", LIMIT, || {
        killed += usize::from(world.fetch(&a, "/kill.php").is_ok_and(|page| page.body == "killed"));
        harmed = harmed || !answers(world, &b, "b answers").unwrap_or(false);
        Ok((harmed || has_tripped(world, &a)?).then_some(()))
    })?;
    ensure!(!harmed, "the neighbour does not answer while a crashes");
    ensure!(killed > 1, "PHP of a was not killed again and again but {killed} times");
    ensure!(answers(world, &b, "b answers")?, "the neighbour does not answer after");
    until("the own site to come back by itself", LIMIT, || Ok(answers(world, &a, "a answers")?.then_some(())))
}
