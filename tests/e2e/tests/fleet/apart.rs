//! Nothing that one account leaves lying about is another's to find, and nothing of another's can be borrowed.

use anyhow::{Result, ensure};
use npanel_e2e::{Site, World};

use crate::neighbours::{Pair, SECRET, pair};

/// Reads these files as a child of the site's PHP, which the interpreter's own limits on paths do not bind.
fn read(world: &World, site: &Site, files: &str) -> Result<String> {
    site.php(world, &format!("echo shell_exec('/bin/cat {files} 2>/dev/null');"))
}

pub(crate) fn temporary_files_are_an_accounts_own(world: &World) -> Result<()> {
    let Pair { a, b, .. } = pair(world, "temp")?;
    let files = "/tmp/left-by-a /var/tmp/left-by-a /dev/shm/left-by-a";
    // Open to everybody, so that nothing but their place keeps others away.
    a.php(world, &format!("shell_exec('echo mine | /usr/bin/tee {files}; /bin/chmod 0666 {files}');"))?;
    let own = read(world, &a, files)?;
    ensure!(own == "mine\n".repeat(3), "a does not find its own files: {own:?}");
    let neighbours = read(world, &b, files)?;
    ensure!(neighbours.is_empty(), "b finds files of a: {neighbours:?}");
    b.php(world, &format!("shell_exec('echo other | /usr/bin/tee {files}');"))?;
    let own = read(world, &a, files)?;
    ensure!(own == "mine\n".repeat(3), "b wrote over files of a: {own:?}");
    for file in files.split(' ') {
        let outside = world.fleet.exec_any(&a.node, ["/usr/bin/test", "-e", file])?;
        ensure!(!outside.status.success(), "{file} is the node's own");
    }
    Ok(())
}

pub(crate) fn an_account_sees_of_the_machine_what_it_is_given(world: &World) -> Result<()> {
    let Pair { a, .. } = pair(world, "view")?;
    let own = a.account.username.to_string();
    let records = format!("{0}.group {0}.user", a.uid());
    let seen = [
        ("/", "bin dev etc home homes lib lib64 opt proc root run sbin srv sys tmp usr var"),
        ("/home", own.as_str()),
        ("/run", "mysqld systemd"),
        ("/run/systemd", "incoming notify"),
        ("/srv/npanel", "cron php"),
        ("/srv/npanel/php", "fpm.conf php-fpm"),
        ("/srv/npanel/cron", ""),
        ("/var", "run tmp"),
        ("/homes", ""),
        ("/root", ""),
        ("/sys", ""),
        ("/usr/lib/modules", ""),
        ("/etc/mysql", ""),
        ("/etc/nginx", ""),
        ("/etc/npanel", ""),
        ("/etc/powerdns", ""),
        ("/etc/systemd", ""),
        ("/etc/userdb", records.as_str()),
        ("/proc/1", ""),
        ("/proc/sys", ""),
    ];
    for (directory, expected) in seen {
        let names = a.php(world, &format!("echo shell_exec('/bin/ls {directory} 2>/dev/null');"))?;
        let names = names.split_whitespace().collect::<Vec<_>>().join(" ");
        ensure!(names == expected, "an account sees in {directory}: {names:?} instead of {expected:?}");
    }
    let written = "for d in / /home /run /srv/npanel /usr /etc /opt /var /dev; do (echo x > $d/x) 2>/dev/null && echo $d; done";
    let written = a.php(world, &format!("echo shell_exec('{written}');"))?;
    ensure!(written.is_empty(), "an account writes to {written}");
    Ok(())
}

pub(crate) fn shared_memory_is_an_accounts_own(world: &World) -> Result<()> {
    let Pair { a, b, .. } = pair(world, "shm")?;
    let made = a.php(world, "echo shmop_write(shmop_open(4711, 'c', 0666, 4), 'mine', 0);")?;
    ensure!(made == "4", "a makes no shared memory: {made}");
    let look = "$m = @shmop_open(4711, 'a', 0, 0); echo $m ? shmop_read($m, 0, 4) : 'none';";
    let (own, neighbours) = (a.php(world, look)?, b.php(world, look)?);
    ensure!(own == "mine", "a does not find its own shared memory: {own}");
    ensure!(neighbours == "none", "b finds shared memory of a: {neighbours}");
    Ok(())
}

pub(crate) fn a_neighbours_file_cannot_be_hard_linked(world: &World) -> Result<()> {
    let Pair { a, b, .. } = pair(world, "hard")?;
    let root = a.document_root();
    a.put(world, "own.txt", "of a")?;
    a.run(world, &["/bin/ln", &format!("{root}/own.txt"), &format!("{root}/linked.txt")])?;
    ensure!(world.fetch(&a, "/linked.txt")?.body == "of a", "no hard link works at all");
    let secret = format!("{}/secret.txt", b.document_root());
    let tls = format!("/srv/npanel/sites/{}/tls.pem", b.domain);
    // The last one can be seen by everybody and is on the same file system: only that it is not a's keeps a away.
    for (number, target) in [secret.as_str(), &tls, "/etc/passwd"].into_iter().enumerate() {
        world.fleet.exec(&b.node, ["/usr/bin/test", "-f", target])?;
        let made =
            world.fleet.exec_as(&a.node, a.uid(), ["/bin/ln", target, &format!("{root}/hard{number}")])?;
        ensure!(!made.status.success(), "a links to {target}");
        let code = format!(
            "shell_exec('/bin/ln {target} {root}/hard{number}'); echo var_export(@link('{target}', '{root}/hard{number}'), true);"
        );
        let said = a.php(world, &code)?;
        ensure!(said == "false", "PHP of a links to {target}: {said}");
        let page = world.fetch(&a, &format!("/hard{number}"))?;
        ensure!(page.status == 404 && !page.body.contains(SECRET), "a serves {target}: {page:?}");
    }
    Ok(())
}
