//! Addresses that lead inside, however they do it.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    http::{HeaderMap as Headers, StatusCode, header::LOCATION},
    response::IntoResponse,
    routing::{get, post},
};
use futures::{FutureExt, future::BoxFuture};
use tokio::net::TcpListener;

use super::*;

const SOON: Duration = Duration::from_secs(10);

/// A name server that says something else each time; the last word stays.
#[derive(Default)]
struct Told {
    names: Mutex<HashMap<String, Vec<Vec<IpAddr>>>>,
    asked: AtomicUsize,
}

impl Told {
    fn of(name: &str, answers: &[&[&str]]) -> Arc<Self> {
        let answers = answers.iter().map(|one| one.iter().map(|text| address(text)).collect()).collect();
        Arc::new(Self { names: Mutex::new(HashMap::from([(name.to_owned(), answers)])), ..Self::default() })
    }
}

impl Lookup for Told {
    fn look_up(&self, name: String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut names = self.names.lock().expect("no panic");
        let answers = names.get_mut(&name).expect("a known name");
        let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
        async move { Ok(answer) }.boxed()
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn url(text: &str) -> Url {
    text.parse().expect("an address")
}

fn way(names: Arc<dyn Lookup>, allowed: &[&str], own: &[&str]) -> Outgoing {
    npanel_pki::tls::install_provider();
    let allowed = allowed.iter().map(|text| text.parse().expect("a network")).collect();
    let own = FixedAddresses(Arc::new(own.iter().map(|text| address(text)).collect()));
    Outgoing::asking(names, Outside { allowed, refused: Vec::new() }, Arc::new(own)).expect("a way out")
}

/// A way out for which a name leads to these addresses, one after the other.
pub(crate) fn way_by(name: &str, answers: &[&[&str]], allowed: &[&str], own: &[&str]) -> Outgoing {
    way(Told::of(name, answers), allowed, own)
}

async fn refused(way: &Outgoing, text: &str) -> OutgoingError {
    way.send(Call::get(url(text), SOON, 1000)).await.expect_err(text)
}

pub(crate) async fn serve(address: &str, router: Router) -> SocketAddr {
    let listener = TcpListener::bind(address).await.expect("a port");
    let at = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    at
}

#[tokio::test]
async fn an_address_inside_is_refused_however_it_is_written() {
    let way = way(Told::of("x", &[&[]]), &[], &["5.6.7.8"]);
    for text in [
        "https://127.0.0.1:1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[fd00:ec2::254]/",
        "https://[fe80::1]/",
        "https://[::1]/",
        "https://[::ffff:169.254.169.254]/",
        "https://[64:ff9b::a9fe:a9fe]/",
        "https://[2002:a9fe:a9fe::]/",
        "https://10.0.0.1/",
        "https://100.64.0.1/",
        "https://224.0.0.1/",
        "https://0.0.0.0/",
        "https://[::]/",
        "https://5.6.7.8/",
        "https://[64:ff9b::5.6.7.8]/",
        "http://127.0.0.1/",
    ] {
        let error = refused(&way, text).await;
        assert!(matches!(error, OutgoingError::Inside { .. }), "{text}: {error}");
    }
}

#[tokio::test]
async fn only_what_is_encrypted_and_has_no_credentials_in_it_is_asked() {
    let way = way(Told::of("x", &[&[]]), &["127.0.0.1"], &[]);
    for text in [
        "http://example.com/",
        "http://8.8.8.8/",
        "ftp://8.8.8.8/",
        "https://u:p@8.8.8.8/",
        "file:///etc/passwd",
    ] {
        let error = refused(&way, text).await;
        assert!(matches!(error, OutgoingError::Address), "{text}: {error}");
    }
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused() {
    for leads_to in ["169.254.169.254", "127.0.0.1", "::1", "fe80::1", "fd00:ec2::254", "5.6.7.8", "10.0.0.1"]
    {
        let way = way(Told::of("evil.example", &[&[leads_to]]), &[], &["5.6.7.8"]);
        let error = refused(&way, "https://evil.example:1/").await;
        assert!(matches!(&error, OutgoingError::LeadsInside(why) if why.contains(leads_to)), "{error}");
    }
    let system = Outgoing::new(Outside::default(), Arc::new(FixedAddresses::default())).expect("a way out");
    let error = refused(&system, "https://localhost:1/").await;
    assert!(matches!(error, OutgoingError::LeadsInside(_)), "{error}");
}

/// Who has connected to a listener that never answers.
pub(crate) async fn counted(address: &str) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(address).await.expect("a port");
    let (at, count) = (listener.local_addr().expect("an address"), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::Relaxed);
            drop(stream);
        }
    });
    (at, count)
}

