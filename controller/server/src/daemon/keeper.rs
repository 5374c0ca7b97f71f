//! Keeps this controller's own certificates good, and its authorities those of the state.
//!
//! A controller holds the authority's key, so it certifies itself: before anything else when it starts, and again
//! whenever its certificate is due. Nobody has to be reached for that, so controllers that were all away for longer
//! than a certificate lives find each other again. The state is told of the certificate when it can be.
//!
//! Everything is compared again and again, by the clock on the wall: a jump of the clock is one more difference.

use std::{sync::Mutex, time::Duration};

use anyhow::Context;
use npanel_consensus::Cluster;
use npanel_model::Timestamp;
use npanel_pki::{
    AuthorityError, CertificateAuthority, ClusterKeys, ClusterSecrets, Credentials, Due, Identity,
    KeyFingerprint, Lifetimes, LiveCredentials,
};
use npanel_proto::command::{
    Certificate, Envelope, Principal, RenewIdentity, RetireAuthority, envelope::Command, outcome::Outcome,
    principal::Who,
};
use npanel_state::Authority;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use super::{cluster_keys::Asking, files::Unlocked};
use crate::authorities::Authorities;

/// How often everything is compared. Short against the shortest life of a certificate.
const EVERY: Duration = Duration::from_secs(1);

/// What is kept.
pub(super) struct Keeper {
    pub(super) identity: Identity,
    pub(super) files: Unlocked,
    pub(super) authorities: Authorities,
    /// What the fleet sees.
    pub(super) fleet: LiveCredentials,
    /// What clients of the API see; its key never touches the disk.
    pub(super) api: LiveCredentials,
    pub(super) api_names: Vec<ServerName<'static>>,
}

/// Why these credentials are to be replaced now.
fn due(credentials: &Credentials, authorities: &Authorities, lifetime: Duration) -> Option<Due> {
    let (own, now) = (credentials.own(), Timestamp::now());
    own.due(now)
        .or_else(|| own.outlives(lifetime, now).then_some(Due::TooLong))
        .or_else(|| (credentials.issuer() != Some(authorities.pin())).then_some(Due::OtherAuthority))
}

impl Keeper {
    /// Takes charge of what is on disk, renewed if it is due.
    pub(super) fn open(
        identity: Identity,
        files: Unlocked,
        authorities: Authorities,
        credentials: Credentials,
        api_names: Vec<ServerName<'static>>,
    ) -> anyhow::Result<Self> {
        let (api, _) = authorities.certify(identity, &api_names)?;
        let (fleet, api) = (LiveCredentials::new(credentials), LiveCredentials::new(api));
        let keeper = Self { identity, files, authorities, fleet, api, api_names };
        keeper.renew_own()?;
        Ok(keeper)
    }

    fn lifetimes(&self) -> Lifetimes {
        self.authorities.lifetimes()
    }

