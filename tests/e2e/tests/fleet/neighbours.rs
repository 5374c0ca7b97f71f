//! Two accounts on one node, one of them hostile: what `a` tries, it does not get from `b`.

use anyhow::{Context, Result, ensure};
use npanel_e2e::{Site, SiteDatabase, World};

pub(crate) const SECRET: &str = "only-for-b";

pub(crate) struct Pair {
    pub(crate) a: Site,
    pub(crate) b: Site,
    database: SiteDatabase,
}

/// Hosts accounts until two of them share a node; the second has a secret page and a database.
pub(crate) fn pair(world: &World, tag: &str) -> Result<Pair> {
    let mut hosted: Vec<Site> = Vec::new();
    for number in 0..5 {
        let site = world.host(&format!("{tag}{number}"), &format!("{tag}{number}.example"))?;
        if let Some(position) = hosted.iter().position(|other| other.node == site.node) {
            let (a, b) = (hosted.swap_remove(position), site);
            b.put(world, "secret.txt", SECRET)?;
            b.put(world, "index.php", "<?php echo 'b answers';")?;
            ensure!(world.fetch(&b, "/secret.txt")?.body == SECRET, "the victim does not serve");
            ensure!(world.fetch(&b, "/")?.body == "b answers", "the victim's PHP does not run");
            let database = world.database(&b, "shop")?;
            return Ok(Pair { a, b, database });
        }
        hosted.push(site);
    }
    anyhow::bail!("no two of five accounts share a node")
}

pub(crate) fn a_neighbours_files_and_key_cannot_be_read(world: &World) -> Result<()> {
    let Pair { a, b, .. } = pair(world, "files")?;
    let tls = format!("/srv/npanel/sites/{}/tls.pem", b.domain);
    let secret = format!("{}/secret.txt", b.document_root());
    let targets = [secret.as_str(), &tls, &b.document_root(), "/srv/npanel/sites", "/etc/npanel/node.toml", "/etc/shadow"];
    for target in targets {
        world.fleet.exec(&b.node, ["/usr/bin/test", "-e", target]).context("nothing to read there")?;
        let code = format!("echo var_export(@file_get_contents('{target}'), true), count(@scandir('{target}') ?: []);");
        let said = a.php(world, &code)?;
        ensure!(said == "false0", "PHP of a reads {target}: {said}");
        let finished = world.fleet.exec_as(&a.node, a.uid(), ["/bin/cat", "--", target])?;
        ensure!(!finished.status.success(), "a reads {target}: {}", finished.stdout);
    }
    Ok(())
}

pub(crate) fn a_link_in_a_document_root_leads_nowhere(world: &World) -> Result<()> {
    let Pair { a, b, .. } = pair(world, "links")?;
    let root = a.document_root();
    let tls = format!("/srv/npanel/sites/{}/tls.pem", b.domain);
    let links = [("file", format!("{}/secret.txt", b.document_root())), ("tree", b.document_root()), ("key", tls)];
    for (name, target) in &links {
        world.fleet.exec(&b.node, ["/usr/bin/test", "-e", target]).context("nothing to link to there")?;
        a.run(world, &["/bin/ln", "-s", target, &format!("{root}/{name}")])?;
    }
    a.run(world, &["/bin/ln", "-s", &format!("{}/index.php", b.document_root()), &format!("{root}/borrowed.php")])?;
    for path in ["/file", "/tree/secret.txt", "/tree/", "/key", "/borrowed.php"] {
        let page = world.fetch(&a, path)?;
        ensure!([403, 404].contains(&page.status), "{path} answers {page:?}");
        ensure!(!page.body.contains(SECRET) && !page.body.contains("PRIVATE KEY"), "{path} leaks");
    }
    Ok(())
}

pub(crate) fn a_document_root_cannot_be_replaced_by_a_link(world: &World) -> Result<()> {
    let Pair { a, b, .. } = pair(world, "swap")?;
    let (root, home) = (a.document_root(), a.home());
    let moves: [&[&str]; 4] = [
        &["/bin/mv", &root, &format!("{home}/web/aside")],
        &["/bin/mv", &format!("{home}/web"), &format!("{home}/aside")],
        &["/bin/ln", "-sfn", &b.document_root(), &format!("{home}/web/x")],
        &["/bin/ln", "-s", "/", &format!("{home}/x")],
    ];
    for argv in moves {
        let finished = world.fleet.exec_as(&a.node, a.uid(), argv)?;
        ensure!(!finished.status.success(), "a could run {argv:?}");
    }
    Ok(())
}

pub(crate) fn a_neighbours_php_socket_cannot_be_reached(world: &World) -> Result<()> {
    let Pair { a, b, .. } = pair(world, "sock")?;
    let socket = world.fleet.exec(&b.node, ["/bin/readlink", "-f", &format!("/srv/npanel/sites/{}/php.sock", b.domain)])?;
    let socket = socket.trim();
    ensure!(socket.contains(&b.uid().to_string()), "{socket} is not the victim's socket");
    world.fleet.exec(&b.node, ["/usr/bin/test", "-S", socket])?;
    let code = format!("echo var_export(@stream_socket_client('unix://{socket}', $n, $e, 2), true);");
    ensure!(a.php(world, &code)? == "false", "PHP of a connects to {socket}");
    let connect = format!("exit(@stream_socket_client('unix://{socket}', $n, $e, 2) === false ? 3 : 0);");
    let finished = world.fleet.exec_as(&a.node, a.uid(), ["/usr/bin/php", "-r", &connect])?;
    ensure!(finished.status.code() == Some(3), "a connects to {socket}: {finished:?}");
    Ok(())
}

