//! TLS to etcd's members and between them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use tonic::transport::{Channel, Endpoint};

use crate::tls::Tls;

const ADDRESS: &str = "127.0.0.1";

/// One certificate for all members, which is its own authority, and who trusts it.
pub(super) struct Keys {
    certificate: PathBuf,
    private_key: PathBuf,
    client: Tls,
}

impl Keys {
    pub(super) fn generate(folder: &Path) -> Result<Self> {
        let made = rcgen::generate_simple_self_signed([ADDRESS.to_owned()])?;
        let (certificate, private_key) = (folder.join("members.pem"), folder.join("members.key"));
        fs::write(&certificate, made.cert.pem())?;
        fs::write(&private_key, made.signing_key.serialize_pem())?;
        Ok(Self { certificate, private_key, client: Tls::trusting([made.cert.der().clone()], "h2")? })
    }

    /// What a member is started with.
    pub(super) fn arguments(&self) -> Vec<String> {
        let (certificate, key) = (self.certificate.display(), self.private_key.display());
        vec![
            format!("--cert-file={certificate}"),
            format!("--key-file={key}"),
            format!("--peer-cert-file={certificate}"),
            format!("--peer-key-file={key}"),
            format!("--peer-trusted-ca-file={certificate}"),
            "--peer-client-cert-auth".to_owned(),
        ]
    }

    pub(super) async fn connect(&self, port: u16) -> Result<Channel> {
        let tls = self.client.clone();
        let connector = tower::service_fn(move |_| {
            let tls = tls.clone();
            async move { tls.connect(&format!("{ADDRESS}:{port}")).await }
        });
        // The address that is dialled is the connector's.
        let endpoint = Endpoint::from_static("http://etcd.invalid");
        endpoint.connect_with_connector(connector).await.context("etcd does not answer")
    }
}
