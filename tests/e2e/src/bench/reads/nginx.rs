//! Debian's nginx with static files, on the leg of the controller that it is held against.

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use npanel_e2e::World;
use npanel_fleet::{cache_directory, until};
use tempfile::TempDir;

use super::{Ground, Server};
use crate::{debian, tls::Tls};

const PORT: u16 = 8499;
const LIMIT: Duration = Duration::from_secs(30);

/// As it is configured where it serves much: as many workers as there are processors, no log of every request, connections
/// that are kept for ever. Everything else as Debian has it.
const CONFIGURATION: &str = "
user root;
worker_processes auto;
daemon off;
pid FOLDER/nginx.pid;
error_log FOLDER/error.log;
events { worker_connections 1024; }
http {
    access_log off;
    sendfile on;
    tcp_nopush on;
    default_type application/json;
    keepalive_requests 1000000000;
    client_body_temp_path FOLDER/body;
    proxy_temp_path FOLDER/proxy;
    fastcgi_temp_path FOLDER/fastcgi;
    uwsgi_temp_path FOLDER/uwsgi;
    scgi_temp_path FOLDER/scgi;
    server {
        listen ADDRESS ssl;
        ssl_certificate FOLDER/server.pem;
        ssl_certificate_key FOLDER/server.key;
        ssl_protocols TLSv1.3;
        root FOLDER/files;
    }
}
";

/// The running program; it ends with this value.
pub(super) struct Nginx {
    process: Child,
    server: Server,
    _folder: TempDir,
}

impl Nginx {
    pub(super) fn start(world: &World, ground: &Ground) -> Result<Self> {
        let folder = tempfile::tempdir_in(cache_directory()?).context("nginx's files")?;
        let host = ground.address.rsplit_once(':').context("no port")?.0.to_owned();
        let made = rcgen::generate_simple_self_signed([host.clone()])?;
        fs::write(folder.path().join("server.pem"), made.cert.pem())?;
        fs::write(folder.path().join("server.key"), made.signing_key.serialize_pem())?;
        let address = format!("{host}:{PORT}");
        lay_out(folder.path(), &address, ground)?;
        let mut command = world.fleet.command_beside(&ground.leader, &program()?)?;
        command.arg("-c").arg(folder.path().join("nginx.conf")).arg("-p").arg(folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().context("nginx")?;
        let server = Server {
            tls: Tls::trusting([made.cert.der().clone()], "http/1.1")?,
            address,
            authorization: ground.authorization(),
            is_nginx: true,
            query: "",
        };
        let mut nginx = Self { process, server, _folder: folder };
        until("nginx", LIMIT, || {
            ensure!(nginx.process.try_wait()?.is_none(), "nginx has ended");
            Ok(TcpStream::connect(&nginx.server.address).ok().map(drop))
        })?;
        Ok(nginx)
    }

    pub(super) fn server(&self) -> &Server {
        &self.server
    }
}

fn lay_out(folder: &Path, address: &str, ground: &Ground) -> Result<()> {
    let files = folder.join("files");
    fs::create_dir(&files)?;
    for file in ground.accounts.iter().chain(&ground.page) {
        fs::write(files.join(&file.name), &file.content)?;
    }
    let text = CONFIGURATION.replace("FOLDER", &folder.to_string_lossy()).replace("ADDRESS", address);
    fs::write(folder.join("nginx.conf"), text).context("nginx.conf")
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its workers end with it when it is told to.
        let pid = i32::try_from(self.process.id()).unwrap_or_default();
        let told = std::process::Command::new("/usr/bin/kill").args(["-TERM", &pid.to_string()]).status();
        drop(told.map(|_| self.process.wait()));
    }
}

/// Where it is.
pub(super) fn program() -> Result<PathBuf> {
    debian::program("nginx", "usr/sbin/nginx")
}