pub(crate) fn a_neighbours_database_cannot_be_reached(world: &World) -> Result<()> {
    let Pair { a, b, database } = pair(world, "data")?;
    let own = world.database(&a, "shop")?;
    let code = format!(
        r#"$d = new PDO("mysql:host=localhost", "{}", "{}");
        $seen = $d->query("SHOW DATABASES")->fetchAll(PDO::FETCH_COLUMN);
        try {{ $d->exec("USE `{}`"); $used = 1; }} catch (PDOException) {{ $used = 0; }}
        try {{ $d->query("SELECT * FROM mysql.user"); $used += 2; }} catch (PDOException) {{}}
        try {{ $d->query("SELECT LOAD_FILE('/etc/passwd')")->fetchColumn() === null ?: $used += 4; }} catch (PDOException) {{}}
        echo json_encode([$seen, $used]);"#,
        own.user, own.password, database.name
    );
    let said: (Vec<String>, u8) = serde_json::from_str(&a.php(world, &code)?).context("the page's answer")?;
    ensure!(said.0.contains(&own.name) && !said.0.contains(&database.name), "a sees {:?}", said.0);
    ensure!(said.1 == 0, "a reached into {} or the server ({})", b.domain, said.1);
    let root = "try { new PDO('mysql:host=localhost', 'root', ''); echo 1; } catch (PDOException) { echo 0; }";
    ensure!(a.php(world, root)? == "0", "a logs in as root");
    Ok(())
}

pub(crate) fn a_neighbours_processes_are_not_seen(world: &World) -> Result<()> {
    let Pair { a, b, .. } = pair(world, "proc")?;
    world.fetch(&b, "/")?;
    let running = world.fleet.exec(&b.node, ["/usr/bin/pgrep", "--count", "--uid", &b.uid().to_string()])?;
    ensure!(running.trim() != "0", "the victim has no process to see");
    // `ps` is a child of PHP: the interpreter's own limits on paths do not bind it.
    let seen = a.php(world, "echo shell_exec('/bin/ps -eo uid=');")?;
    let (own, others): (Vec<&str>, Vec<&str>) =
        seen.split_whitespace().partition(|uid| *uid == a.uid().to_string());
    ensure!(!own.is_empty() && others.is_empty(), "a sees processes of {others:?}");
    Ok(())
}

pub(crate) fn a_neighbours_name_is_not_seen_and_ones_own_is_known(world: &World) -> Result<()> {
    let Pair { a, b, .. } = pair(world, "called")?;
    let (own, neighbour) = (a.account.username.to_string(), b.account.username.to_string());
    let search = |name: &str| format!("find /etc /srv /run /home -name '*{name}*'; grep -rsl -- '{name}' /etc /srv /run");
    let there = world.fleet.exec_any(&b.node, ["/bin/sh", "-c", &search(&neighbour)])?.stdout;
    ensure!(there.contains("/etc/userdb/") && there.contains("/home/"), "the node knows no {neighbour}: {there}");
    for name in [neighbour, b.uid().to_string()] {
        let seen = a.php(world, &format!("echo shell_exec({});", php_text(&search(&name))))?;
        ensure!(seen.is_empty(), "a sees {name}: {seen}");
    }
    let known = a.php(world, "echo shell_exec('id -un; id -gn; ls -ld ~/../tmp');")?;
    let lines: Vec<&str> = known.lines().collect();
    ensure!(lines.len() == 3 && lines[..2] == [own.as_str(); 2] && lines[2].contains(&own), "a does not know itself: {known}");
    Ok(())
}

fn php_text(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// The fingerprint of the certificate that a node shows for a TLS server name; none if it shows none.
fn shown(world: &World, site: &Site, name: &str) -> Result<Option<String>> {
    let at = format!("{}:443", site.address);
    let client = ["/usr/bin/openssl", "s_client", "-connect", &at, "-servername", name];
    let said = world.fleet.exec_any(&site.node, client)?.stdout;
    let Some(start) = said.find("-----BEGIN CERTIFICATE-----") else { return Ok(None) };
    let pem = "/root/shown.pem";
    world.fleet.write_as(&site.node, 0, pem, &said[start..])?;
    fingerprint(world, site, pem).map(Some)
}

fn fingerprint(world: &World, site: &Site, file: &str) -> Result<String> {
    world.fleet.exec(&site.node, ["/usr/bin/openssl", "x509", "-noout", "-fingerprint", "-in", file])
}

pub(crate) fn a_crooked_host_or_tls_name_reaches_no_other_site(world: &World) -> Result<()> {
    let Pair { a, b, .. } = pair(world, "names")?;
    let victim = Some(fingerprint(world, &b, &format!("/srv/npanel/sites/{}/tls.pem", b.domain))?);
    ensure!(shown(world, &b, &b.domain)? == victim, "the victim's own name is not answered with its certificate");
    for name in [format!("../sites/{}", b.domain), format!("{}/../{}", a.domain, b.domain)] {
        ensure!(shown(world, &b, &name)? != victim, "the TLS name {name} is answered with the victim's key");
    }
    for host in ["../../etc", "a/..", "..", "a b", ""] {
        let header = format!("Host: {host}");
        let url = format!("https://{}/", b.address);
        let curl = ["--insecure", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--header", &header, &url];
        let status = world.fleet.hub("/usr/bin/curl", curl)?;
        ensure!(["400", "404", "421", "000"].contains(&status.as_str()), "Host {host:?} answers {status}");
    }
    Ok(())
}
