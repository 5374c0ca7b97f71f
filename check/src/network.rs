//! Ports and addresses.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs},
    time::Duration,
};

use crate::{Report, Verdict};

const PATIENCE: Duration = Duration::from_secs(2);

/// A port to listen on: free, or held by the daemon itself, which answers on its telemetry address.
pub fn port(report: &mut Report, about: &str, address: SocketAddr, telemetry: SocketAddr) {
    match TcpListener::bind(address) {
        Ok(_) => report.ok(about, format!("{address} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            if is_healthy(telemetry) {
                report.ok(about, format!("{address} is in use, and the daemon runs"));
            } else {
                let found = format!("{address} is in use by another program");
                report.add(about, Verdict::Error, found, "stop that program or choose another port");
            }
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            report.add(
                about,
                Verdict::Unseen,
                format!("{address} cannot be tried: {error}"),
                "run this as root",
            );
        }
        Err(error) => {
            let advice = "choose an address that this machine has";
            report.add(about, Verdict::Error, format!("{address} cannot be listened on: {error}"), advice);
        }
    }
}

/// That no two of the program's own listeners are one: each by itself could be free.
pub fn distinct(report: &mut Report, listeners: &[(&str, SocketAddr)]) {
    for (at, (about, address)) in listeners.iter().enumerate() {
        for (other, taken) in listeners[..at].iter().filter(|(_, taken)| collide(*taken, *address)) {
            let found = format!("{address} and the {other} {taken} are the same");
            report.add(*about, Verdict::Error, found, "choose another port for one of them");
        }
    }
}

/// Whether two listeners want the same port of the same address. The wildcard is every address, and that of IPv6 is
/// every address of IPv4 too (unless a program says otherwise, and ours do not).
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let (one_ip, other_ip) = (one.ip().to_canonical(), other.ip().to_canonical());
    let covers = |wide: IpAddr, ip: IpAddr| wide.is_unspecified() && (wide.is_ipv6() || ip.is_ipv4());
    one.port() != 0
        && one.port() == other.port()
        && (one_ip == other_ip || covers(one_ip, other_ip) || covers(other_ip, one_ip))
}

/// Whether something like our daemon answers there.
fn is_healthy(telemetry: SocketAddr) -> bool {
    let ask = || -> io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&telemetry, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.take(4096).read_to_string(&mut answer)?;
        Ok(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok\n"))
    };
    ask().unwrap_or(false)
}

/// `HOST:PORT` that others are to be reached at.
pub async fn resolves(report: &mut Report, about: &str, endpoint: &str) {
    let (about, asked) = (about.to_owned(), endpoint.to_owned());
    let found = tokio::task::spawn_blocking(move || {
        asked.to_socket_addrs().map(|all| all.map(|one| one.ip().to_string()).collect::<Vec<_>>())
    });
    match found.await {
        Ok(Ok(all)) if !all.is_empty() => report.ok(about, format!("{endpoint} is {}", all.join(", "))),
        Ok(Err(error)) => {
            let advice = "correct the name, or the resolver of this machine";
            report.add(about, Verdict::Error, format!("{endpoint} does not resolve: {error}"), advice);
        }
        Ok(Ok(_)) | Err(_) => report.add(about, Verdict::Error, format!("{endpoint} has no address"), ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(address: SocketAddr, telemetry: SocketAddr) -> Verdict {
        let mut report = Report::default();
        port(&mut report, "port", address, telemetry);
        report.worst()
    }

    #[test]
    fn a_port_is_free_or_ours_or_in_the_way() {
        let nobody: SocketAddr = ([127, 0, 0, 1], 1).into();
        let held = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = held.local_addr().expect("an address");
        assert_eq!(verdict(address, nobody), Verdict::Error);
        let daemon = TcpListener::bind("127.0.0.1:0").expect("a port");
        let telemetry = daemon.local_addr().expect("an address");
        std::thread::spawn(move || {
            let (mut stream, _) = daemon.accept().expect("a connection");
            drop(stream.read(&mut [0; 256]));
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nok\n").expect("answered");
        });
        assert_eq!(verdict(address, telemetry), Verdict::Ok);
        drop(held);
        assert_eq!(verdict(address, nobody), Verdict::Ok);
    }

    #[test]
    fn two_listeners_on_one_port_are_told() {
        let collide = |one: &str, other: &str| {
            let listeners = [one, other].map(|text| text.parse::<SocketAddr>().expect("an address"));
            let mut report = Report::default();
            distinct(&mut report, &[("API port", listeners[0]), ("fleet port", listeners[1])]);
            report.worst() == Verdict::Error
        };
        for (one, other) in [
            ("192.0.2.1:8443", "192.0.2.1:8443"),
            ("0.0.0.0:8443", "192.0.2.1:8443"),
            ("192.0.2.1:8443", "0.0.0.0:8443"),
            ("[::]:8443", "0.0.0.0:8443"),
            ("[::]:8443", "127.0.0.1:8443"),
            ("[::]:8443", "[2001:db8::1]:8443"),
            ("[::ffff:192.0.2.1]:8443", "192.0.2.1:8443"),
        ] {
            assert!(collide(one, other) && collide(other, one), "{one} {other}");
        }
        for (one, other) in [
            ("192.0.2.1:8443", "192.0.2.1:8444"),
            ("192.0.2.1:8443", "192.0.2.2:8443"),
            ("0.0.0.0:8443", "[2001:db8::1]:8443"),
            ("127.0.0.1:0", "127.0.0.1:0"),
        ] {
            assert!(!collide(one, other) && !collide(other, one), "{one} {other}");
        }
    }

    #[tokio::test]
    async fn a_name_that_is_none_is_told() {
        let mut report = Report::default();
        resolves(&mut report, "one", "127.0.0.1:8444").await;
        assert_eq!(report.worst(), Verdict::Ok);
        resolves(&mut report, "two", "nowhere.invalid:8444").await;
        assert_eq!(report.worst(), Verdict::Error);
    }
}
