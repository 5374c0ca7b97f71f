//! `npanel-controller join`: makes this machine one more controller of a cluster.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, bail};
use npanel_model::ControllerId;
use npanel_pki::{BootstrapToken, Credentials, Identity, JoinKey, PrivateKey, tls};
use npanel_proto::{
    controller::{JoinRequest, controller_client::ControllerClient},
    enrolment::{EnrolRequest, Role, enrolment_client::EnrolmentClient},
};
use rustls::pki_types::CertificateDer;

use super::{dial::lazy_channel, files::Files};
use crate::config::Config;

/// Everything that `join` asks is answered at once by a healthy cluster; a write may wait for an election.
const DEADLINE: Duration = Duration::from_secs(30);

/// What `join` made.
#[derive(Debug)]
pub struct Joined {
    /// This controller's id.
    pub id: ControllerId,
    /// The CA's certificate, for clients of the API.
    pub ca_file: std::path::PathBuf,
}

/// Enrols this machine as a controller with the help of the one at `controller` (`HOST:PORT`), and takes the
/// cluster's keys over. The cluster adds it to its members once its daemon runs.
///
/// # Errors
/// If the machine is a controller already, the token is not valid, or the CA's key does not match the token's
/// pin; nothing is then left.
pub async fn join(config: &Config, token: &BootstrapToken, controller: &str) -> anyhow::Result<Joined> {
    let staged = Files::stage(&config.data_directory, &config.machine_key).await?;
    let key = PrivateKey::generate()?;
    let credentials = tokio::time::timeout(DEADLINE, enrol(config, token, controller, key))
        .await
        .with_context(|| format!("{controller} did not answer in time"))??;
    let Identity::Controller(id) = credentials.id().identity else {
        bail!("the cluster gave an identity that is not a controller's");
    };
    let sealing = JoinKey::generate()?;
    let channel = lazy_channel(tls::controller_client(&credentials)?, controller.to_owned(), None);
    let request = JoinRequest { sealing_key: sealing.public().to_vec() };
    let answer = tokio::time::timeout(DEADLINE, ControllerClient::new(channel).join(request))
        .await
        .with_context(|| format!("{controller} did not answer in time"))?
        .map_err(|status| anyhow::anyhow!("the cluster's keys were refused: {}", status.message()))?;
    let secrets = sealing.open(credentials.id(), &answer.into_inner().sealed_keys)?;
    staged.files().save(&credentials, &secrets)?;
    let files = staged.commit()?;
    Ok(Joined { id, ca_file: files.identity().authorities_path() })
}

async fn enrol(
    config: &Config,
    token: &BootstrapToken,
    controller: &str,
    key: PrivateKey,
) -> anyhow::Result<Credentials> {
    let channel = lazy_channel(tls::enrolling_client(token.pin)?, controller.to_owned(), None);
    let request = EnrolRequest {
        token: token.credential.reveal().expose().to_owned(),
        role: Role::Controller.into(),
        certificate_request: key.certificate_request()?,
        name: config.name.to_string(),
        fleet_address: config.fleet_advertise.clone(),
        max_feature_level: config.max_feature_level,
    };
    let answer = EnrolmentClient::new(channel)
        .enrol(request)
        .await
        .map_err(|status| enrolment_failure(controller, status))?
        .into_inner();
    let certificates = |all: Vec<Vec<u8>>| all.into_iter().map(CertificateDer::from).collect();
    Ok(Credentials::new(key, certificates(answer.certificate_chain), certificates(answer.trusted_cas))?)
}

fn enrolment_failure(controller: &str, status: tonic::Status) -> anyhow::Error {
    let status: Arc<dyn std::error::Error + Send + Sync> = Arc::new(status);
    let mut cause: Option<&dyn std::error::Error> = Some(status.as_ref());
    while let Some(error) = cause {
        if let Some(refusal) = error.downcast_ref::<std::io::Error>().and_then(tls::refusal) {
            return anyhow::anyhow!("{controller} was not trusted: {refusal}");
        }
        cause = error.source();
    }
    anyhow::anyhow!("{controller} did not enrol this machine: {status}")
}
