//! What is changed by hand on a node.

use std::time::Duration;

use anyhow::{Result, ensure};
use npanel_e2e::{Site, World};
use npanel_fleet::until;
use npanel_sdk_types::NodeEvent;

/// Within it, everything is to be as it should be again.
const LIMIT: Duration = Duration::from_secs(60);
/// Longer than it takes to look at everything twice.
const TWO_SWEEPS: Duration = Duration::from_secs(55);

/// Something that is touched, and how to see that it was put right. `U` is the account's uid, `N` its name,
/// `D` its domain, `P` the last two digits of the uid.
struct Case {
    touch: &'static str,
    is_right: &'static str,
    /// In one of the events' differences.
    told: &'static str,
}

/// All at once: each is another object's, or another thing of the same.
const CASES: &[Case] = &[
    Case {
        touch: "echo '; by hand' >> /srv/npanel/php/U/fpm.conf",
        is_right: "! grep -q 'by hand' /srv/npanel/php/U/fpm.conf",
        told: "/srv/npanel/php/U/fpm.conf",
    },
    Case {
        touch: "rm /etc/userdb/N.user",
        is_right: "test \"$(id -u N)\" = U",
        told: "/etc/userdb/N.user",
    },
    Case {
        touch: "systemctl stop npanel-phpP@U.socket",
        is_right: "systemctl is-active npanel-phpP@U.socket",
        told: "npanel-phpP@U.socket",
    },
    Case {
        touch: "chmod 0666 /srv/npanel/sites/D/tls.pem",
        is_right: "test $(stat -c %a /srv/npanel/sites/D/tls.pem) = 640",
        told: "/srv/npanel/sites/D/tls.pem",
    },
    Case {
        touch: "rm /srv/npanel/sites/D/docroot",
        is_right: "test -d /srv/npanel/sites/D/docroot/",
        told: "/srv/npanel/sites/D/docroot",
    },
    Case {
        touch: "mysql -e 'DROP DATABASE N_shop'",
        is_right: "mysql -e 'USE N_shop'",
        told: "database N_shop",
    },
    Case {
        touch: "mysql -e 'REVOKE ALL PRIVILEGES, GRANT OPTION FROM N_shop@localhost'",
        is_right: "mysql -Ne 'SHOW GRANTS FOR N_shop@localhost' | grep -q 'ALL PRIVILEGES'",
        told: "database user N_shop",
    },
];

/// What all sites, databases and zones of a node share.
const SHARED: &[Case] = &[
    Case { touch: "systemctl stop nginx", is_right: "systemctl is-active nginx", told: "nginx.service" },
    Case { touch: "systemctl stop mariadb", is_right: "systemctl is-active mariadb", told: "mariadb.service" },
    Case { touch: "systemctl stop pdns", is_right: "systemctl is-active pdns", told: "pdns.service" },
    Case {
        touch: "nft flush table inet npanel",
        is_right: "nft list table inet npanel | grep -q skuid",
        told: "the packet filter's table",
    },
    Case {
        touch: "echo '# by hand' >> /etc/nginx/npanel.conf",
        is_right: "! grep -q 'by hand' /etc/nginx/npanel.conf",
        told: "/etc/nginx/npanel.conf",
    },
];

fn of(site: &Site, text: &str) -> String {
    let (uid, name) = (site.uid(), site.account.username.as_str());
    text.replace("npanel-phpP", &format!("npanel-php{:02}", uid % 100))
        .replace("@U", &format!("@{uid}"))
        .replace("/U", &format!("/{uid}"))
        .replace("= U", &format!("= {uid}"))
        .replace("/N", &format!("/{name}"))
        .replace(" N", &format!(" {name}"))
        .replace("/D", &format!("/{}", site.domain))
}

fn shell(world: &World, site: &Site, line: &str) -> Result<bool> {
    let said = world.fleet.exec_any(&site.node, ["/bin/sh", "-c", &of(site, line)])?;
    Ok(said.status.success())
}