    /// Compares again and again. `issuing` is told which authority issues. Ends with the cluster.
    pub(super) async fn run(self, cluster: Cluster, issuing: watch::Sender<Vec<u8>>) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut known, asking) = (None, Mutex::new(Asking::default()));
        loop {
            ticks.tick().await;
            // Before the authorities, whose keys are sealed by them.
            if let Err(error) = self.follow_cluster_keys(&cluster, &asking).await {
                tracing::error!(error = format!("{error:#}"), "the cluster keys cannot be kept up to date");
            }
            if let Err(error) = self.compare(&cluster, &mut known).await {
                tracing::error!(error = format!("{error:#}"), "the certificates cannot be kept up to date");
            }
            let pin = self.authorities.pin().to_bytes();
            issuing.send_if_modified(|now| std::mem::replace(now, pin.clone()) != pin);
        }
    }

    /// `known`: how far the state was when its authorities were last looked at.
    async fn compare(&self, cluster: &Cluster, known: &mut Option<u64>) -> anyhow::Result<()> {
        let applied = *cluster.applied().borrow();
        if *known != Some(applied) {
            self.follow_authorities(cluster).await?;
            *known = Some(applied);
        }
        self.renew_own()?;
        self.renew_api()?;
        if cluster.status().leader.is_some() {
            self.record(cluster).await?;
        }
        self.retire_unneeded(cluster).await
    }

    /// Has the authorities of the state on disk and in use.
    async fn follow_authorities(&self, cluster: &Cluster) -> anyhow::Result<()> {
        let rows = cluster.state().authorities().await?;
        // A state without any: of a controller that has not caught up yet.
        let Some((issuing, older)) = rows.split_first().filter(|(first, _)| first.issuing) else {
            return Ok(());
        };
        let now = self.authorities.secrets();
        let next = secrets(issuing, older, now.cluster_keys())
            .context("an authority in the state cannot be used")?;
        if next != now {
            self.files.save_secrets(&next)?;
            self.authorities.replace(next)?;
            tracing::info!(issuing = %self.authorities.pin(), trusted = rows.len(), "the authorities have changed");
        }
        Ok(())
    }

    fn renew_own(&self) -> anyhow::Result<()> {
        let Some(why) = self.why(&self.fleet) else { return Ok(()) };
        let (next, issued) = self.authorities.certify(self.identity, &[])?;
        self.files.save_identity(&next)?;
        self.fleet.replace(next);
        tracing::info!(why, until = %issued.not_after, "this controller has a new certificate");
        Ok(())
    }

    fn renew_api(&self) -> anyhow::Result<()> {
        let Some(why) = self.why(&self.api) else { return Ok(()) };
        let (next, issued) = self.authorities.certify(self.identity, &self.api_names)?;
        self.api.replace(next);
        tracing::info!(why, until = %issued.not_after, "the API has a new certificate");
        Ok(())
    }

    /// Why what is shown is to be replaced now. A chain leads to every authority that is trusted and to no other, so
    /// it is made anew when one is retired, too.
    fn why(&self, shown: &LiveCredentials) -> Option<&'static str> {
        let now = shown.current();
        let lifetime = self.lifetimes().of(self.identity);
        due(&now, &self.authorities, lifetime).map(Due::as_str).or_else(|| {
            (now.authorities() != self.authorities.trusted()).then_some("other authorities are trusted")
        })
    }

    /// Tells the state of the certificate in use, unless it knows.
    async fn record(&self, cluster: &Cluster) -> anyhow::Result<()> {
        let now = self.fleet.current();
        let own = now.own();
        if cluster.state().identity(&own.serial).await?.is_some() {
            return Ok(());
        }
        let certificate = Certificate {
            serial: own.serial.clone(),
            not_after_millis: own.not_after.as_millis(),
            key_fingerprint: own.key.to_bytes(),
            authority_fingerprint: now.issuer().map(KeyFingerprint::to_bytes).unwrap_or_default(),
        };
        let command = RenewIdentity { certificate: Some(certificate), ..RenewIdentity::default() };
        self.propose(cluster, Command::RenewIdentity(command)).await
    }

    /// On the leader: the authority before the last rotation goes once no machine needs it, and one that lost the
    /// answer to its renewal has come again.
    async fn retire_unneeded(&self, cluster: &Cluster) -> anyhow::Result<()> {
        if !cluster.leadership().borrow().is_leader() || self.authorities.trusted().len() < 2 {
            return Ok(());
        }
        let rows = cluster.state().authorities().await?;
        let overlap = rows.first().map(|issuing| Timestamp::now().since(issuing.created_at));
        if overlap.is_none_or(|overlap| overlap < self.lifetimes().node) {
            return Ok(());
        }
        for old in rows.iter().filter(|authority| !authority.issuing) {
            if cluster.state().machines_of(&old.key_fingerprint).await? == 0 {
                let key_fingerprint = old.key_fingerprint.clone();
                tracing::info!("no machine needs the old authority any more; it is retired");
                let command = RetireAuthority { key_fingerprint, force: false };
                self.propose(cluster, Command::RetireAuthority(command)).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn propose(&self, cluster: &Cluster, command: Command) -> anyhow::Result<()> {
        let envelope = Envelope {
            principal: Some(Principal { who: Some(Who::ControllerId(cluster.id().0)) }),
            command: Some(command),
            ..Envelope::default()
        };
        match cluster.propose(envelope).await?.outcome {
            Some(Outcome::Refused(why)) => anyhow::bail!("the cluster refuses: {}", why.message),
            Some(Outcome::Accepted(_)) | None => Ok(()),
        }
    }
}

/// The cluster's secrets with the authorities of the state.
fn secrets(
    issuing: &Authority,
    older: &[Authority],
    cluster_keys: ClusterKeys,
) -> anyhow::Result<ClusterSecrets> {
    let pin = KeyFingerprint::from_bytes(&issuing.key_fingerprint)?;
    let key = cluster_keys.unwrap_authority(pin, &issuing.sealed_key)?;
    let der = |bytes: &[u8]| CertificateDer::from(bytes.to_vec());
    let authority: Result<_, AuthorityError> =
        CertificateAuthority::with_key(der(&issuing.certificate), &key);
    let cross: Vec<_> = Some(&issuing.cross_certificate)
        .filter(|cross| !cross.is_empty())
        .map(|cross| der(cross))
        .into_iter()
        .collect();
    let older: Vec<_> = older.iter().map(|authority| der(&authority.certificate)).collect();
    Ok(ClusterSecrets::rotated(&authority?, &cross, &older, cluster_keys))
}
