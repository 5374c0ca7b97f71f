//! The client program: HTTP/1.1 on a connection that is kept.

use anyhow::{Context, Result, ensure};
use http::{
    HeaderValue, Request,
    header::{AUTHORIZATION, HOST},
};
use http_body_util::{BodyExt, Empty};
use hyper::{body::Bytes, client::conn::http1::SendRequest};
use npanel_e2e::World;

use super::File;
use crate::{drive::Asker, tls::Tls};

/// Who is asked.
pub(super) struct Server {
    pub(super) tls: Tls,
    /// `ADDRESS:PORT`.
    pub(super) address: String,
    pub(super) authorization: HeaderValue,
    /// Whether what is read are nginx's files.
    pub(super) is_nginx: bool,
    pub(super) query: &'static str,
}

pub(super) struct Reader {
    connection: SendRequest<Empty<Bytes>>,
    request: Request<Empty<Bytes>>,
    length: usize,
}

impl Reader {
    /// So many, each of one of the files.
    pub(super) fn several(
        world: &World,
        server: &Server,
        files: &[File],
        clients: usize,
    ) -> Result<Vec<Self>> {
        let file = |number: usize| &files[number % files.len()];
        (0..clients).map(|number| world.block_on(Self::connect(server, file(number)))).collect()
    }

    async fn connect(server: &Server, file: &File) -> Result<Self> {
        let (connection, length) = (open(server).await?, file.content.len());
        let path = if server.is_nginx { format!("/{}", file.name) } else { joined(&file.path, server.query) };
        Ok(Self { connection, request: request(server, &path)?, length })
    }

    /// What there is at a path.
    pub(super) async fn read(server: &Server, path: &str) -> Result<Vec<u8>> {
        let mut connection = open(server).await?;
        Ok(ask(&mut connection, request(server, path)?).await?.to_vec())
    }
}

fn joined(path: &str, query: &str) -> String {
    if path.contains('?') { path.to_owned() } else { format!("{path}{query}") }
}

fn request(server: &Server, path: &str) -> Result<Request<Empty<Bytes>>> {
    let request = Request::get(path).header(HOST, &server.address);
    Ok(request.header(AUTHORIZATION, &server.authorization).body(Empty::new())?)
}

async fn open(server: &Server) -> Result<SendRequest<Empty<Bytes>>> {
    let stream = server.tls.connect(&server.address).await?;
    let (sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
    // It ends when the client is gone.
    tokio::spawn(connection);
    Ok(sender)
}

async fn ask(connection: &mut SendRequest<Empty<Bytes>>, request: Request<Empty<Bytes>>) -> Result<Bytes> {
    connection.ready().await?;
    let answer = connection.send_request(request).await?;
    let status = answer.status();
    let body = answer.into_body().collect().await.context("an answer breaks off")?.to_bytes();
    ensure!(status == 200, "{status}: {}", String::from_utf8_lossy(&body));
    Ok(body)
}

impl Asker for Reader {
    async fn ask(&mut self, _: u64) -> Result<()> {
        let body = ask(&mut self.connection, self.request.clone()).await?;
        ensure!(body.len() == self.length, "{} bytes (expected {})", body.len(), self.length);
        Ok(())
    }
}
