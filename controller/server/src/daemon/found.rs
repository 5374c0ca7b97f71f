//! `npanel-controller init`: makes a cluster.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use npanel_consensus::{Cluster, Dial, Leadership, Unprepared};
use npanel_model::{ActionPattern, ControllerId, Fqdn, RequestId, Secret, TenantId, Timestamp};
use npanel_pki::{
    ApiKeyText, CertificateAuthority, ClusterId, ClusterKey, ClusterKeys, ClusterSecrets, DataKey, Identity,
    Issued, KeyFingerprint, RecoveryKey,
};
use npanel_proto::command::{
    CreateApiKey, CreateCluster, EnrolController, Envelope, Principal, envelope::Command, outcome, principal,
};
use tonic::transport::{Channel, Endpoint};

use super::files::Files;
use crate::{
    authorities::{Authorities, authority_command, certificate},
    config::Config,
};

/// From this feature level on a cluster has a recovery key.
const RECOVERY_KEY_LEVEL: u32 = 4;

/// The first controller's id.
const FIRST: ControllerId = ControllerId(1);

/// An election among one takes up to two seconds.
const ELECTION: Duration = Duration::from_secs(20);

/// What `init` made.
#[derive(Debug)]
pub struct Founded {
    /// The cluster's id.
    pub cluster: ClusterId,
    /// The fingerprint of the CA's key.
    pub pin: KeyFingerprint,
    /// The first administrator's API key. Shown once: only its hash is kept.
    pub api_key: Secret,
    /// What opens the secrets in backups. Shown once: only its public half is kept. None at a feature level that knows of none.
    pub recovery_key: Option<Secret>,
    /// The CA's certificate, for clients of the API.
    pub ca_file: PathBuf,
}

/// Makes the cluster, with this machine as its first controller.
///
/// # Errors
/// If the machine is a controller already, or its files cannot be written; nothing is then left.
pub async fn found(config: &Config, name_server_domain: &Fqdn) -> anyhow::Result<Founded> {
    let staged = Files::stage(&config.data_directory, &config.machine_key).await?;
    let now = Timestamp::now();
    let cluster_id = ClusterId::generate();
    let authority = CertificateAuthority::create(cluster_id, now)?;
    let cluster_key = ClusterKey::generate();
    let api_key = ApiKeyText::generate();
    let has_recovery_key = config.max_feature_level >= RECOVERY_KEY_LEVEL;
    let recovery_key = has_recovery_key.then(RecoveryKey::generate).transpose()?;

    let secrets = ClusterSecrets::new(&authority, cluster_key.clone());
    let cluster_keys = ClusterKeys::new(cluster_key);
    let (credentials, issued) =
        Authorities::new(secrets.clone(), config.lifetimes)?.certify(Identity::Controller(FIRST), &[])?;
    let command = CreateCluster {
        recovery_key: recovery_key.as_ref().map(|key| key.public().to_bytes()).unwrap_or_default(),
        ..first_command(config, name_server_domain, &authority, &cluster_keys, &api_key, &issued)?
    };
    staged.files().save(&credentials, &secrets)?;

    let cluster = Cluster::start(
        FIRST,
        staged.files().root(),
        Arc::new(Alone),
        Arc::new(Unprepared::up_to(config.max_feature_level)),
    )
    .await?;
    cluster.found(&config.fleet_advertise).await?;
    write_first(&cluster, command).await?;
    cluster.shutdown().await?;
    drop(cluster);

    let files = staged.commit()?;
    Ok(Founded {
        cluster: cluster_id,
        pin: authority.pin(),
        api_key: api_key.reveal(),
        recovery_key: recovery_key.map(|key| key.reveal()),
        ca_file: files.identity().authorities_path(),
    })
}

fn first_command(
    config: &Config,
    name_server_domain: &Fqdn,
    authority: &CertificateAuthority,
    cluster_keys: &ClusterKeys,
    api_key: &ApiKeyText,
    issued: &Issued,
) -> anyhow::Result<CreateCluster> {
    let root = TenantId::generate();
    Ok(CreateCluster {
        cluster_id: authority.cluster().to_string(),
        root_tenant_id: root.to_bytes(),
        root_tenant_name: "platform".to_owned(),
        wrapped_data_key: cluster_keys.wrap(root, &DataKey::generate())?,
        first_key: Some(CreateApiKey {
            api_key_id: api_key.id.to_bytes(),
            tenant_id: root.to_bytes(),
            name: "first administrator".to_owned(),
            secret_hash: api_key.secret.hash().to_bytes(),
            actions: vec![ActionPattern::everything().to_string()],
            ..CreateApiKey::default()
        }),
        first_controller: Some(EnrolController {
            controller_id: FIRST.0,
            name: config.name.to_string(),
            fleet_address: config.fleet_advertise.clone(),
            certificate: Some(certificate(issued)),
            ..EnrolController::default()
        }),
        name_server_domain: name_server_domain.to_string(),
        retention_seconds: config.retention.as_secs(),
        first_authority: Some(authority_command(authority, None, cluster_keys)?),
        ..CreateCluster::default()
    })
}

async fn write_first(cluster: &Cluster, command: CreateCluster) -> anyhow::Result<()> {
    let mut leadership = cluster.leadership();
    let elected = leadership.wait_for(|now| matches!(now, Leadership::Leader { .. }));
    tokio::time::timeout(ELECTION, elected).await.context("the first controller was not elected")??;
    let envelope = Envelope {
        principal: Some(Principal { who: Some(principal::Who::ControllerId(FIRST.0)) }),
        request_id: RequestId::generate().to_bytes(),
        command: Some(Command::CreateCluster(command)),
        ..Envelope::default()
    };
    match cluster.propose(envelope).await?.outcome {
        Some(outcome::Outcome::Accepted(_)) => Ok(()),
        Some(outcome::Outcome::Refused(refused)) => {
            bail!("the cluster could not be made: {}", refused.message)
        }
        None => bail!("the cluster could not be made: no outcome"),
    }
}

/// The first controller has nobody to call.
struct Alone;

impl Dial for Alone {
    fn channel(&self, _: ControllerId, _: &str) -> Channel {
        Endpoint::from_static("http://controller.invalid").connect_lazy()
    }
}
