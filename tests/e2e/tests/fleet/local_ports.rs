//! What accounts' processes reach over the network of their node, and whom they can pretend to be.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use npanel_e2e::{Site, World};
use npanel_fleet::{Kind, until};

const LIMIT: Duration = Duration::from_secs(60);
/// The one service that accounts reach by a socket.
const SERVED: &str = "/run/mysqld/mysqld.sock";
/// ECONNREFUSED
const REFUSED: i32 = 111;
/// Addresses at which clouds give away a machine's credentials.
const METADATA: [&str; 5] =
    ["169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "fd00:ec2::23"];

/// PHP that connects and prints the error's number (0 if there was none) and the milliseconds that it took.
fn connect(target: &str) -> String {
    format!(
        "$t = hrtime(true); $s = @stream_socket_client('{target}', $n, $e, 3);
        echo $s ? 0 : ($n ?: -1), ' ', intdiv(hrtime(true) - $t, 1000000);"
    )
}

#[derive(Debug)]
struct Attempt {
    error: i32,
    milliseconds: u64,
}

impl Attempt {
    fn parse(said: &str) -> Result<Self> {
        let (error, milliseconds) =
            said.trim().split_once(' ').with_context(|| format!("PHP said {said:?}"))?;
        Ok(Self { error: error.parse()?, milliseconds: milliseconds.parse()? })
    }

    fn connected(&self) -> bool {
        self.error == 0
    }

    /// Refused as by a packet filter that answers; the connection did not run into its time limit.
    fn refused_at_once(&self) -> bool {
        self.error == REFUSED && self.milliseconds < 1000
    }
}

fn by_root(world: &World, node: &str, target: &str) -> Result<Attempt> {
    Attempt::parse(&world.fleet.exec(node, ["/usr/bin/php", "-r", &connect(target)])?)
}

/// The same from the site's own PHP, and from a process of the account outside of all that surrounds its PHP.
fn by_tenant(world: &World, site: &Site, target: &str) -> Result<[Attempt; 2]> {
    let page = site.php(world, &connect(target))?;
    let process = site.run(world, &["/usr/bin/php", "-r", &connect(target)])?;
    Ok([Attempt::parse(&page)?, Attempt::parse(&process)?])
}

/// A process on a node that says `mine` to whoever connects; it ends with this value.
struct Listener {
    process: Child,
    standard_input: ChildStdin,
}

impl Listener {
    fn start(world: &World, node: &str, uid: u32, addresses: &[String]) -> Result<Self> {
        let addresses = serde_json::to_string(addresses)?;
        let code = format!(
            r#"$all = [];
            foreach (json_decode('{addresses}') as $a) {{
                $all[] = stream_socket_server("tcp://$a", $n, $e) ?: exit("$a: $e\n");
            }}
            echo "up\n";
            for (;;) {{
                $ready = [STDIN, ...$all];
                stream_select($ready, $w, $x, null);
                foreach ($ready as $one) {{
                    if ($one === STDIN) exit;
                    if ($c = @stream_socket_accept($one, 0)) fwrite($c, 'mine') && fclose($c);
                }}
            }}"#
        );
        let mut command = world.fleet.node_command(node)?;
        command.args([
            "/usr/bin/setpriv",
            &format!("--reuid={uid}"),
            &format!("--regid={uid}"),
            "--clear-groups",
        ]);
        command.args(["--", "/usr/bin/php", "-r", &code]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().context("a listener")?;
        let standard_input = process.stdin.take().context("no standard input")?;
        let mut said = String::new();
        BufReader::new(process.stdout.take().context("no output")?).read_line(&mut said)?;
        let listener = Self { process, standard_input };
        ensure!(said == "up\n", "no listener on {addresses}: {said}");
        Ok(listener)
    }

    fn end(self) -> Result<()> {
        let Self { mut process, standard_input } = self;
        drop(standard_input);
        process.wait().context("a listener")?;
        Ok(())
    }
}

pub(crate) fn the_clouds_credentials_are_refused_at_once(world: &World) -> Result<()> {
    let site = world.host("cloud", "cloud.example")?;
    let rules = world.fleet.exec(&site.node, ["/usr/sbin/nft", "list", "table", "inet", "npanel"])?;
    ensure!(rules.contains("meta skuid"), "no rule is about accounts: {rules}");
    // The node itself has the addresses for a while, so that there is somebody to talk to: its web server.
    let ip = |verb: &str, address: &str| {
        let length = if address.contains(':') { "128" } else { "32" };
        let address = format!("{address}/{length}");
        world.fleet.exec(&site.node, ["/usr/sbin/ip", "address", verb, &address, "dev", "lo"])
    };
    for address in METADATA {
        ensure!(rules.contains(address), "no rule is about {address}: {rules}");
        let target = if address.contains(':') {
            format!("tcp://[{address}]:80")
        } else {
            format!("tcp://{address}:80")
        };
        ip("add", address)?;
        let reached = until("the address to work", LIMIT, || {
            Ok(by_root(world, &site.node, &target)?.connected().then_some(()))
        });
        let attempts = by_tenant(world, &site, &target);
        ip("delete", address)?;
        reached.with_context(|| format!("root does not reach {address}"))?;
        for attempt in attempts? {
            ensure!(attempt.refused_at_once(), "an account gets to {address}: {attempt:?}");
        }
    }
    Ok(())
}

pub(crate) fn the_nodes_own_ports_cannot_be_reached(world: &World) -> Result<()> {
    let site = world.host("ports", "ports.example")?;
    // PowerDNS listens on IPv4 only: something else of root stands for what may listen there.
    let sixth = Listener::start(world, &site.node, 0, &["[::1]:8081".to_owned(), "[::1]:9471".to_owned()])?;
    // The fleet's nodes tell their telemetry at their own address.
    let telemetry = format!("{}:9471", site.address);
    for target in ["127.0.0.1:8081", &telemetry, "[::1]:8081", "[::1]:9471"] {
        let target = format!("tcp://{target}");
        ensure!(by_root(world, &site.node, &target)?.connected(), "nothing listens at {target}");
        for attempt in by_tenant(world, &site, &target)? {
            ensure!(attempt.refused_at_once(), "an account gets to {target}: {attempt:?}");
        }
    }
    sixth.end()
}

pub(crate) fn the_controllers_cannot_be_reached(world: &World) -> Result<()> {
    let site = world.host("upward", "upward.example")?;
    for controller in world.fleet.of_kind(Kind::Controller) {
        for port in [8443, 8444] {
            let target = format!("tcp://{}:{port}", controller.address);
            ensure!(by_root(world, &site.node, &target)?.connected(), "nothing listens at {target}");
            for attempt in by_tenant(world, &site, &target)? {
                ensure!(attempt.refused_at_once(), "an account gets to {target}: {attempt:?}");
            }
        }
    }
    // What a site may call anywhere is not refused by a rule that is about controllers.
    let other = world.fleet.of_kind(Kind::Node).find(|node| node.name != site.node).context("one node only")?;
    for attempt in by_tenant(world, &site, &format!("tcp://{}:443", other.address))? {
        ensure!(attempt.connected(), "an account does not get to the other node: {attempt:?}");
    }
    Ok(())
}

pub(crate) fn the_nodes_own_sockets_cannot_be_reached(world: &World) -> Result<()> {
    let site = world.host("socks", "socks.example")?;
    let listening =
        world.fleet.exec(&site.node, ["/usr/bin/find", "/run/npanel", "/run/pdns", "-type", "s"])?;
    let sockets: Vec<&str> = listening.lines().collect();
    ensure!(sockets.contains(&"/run/npanel/executor.sock"), "no socket of the executor: {sockets:?}");
    for socket in sockets {
        let target = format!("unix://{socket}");
        world.fleet.exec(&site.node, ["/usr/bin/test", "-S", socket])?;
        if socket.starts_with("/run/npanel/") {
            ensure!(by_root(world, &site.node, &target)?.connected(), "nobody listens on {socket}");
        }
        for attempt in by_tenant(world, &site, &target)? {
            ensure!(!attempt.connected(), "an account gets to {socket}");
        }
    }
    // `find` is a child of PHP: the interpreter's own limits on paths do not bind it.
    let seen = site.php(world, "echo shell_exec('/usr/bin/find /run -type s');")?;
    let seen: Vec<&str> = seen.lines().collect();
    ensure!(seen.contains(&SERVED), "an account's PHP does not see the database's socket: {seen:?}");
    let others = seen.iter().filter(|socket| ![SERVED, "/run/systemd/notify"].contains(socket));
    ensure!(others.count() == 0, "an account's PHP sees {seen:?}");
    Ok(())
}

pub(crate) fn nobody_answers_in_the_place_of_a_stopped_service(world: &World) -> Result<()> {
    let site = world.host("mimic", "mimic.example")?;
    let units = ["pdns.service", "mariadb.service", "npanel-node.service"];
    let systemctl =
        |verb: &str| world.fleet.exec(&site.node, ["/usr/bin/systemctl", verb].iter().chain(&units));
    systemctl("stop")?;
    let tried = pretend(world, &site);
    systemctl("start")?;
    until("the services to be back", LIMIT, || {
        let back = world.lookup(site.address, &site.domain, "A")? == [site.address.to_string()];
        Ok((back && world.fleet.is_ready()?).then_some(()))
    })?;
    tried
}

/// Takes the ports of the services as the account: others on the node must not get an answer from it.
fn pretend(world: &World, site: &Site) -> Result<()> {
    let everywhere = |port: u16| [format!("127.0.0.1:{port}"), format!("[::1]:{port}")];
    let taken: Vec<String> = [8081, 3306, 9471, 18081].into_iter().flat_map(everywhere).collect();
    let listener = Listener::start(world, &site.node, site.uid(), &taken)?;
    for address in taken {
        let attempt = by_root(world, &site.node, &format!("tcp://{address}"))?;
        // A port that is no service's shows that the account's process does answer.
        let expected = address.ends_with(":18081");
        ensure!(
            attempt.connected() == expected,
            "a client of {address}, which an account holds: {attempt:?}"
        );
    }
    listener.end()
}