/// Touches everything, and waits until all of it is right again and told.
fn try_all(world: &World, site: &Site, cases: &[Case], filter: &[(&str, String)]) -> Result<()> {
    for case in cases {
        ensure!(shell(world, site, case.is_right)?, "before: {}", of(site, case.is_right));
        ensure!(shell(world, site, case.touch)?, "{}", of(site, case.touch));
    }
    let mut wrong: Vec<&Case> = cases.iter().collect();
    let mended = until("what was changed by hand to be put right", LIMIT, || {
        wrong.retain(|case| !shell(world, site, case.is_right).unwrap_or(false));
        Ok(wrong.is_empty().then_some(()))
    });
    ensure!(mended.is_ok(), "not put right: {:?}", wrong.iter().map(|case| case.touch).collect::<Vec<_>>());
    for case in cases {
        let told = of(site, case.told);
        until(&format!("an event that names {told}"), LIMIT, || {
            let events = world.block_on(world.client.list_all::<NodeEvent>(filter))?;
            let names = |event: &NodeEvent| {
                event.reason == "DriftRepaired"
                    && event.differences.iter().any(|one| one.what.contains(&told))
            };
            Ok(events.iter().any(names).then_some(()))
        })?;
    }
    Ok(())
}

pub(crate) fn what_is_changed_by_hand_is_put_right_within_a_minute_and_told(world: &World) -> Result<()> {
    let site = world.host("drifter", "drifter.example")?;
    world.database(&site, "shop")?;
    try_all(world, &site, CASES, &[("account_id", site.account.id.to_string())])?;
    ensure!(world.fetch(&site, "/")?.status == 200, "the site does not answer");
    Ok(())
}

pub(crate) fn a_stopped_service_and_shared_configuration_are_put_right_and_told(world: &World) -> Result<()> {
    let site = world.host("shared", "shared.example")?;
    try_all(world, &site, SHARED, &[("object_kind", "node".to_owned())])?;
    until("the site to answer again", LIMIT, || Ok((world.fetch(&site, "/")?.status == 200).then_some(())))
}

pub(crate) fn a_zone_changed_by_hand_is_put_right_and_told(world: &World) -> Result<()> {
    let site = world.host("zoned", "zoned.example")?;
    let address = site.address;
    let pdns = |arguments: &str| shell(world, &site, &format!("pdnsutil {arguments} zoned.example"));
    let filter = [("account_id", site.account.id.to_string()), ("object_kind", "zone".to_owned())];
    for (count, touch) in ["replace-rrset zoned.example @ A 60 192.0.2.66 #", "delete-zone"].iter().enumerate() {
        ensure!(pdns(touch)?, "{touch}");
        until("the zone to be right again", LIMIT, || {
            let answer = world.lookup(address, "zoned.example", "A")?;
            Ok((answer == [address.to_string()]).then_some(()))
        })?;
        until("an event", LIMIT, || {
            let events = world.block_on(world.client.list_all::<NodeEvent>(&filter))?;
            Ok((events.len() > count).then_some(()))
        })?;
    }
    Ok(())
}

pub(crate) fn what_a_tenant_does_is_no_drift(world: &World) -> Result<()> {
    let site = world.host("tenant", "tenant.example")?;
    site.put(world, "index.php", "<?php echo 'mine';")?;
    let (home, root) = (site.home(), site.document_root());
    site.run(world, &["/bin/chmod", "0777", &root])?;
    site.run(world, &["/bin/chmod", "0755", &format!("{home}/tmp")])?;
    site.run(world, &["/bin/mkdir", &format!("{root}/more")])?;
    let begun = std::time::Instant::now();
    until("two sweeps to pass", TWO_SWEEPS * 2, || {
        let page = world.fetch(&site, "/")?;
        ensure!(page.body == "mine", "the page was taken away: {page:?}");
        Ok((begun.elapsed() > TWO_SWEEPS).then_some(()))
    })?;
    let filter = [("account_id", site.account.id.to_string())];
    let events = world.block_on(world.client.list_all::<NodeEvent>(&filter))?;
    ensure!(events.is_empty(), "told of a tenant's own doings: {events:?}");
    let mode = site.run(world, &["/usr/bin/stat", "-c", "%a", &root])?;
    ensure!(mode.trim().ends_with("777"), "the document root's mode was taken back: {mode}");
    Ok(())
}
