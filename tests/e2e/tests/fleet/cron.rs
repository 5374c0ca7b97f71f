//! Scheduled jobs run as their account, behind its walls, and rest or go with it.

use anyhow::{Context, Result, ensure};
use npanel_client::Wait;
use npanel_e2e::{Site, World};
use npanel_fleet::until;
use npanel_sdk_types::{Account, CronJob, CronTable, SetCronJobs, Suspend};

const SYSTEMCTL: &str = "/usr/bin/systemctl";

pub(crate) fn set(world: &World, site: &Site, jobs: &[(&str, &str)]) -> Result<CronTable> {
    let job = |(schedule, command): &(&str, &str)| -> Result<CronJob> {
        Ok(CronJob { schedule: schedule.parse()?, command: command.parse()? })
    };
    let body = SetCronJobs { jobs: jobs.iter().map(job).collect::<Result<_>>()? };
    let set = world.client.set_cron_jobs(site.account.id, &body, Wait::Converged(World::PATIENCE));
    let written = world.block_on(set)?;
    ensure!(!written.timed_out, "the jobs did not converge: {:?}", written.object.convergence);
    Ok(written.object)
}

/// The timers of the account that wait for their time.
pub(crate) fn timers(world: &World, site: &Site) -> Result<Vec<String>> {
    let pattern = format!("npanel-cron-{}-*.timer", site.uid());
    let argv = [SYSTEMCTL, "list-units", "--plain", "--no-legend", "--state=active", &pattern];
    let listed = world.fleet.exec(&site.node, argv)?;
    Ok(listed.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
}

fn calendar(world: &World, site: &Site, timer: &str) -> Result<String> {
    world.fleet.exec(&site.node, [SYSTEMCTL, "show", "--property=TimersCalendar", timer])
}

pub(crate) fn scheduled_jobs_run_as_their_account_and_rest_with_it(world: &World) -> Result<()> {
    let site = world.host("clockwork", "clockwork.example")?;
    let neighbour = world.host("sundial", "sundial.example")?;
    neighbour.put(world, "secret", "the neighbour's")?;
    let look = "(id -u; ls /home; cat /home/sundial/web/sundial.example/secret; echo \"$HOME\") > tmp/out 2>&1; \
                tar czf ~/kept.tgz ~/web/clockwork.example && tar tzf ~/kept.tgz > ~/names; id -un >> names";
    set(world, &site, &[("*/7 3 * * *", look), ("0 0 13 * fri", "exit 3")])?;

    let waiting = timers(world, &site)?;
    ensure!(waiting.len() == 2, "{waiting:?}");
    let calendars: Vec<String> =
        waiting.iter().map(|timer| calendar(world, &site, timer)).collect::<Result<_>>()?;
    let both_days = |text: &String| text.contains("*-*-13 00:00:00") && text.contains("Fri *-*-* 00:00:00");
    ensure!(calendars.iter().any(both_days), "{calendars:?}");
    let often = calendars.iter().position(|text| text.contains("*-*-* 03:00,07,14"));
    let timer = &waiting[often.with_context(|| format!("{calendars:?}"))?];

    // Its hour need not come: what the timer starts is started.
    world.fleet.exec(&site.node, [SYSTEMCTL, "start", &timer.replace(".timer", ".service")])?;
    let said = world.fleet.exec(&site.node, ["/bin/cat", "/home/clockwork/tmp/out"])?;
    let lines: Vec<&str> = said.lines().collect();
    ensure!(lines.first() == Some(&site.uid().to_string().as_str()), "{said}");
    ensure!(lines.contains(&"clockwork") && !lines.contains(&"sundial"), "a neighbour's home is seen: {said}");
    ensure!(!said.contains("the neighbour's"), "a neighbour's file was read");
    ensure!(lines.last() == Some(&"/home/clockwork/private"), "{said}");
    let names = world.fleet.exec(&site.node, ["/bin/cat", "/home/clockwork/private/names"])?;
    ensure!(names.contains("clockwork.example/index.php"), "a job cannot pack its sites into its home: {names}");
    ensure!(names.lines().last() == Some("clockwork"), "a job does not know its own name: {names}");

    // Whoever has systemd read its units has it want these timers from then on.
    world.fleet.exec(&site.node, [SYSTEMCTL, "daemon-reload"])?;
    let why = Suspend { reason: "unpaid".to_owned(), kind: None };
    let wait = Wait::Converged(World::PATIENCE);
    world.block_on(world.client.suspend::<Account>(site.account.id, &why, wait))?;
    ensure!(timers(world, &site)?.is_empty(), "jobs of a suspended account wait for their time");
    world.shell(&site.node, "systemctl stop npanel-cron.target && systemctl restart npanel-node")?;
    until("the schedules to be looked after again", World::PATIENCE, || {
        let is_active = [SYSTEMCTL, "is-active", "npanel-cron.target"];
        Ok(world.fleet.exec_any(&site.node, is_active)?.status.success().then_some(()))
    })?;
    ensure!(timers(world, &site)?.is_empty(), "jobs of a suspended account came back with the others");
    world.block_on(world.client.unsuspend::<Account>(site.account.id, wait))?;
    ensure!(timers(world, &site)? == waiting, "{:?} are not {waiting:?}", timers(world, &site)?);

    // A job whose command was removed by hand goes like any other.
    let commands = format!("/srv/npanel/cron/{}", site.uid());
    world.fleet.exec(&site.node, ["/usr/bin/find", &commands, "-type", "f", "-delete"])?;
    set(world, &site, &[("0 0 13 * fri", "exit 3")])?;
    ensure!(timers(world, &site)?.len() == 1 && waiting.contains(&timers(world, &site)?[0]));
    world.block_on(world.client.delete::<Account>(site.account.id, wait))?;
    ensure!(timers(world, &site)?.is_empty(), "jobs of a removed account wait for their time");
    let left = ["/usr/bin/find", "/etc/systemd/system", "/srv/npanel/cron", "-name", &format!("*{}*", site.uid())];
    let left = world.fleet.exec(&site.node, left)?;
    ensure!(left.is_empty(), "a removed account left {left}");
    Ok(())
}

pub(crate) fn an_account_suspended_while_its_jobs_change_has_no_timers_running(world: &World) -> Result<()> {
    let site = world.host("hourglass", "hourglass.example")?;
    let wait = Wait::Converged(World::PATIENCE);
    for round in 0..5 {
        let jobs: Vec<(String, String)> =
            (0..=round).map(|job| (format!("{job} 3 * * *"), format!("true {round}"))).collect();
        let jobs: Vec<(&str, &str)> = jobs.iter().map(|(at, what)| (at.as_str(), what.as_str())).collect();
        let why = Suspend { reason: "unpaid".to_owned(), kind: None };
        std::thread::scope(|threads| {
            let setting = threads.spawn(|| set(world, &site, &jobs));
            world.block_on(world.client.suspend::<Account>(site.account.id, &why, wait))?;
            setting.join().expect("no panic").map(drop)
        })?;
        let running = timers(world, &site)?;
        ensure!(running.is_empty(), "round {round}: {running:?}");
        world.block_on(world.client.unsuspend::<Account>(site.account.id, wait))?;
        let running = timers(world, &site)?;
        ensure!(running.len() == jobs.len(), "round {round}: {running:?}");
    }
    Ok(())
}
