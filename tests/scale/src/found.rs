//! A cluster in an empty state, for what is measured without controllers.

use anyhow::{Context, Result};
use npanel_model::{ApiKeyId, TenantId};
use npanel_proto::command::{
    Certificate, CreateApiKey, CreateCluster, EnrolController, Envelope, Principal, envelope::Command,
    outcome, principal::Who,
};
use npanel_state::{FEATURE_LEVEL, LogPosition, LogRecord, RecordPayload, Store};

/// The first administrator's, of a cluster that was founded here.
#[derive(Debug, Clone, Copy)]
pub struct Founded {
    /// The platform's own tenant.
    pub root: TenantId,
    /// A key that may do everything.
    pub admin: ApiKeyId,
}

impl Founded {
    /// What [`found`] makes: the same each time.
    #[must_use]
    pub fn here() -> Self {
        let of_ones = |byte| [byte; 16];
        Self {
            root: TenantId::from_bytes(&of_ones(1)).expect("sixteen bytes"),
            admin: ApiKeyId::from_bytes(&of_ones(2)).expect("sixteen bytes"),
        }
    }
}

/// Founds a cluster in an empty store, at a time in milliseconds since 1970.
///
/// # Errors
/// If it is not empty.
pub async fn found(store: &Store, at_millis: i64) -> Result<Founded> {
    let Founded { root, admin } = Founded::here();
    let first_key = CreateApiKey {
        api_key_id: admin.to_bytes(),
        tenant_id: root.to_bytes(),
        name: "admin".into(),
        secret_hash: vec![7; 32],
        actions: vec!["*".into()],
        ..CreateApiKey::default()
    };
    let certificate = Certificate {
        serial: vec![1],
        not_after_millis: i64::MAX,
        key_fingerprint: vec![7; 32],
        ..Certificate::default()
    };
    let first_controller = EnrolController {
        controller_id: 1,
        name: "c1".into(),
        fleet_address: "c1.example:8444".into(),
        certificate: Some(certificate),
        ..EnrolController::default()
    };
    let create = CreateCluster {
        cluster_id: "scale".into(),
        root_tenant_id: root.to_bytes(),
        root_tenant_name: "platform".into(),
        wrapped_data_key: vec![1],
        first_key: Some(first_key),
        first_controller: Some(first_controller),
        name_server_domain: "ns.example".into(),
        retention_seconds: 7 * 24 * 3600,
        ..CreateCluster::default()
    };
    let envelope = Envelope {
        principal: Some(Principal { who: Some(Who::ControllerId(1)) }),
        feature_level: FEATURE_LEVEL,
        time_millis: at_millis,
        command: Some(Command::CreateCluster(create)),
        ..Envelope::default()
    };
    let position = LogPosition { term: 1, leader: 1, index: 1 };
    let record = LogRecord { position, payload: RecordPayload::Command(envelope.into()) };
    let outcome = store.apply(vec![record]).await?.pop().and_then(|outcome| outcome.outcome);
    match outcome.context("no outcome")? {
        outcome::Outcome::Accepted(_) => Ok(Founded { root, admin }),
        outcome::Outcome::Refused(refused) => anyhow::bail!("{}", refused.message),
    }
}
