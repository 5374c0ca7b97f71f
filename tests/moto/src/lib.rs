//! AWS for tests, played by `moto_server`, which `tests/setup` installs. It lets everybody do everything until [`Moto::lock`].
//!
//! What runs inside is one child process for each [`Moto`], which ends with it and with the thread that started it.

use std::{
    env,
    io::Write,
    net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Python takes some seconds to load it on a machine that is busy.
const START: Duration = Duration::from_secs(60);

/// The keys' file of whoever asks it, which takes any.
pub const KEYS: &str = "access_key_id = \"AKIAMOTO\"\nsecret_access_key = \"marked-secret-access-key\"\n";

/// Part of [`KEYS`] that nobody may ever say.
pub const SECRET: &str = "marked-secret-access-key";

/// What it answered.
#[derive(Debug)]
pub struct Answer {
    /// HTTP's status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body, if it did what it was asked.
    ///
    /// # Panics
    /// If it did not.
    pub fn done(self) -> Vec<u8> {
        assert!((200..300).contains(&self.status), "{}: {}", self.status, self.text());
        self.body
    }
}

/// A server with nothing in it yet.
#[derive(Debug)]
pub struct Moto {
    server: Child,
    port: u16,
}

impl Drop for Moto {
    fn drop(&mut self) {
        // One that has ended by itself is as good.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn program() -> Option<PathBuf> {
    let cache = env::var_os("NPANEL_CACHE").map(PathBuf::from);
    let cache = cache.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/npanel")));
    let program = cache?.join("moto/bin/moto_server");
    program.exists().then_some(program)
}

impl Moto {
    /// Starts one on the loopback. `None` where it is not installed, which is said even where the output of tests is not shown.
    ///
    /// # Panics
    /// If it is there and does not start.
    pub fn start() -> Option<Self> {
        let Some(program) = program() else {
            let why = "SKIPPED: moto_server is not in $NPANEL_CACHE/moto, where tests/setup installs it";
            let _ = writeln!(std::io::stderr(), "{why}");
            return None;
        };
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|one| one.local_addr());
        let port = free.expect("a port").port();
        // A test that is killed drops nothing.
        let mut server = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("setpriv of util-linux");
        let deadline = Instant::now() + START;
        while TcpStream::connect(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).is_err() {
            let ended = server.try_wait().expect("a child");
            assert!(ended.is_none() && Instant::now() < deadline, "moto_server does not answer: {ended:?}");
            thread::sleep(Duration::from_millis(50));
        }
        Some(Self { server, port })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.port)
    }

    /// The address of each of its services.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Asks one of its services, by curl, as somebody it does not know. `headers` are `NAME: VALUE`.
    ///
    /// # Panics
    /// If there is no answer.
    pub fn ask(&self, service: &str, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Answer {
        let credential = format!("Credential=x/20300101/us-east-1/{service}/aws4_request");
        let authorization =
            format!("Authorization: AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=x");
        let mut curl = Command::new("/usr/bin/curl");
        curl.args([
            "--silent",
            "--show-error",
            "--write-out",
            "%{stderr}%{http_code}",
            "--data-binary",
            "@-",
        ]);
        curl.args(["--request", method, "--header", &authorization]);
        for header in headers {
            curl.args(["--header", header]);
        }
        curl.arg(format!("{}{path}", self.endpoint()));
        curl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut asking = curl.spawn().expect("curl");
        asking.stdin.take().expect("a pipe").write_all(body).expect("curl reads");
        let output = asking.wait_with_output().expect("curl ends");
        let status = String::from_utf8_lossy(&output.stderr).trim().parse();
        Answer { status: status.unwrap_or_else(|_| panic!("{output:?}")), body: output.stdout }
    }

    /// Makes a bucket; with object lock, if it is to have that.
    pub fn make_bucket(&self, name: &str, is_locked: bool) {
        let lock = format!("x-amz-bucket-object-lock-enabled: {is_locked}");
        self.ask("s3", "PUT", &format!("/{name}"), &[&lock], b"").done();
    }

    /// An object.
    pub fn object(&self, bucket: &str, name: &str) -> Vec<u8> {
        self.ask("s3", "GET", &format!("/{bucket}/{name}"), &[], b"").done()
    }

    /// The versions of the objects in a bucket, as it lists them.
    pub fn versions(&self, bucket: &str) -> Vec<String> {
        let listed = self.ask("s3", "GET", &format!("/{bucket}?versions"), &[], b"").text();
        let each = listed.split("<VersionId>").skip(1);
        each.filter_map(|rest| rest.split('<').next()).map(str::to_owned).collect()
    }

    /// Makes a key of its key management service; the key's id.
    pub fn make_key(&self) -> String {
        let headers = ["Content-Type: application/x-amz-json-1.1", "X-Amz-Target: TrentService.CreateKey"];
        let made = String::from_utf8(self.ask("kms", "POST", "/", &headers, b"{}").done()).expect("text");
        between(&made, "\"KeyId\": \"", "\"").to_owned()
    }

    /// Makes somebody who may do these, such as `kms:Encrypt`, and nothing else; the keys' file.
    pub fn make_user(&self, name: &str, actions: &[&str]) -> String {
        let actions = actions.iter().map(|action| format!("\"{action}\"")).collect::<Vec<_>>().join(",");
        let allowed = format!("{{\"Effect\":\"Allow\",\"Action\":[{actions}],\"Resource\":\"*\"}}");
        let policy = format!("{{\"Version\":\"2012-10-17\",\"Statement\":[{allowed}]}}");
        let iam = |form: String| {
            let headers = ["Content-Type: application/x-www-form-urlencoded"];
            String::from_utf8(self.ask("iam", "POST", "/", &headers, form.as_bytes()).done()).expect("text")
        };
        iam(format!("Action=CreateUser&Version=2010-05-08&UserName={name}"));
        let of = format!("Version=2010-05-08&UserName={name}&PolicyName=p&PolicyDocument={policy}");
        iam(format!("Action=PutUserPolicy&{of}"));
        let made = iam(format!("Action=CreateAccessKey&Version=2010-05-08&UserName={name}"));
        let id = between(&made, "<AccessKeyId>", "<");
        let secret = between(&made, "<SecretAccessKey>", "<").replace("&#43;", "+");
        format!("access_key_id = \"{id}\"\nsecret_access_key = \"{secret}\"\n")
    }

    /// From now on it checks signatures and rights.
    pub fn lock(&self) {
        self.ask("moto", "POST", "/moto-api/reset-auth", &["Content-Type: text/plain"], b"0").done();
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let found = text.split_once(before).and_then(|(_, rest)| rest.split_once(after));
    found.unwrap_or_else(|| panic!("{before} is not in {text}")).0
}