#[tokio::test]
async fn the_connection_is_made_to_the_address_that_was_judged_and_to_no_later_answer() {
    let (good, at_good) = counted("127.0.0.1:0").await;
    let (_inside, at_inside) = counted(&format!("127.0.0.2:{}", good.port())).await;
    // First where it may, then elsewhere; and both at once.
    let names = Told::of("rebinds.example", &[&["127.0.0.1"], &["127.0.0.2"], &["127.0.0.2", "127.0.0.1"]]);
    let way = way(names.clone(), &["127.0.0.1"], &[]);
    let address = format!("https://rebinds.example:{}/", good.port());
    let first = refused(&way, &address).await;
    assert!(matches!(first, OutgoingError::Unreachable(_)), "it was let through: {first}");
    assert_eq!((at_good.load(Ordering::Relaxed), names.asked.load(Ordering::Relaxed)), (1, 1));
    let second = refused(&way, &address).await;
    assert!(matches!(second, OutgoingError::LeadsInside(_)), "{second}");
    let third = refused(&way, &address).await;
    assert!(matches!(third, OutgoingError::Unreachable(_)), "what may be connected to is: {third}");
    assert_eq!((at_good.load(Ordering::Relaxed), at_inside.load(Ordering::Relaxed)), (2, 0));
}

#[tokio::test]
async fn a_redirection_is_an_answer_and_where_it_leads_is_judged_when_it_is_asked() {
    let inside = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&inside);
    let secret =
        Router::new().route("/", get(async move || counter.fetch_add(1, Ordering::Relaxed).to_string()));
    let secret = serve("127.0.0.2:0", secret).await;
    let to = format!("http://{secret}/");
    let lead = Router::new().route("/", get(async move || (StatusCode::FOUND, [(LOCATION, to)])));
    let lead = serve("127.0.0.1:0", lead).await;
    let way = way(Told::of("x", &[&[]]), &["127.0.0.1"], &[]);
    let answer = way.send(Call::get(url(&format!("http://{lead}/")), SOON, 1000)).await.expect("an answer");
    assert_eq!(answer.status, 302);
    let next = answer.headers["location"].to_str().expect("text");
    let error = refused(&way, next).await;
    assert!(matches!(error, OutgoingError::Inside { .. }), "{error}");
    assert_eq!(inside.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn forms_and_json_are_sent_and_answers_read_to_a_bound() {
    let echo = async |headers: Headers, body: String| {
        let kind = headers["content-type"].to_str().expect("text").to_owned();
        format!("{kind} {} {body}", headers["authorization"].to_str().expect("text")).into_response()
    };
    let long = async || "x".repeat(1001);
    let at = serve("127.0.0.1:0", Router::new().route("/echo", post(echo)).route("/long", get(long))).await;
    let way = way(Told::of("x", &[&[]]), &["127.0.0.0/8"], &[]);
    let echo =
        || Call::post(url(&format!("http://{at}/echo")), SOON, 1000).header("authorization", "Basic x");
    let said = async |call| {
        let answer: Answer = way.send(call).await.expect("an answer");
        (answer.status, String::from_utf8(answer.body).expect("text"))
    };
    let form = echo().form(&[("grant_type", "code"), ("code", "a&b=c d")]);
    let told = "application/x-www-form-urlencoded Basic x grant_type=code&code=a%26b%3Dc+d";
    assert_eq!(said(form).await, (200, told.to_owned()));
    let json = echo().json(&serde_json::json!({"a": 1})).expect("JSON");
    assert_eq!(said(json).await, (200, "application/json Basic x {\"a\":1}".to_owned()));
    let long = || url(&format!("http://{at}/long"));
    assert!(way.send(Call::get(long(), SOON, 1001)).await.is_ok());
    let error = way.send(Call::get(long(), SOON, 1000)).await.expect_err("too long");
    assert!(matches!(error, OutgoingError::TooLong(1000)), "{error}");
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_not_waited_for() {
    let never = async || std::future::pending::<String>().await;
    let at = serve("127.0.0.1:0", Router::new().route("/", get(never))).await;
    let way = way(Told::of("x", &[&[]]), &["127.0.0.1"], &[]);
    let call = Call::get(url(&format!("http://{at}/")), Duration::from_millis(100), 1000);
    assert!(matches!(way.send(call).await, Err(OutgoingError::Unreachable(_))));
}

/// Nobody knows.
struct Unknown;

impl OwnAddresses for Unknown {
    fn all(&self) -> BoxFuture<'_, Result<Arc<std::collections::HashSet<IpAddr>>, String>> {
        async { Err("the state cannot be read".to_owned()) }.boxed()
    }
}

#[tokio::test]
async fn nothing_is_connected_to_while_the_fleets_own_addresses_are_not_known() {
    npanel_pki::tls::install_provider();
    let names = Told::of("x.example", &[&["8.8.8.8"]]);
    let way = Outgoing::asking(names, Outside::default(), Arc::new(Unknown)).expect("a way out");
    assert!(matches!(refused(&way, "https://8.8.8.8/").await, OutgoingError::OwnUnknown(_)));
    let error = refused(&way, "https://x.example/").await;
    assert!(error.to_string().contains("cannot be read"), "{error}");
}
