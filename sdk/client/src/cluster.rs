//! The controllers together: how they are, their backups, their authorities and keys.

use std::time::Duration;

use npanel_model::ControllerId;
use npanel_sdk_types::{
    BackupMade, BackupTo, Ca, ClusterStatus, MakeBackup, Operation, ReplaceController, RetireCa, RotateCa,
    RotateSecrets, SecretsStatus, Token, UpdateCluster,
};
use reqwest::Method;

use crate::{Client, Download, Error, Terms, Wait, transport::Call};

const BACKUP: &str = "/v1/cluster/backup";

/// A state of gigabytes is copied and written elsewhere.
const BACKUP_PATIENCE: Duration = Duration::from_secs(3600 + 600);

impl Client {
    /// The controllers and their agreement.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn cluster_status(&self) -> Result<ClusterStatus, Error> {
        self.read("/v1/cluster".to_owned(), &[]).await
    }

    /// A backup of the state, as it comes: an archive for `npanel-backup`. It is made of what the controller that is asked has.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn backup(&self) -> Result<Download, Error> {
        self.transport.download(Call::new(Method::POST, BACKUP.to_owned()).with_body(b"{}".to_vec())).await
    }

    /// Has a controller write a backup of the state to its bucket.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn backup_to_bucket(&self) -> Result<BackupMade, Error> {
        let body = serde_json::to_vec(&MakeBackup { to: BackupTo::Bucket }).expect("it is valid JSON");
        let call = Call::new(Method::POST, BACKUP.to_owned()).with_body(body).patient(BACKUP_PATIENCE);
        self.transport.send(call).await?.json()
    }

    /// Takes a controller out of the cluster for good.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn remove_controller(&self, id: ControllerId) -> Result<(), Error> {
        self.remove(format!("/v1/controllers/{id}"), Wait::No.into()).await.map(drop)
    }

    /// Makes a token for a controller that takes the place of one that is dead.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn replace_controller(
        &self,
        id: ControllerId,
        body: &ReplaceController,
    ) -> Result<Token, Error> {
        let path = format!("/v1/controllers/{id}/replace");
        Ok(self.write(Method::POST, path, Some(body), Wait::No.into()).await?.object)
    }

    /// The certificate authorities.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn ca(&self) -> Result<Ca, Error> {
        self.read("/v1/ca".to_owned(), &[]).await
    }

    /// Makes a new certificate authority, which issues from now on.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn rotate_ca(&self) -> Result<Ca, Error> {
        Ok(self
            .write(Method::POST, "/v1/ca/rotate".to_owned(), Some(&RotateCa {}), Wait::No.into())
            .await?
            .object)
    }

    /// Has the certificate authority before the last rotation trusted no longer.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn retire_ca(&self, body: &RetireCa) -> Result<Ca, Error> {
        Ok(self.write(Method::POST, "/v1/ca/retire".to_owned(), Some(body), Wait::No.into()).await?.object)
    }

    /// The keys that secrets are sealed by, and how far their rotation is.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn secrets(&self) -> Result<SecretsStatus, Error> {
        self.read("/v1/secrets".to_owned(), &[]).await
    }

    /// Has the keys that secrets are sealed by changed.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn rotate_secrets(&self, body: &RotateSecrets, wait: Wait) -> Result<Operation, Error> {
        let path = "/v1/secrets/rotate".to_owned();
        Ok(self.write(Method::POST, path, Some(body), wait.into()).await?.object)
    }

    /// Changes the cluster's settings.
    ///
    /// # Errors
    /// If it is refused or no controller can be reached.
    pub async fn update_cluster(
        &self,
        change: &UpdateCluster,
        terms: impl Into<Terms>,
    ) -> Result<ClusterStatus, Error> {
        Ok(self.write(Method::PATCH, "/v1/cluster".to_owned(), Some(change), terms.into()).await?.object)
    }
}
