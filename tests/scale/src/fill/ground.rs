//! What accounts stand on: resellers with their plans, and nodes.

use anyhow::Result;
use npanel_proto::command::{
    Certificate, CreatePlan, CreateTenant, CreateToken, EnrolNode, UpdateNodeFacts, envelope::Command,
    principal::Who,
};

use super::Filler;

/// So many accounts a reseller has on average, and a node gets.
const OF_A_RESELLER: u64 = 1_000;
const OF_A_NODE: u64 = 2_000;
/// There are at least so many nodes, and so many of the newest get what is new.
const FEWEST_NODES: u64 = 4;
pub(super) const OPEN_NODES: usize = 4;
const TOKEN_MILLIS: i64 = 15 * 60 * 1000;
const SECRET_HASH: [u8; 32] = [7; 32];

/// A reseller and its plan.
#[derive(Debug, Clone)]
pub(super) struct Reseller {
    pub(super) tenant: Vec<u8>,
    pub(super) plan: Vec<u8>,
}

impl Filler {
    /// Takes in another reseller and another node where there are not enough for one more account.
    pub(super) async fn widen(&mut self) -> Result<()> {
        while (self.resellers.len() as u64) <= self.accounts / OF_A_RESELLER {
            self.reseller().await?;
        }
        while (self.nodes.len() as u64) < self.accounts / OF_A_NODE + FEWEST_NODES {
            self.node().await?;
        }
        Ok(())
    }

    async fn reseller(&mut self) -> Result<()> {
        let (tenant, plan, number) = (self.draw.id(), self.draw.id(), self.resellers.len());
        self.command(Command::CreateTenant(CreateTenant {
            tenant_id: tenant.clone(),
            parent_id: self.root.to_bytes(),
            name: format!("reseller-{number}"),
            wrapped_data_key: vec![1; 60],
            account_limit: None,
            may_oversell: false,
            ..CreateTenant::default()
        }))
        .await?;
        self.command(Command::CreatePlan(CreatePlan {
            plan_id: plan.clone(),
            tenant_id: tenant.clone(),
            name: "basic".into(),
            disk_mb: 1_000,
            domains: Some(10),
            databases: Some(10),
            php_version: "8.2".into(),
            ..CreatePlan::default()
        }))
        .await?;
        self.resellers.push(Reseller { tenant, plan });
        Ok(())
    }

    async fn node(&mut self) -> Result<()> {
        let (node, token, serial, number) =
            (self.draw.id(), self.draw.id(), self.draw.id(), self.nodes.len());
        self.command(Command::CreateToken(CreateToken {
            token_id: token.clone(),
            role: "node".into(),
            secret_hash: SECRET_HASH.to_vec(),
            uses: 1,
            expires_millis: self.draw.now + TOKEN_MILLIS,
            pool: "default".into(),
            ..CreateToken::default()
        }))
        .await?;
        let certificate = Certificate {
            serial,
            not_after_millis: i64::MAX,
            key_fingerprint: SECRET_HASH.to_vec(),
            ..Certificate::default()
        };
        let enrol = Command::EnrolNode(EnrolNode {
            node_id: node.clone(),
            name: format!("scale-{number}"),
            certificate: Some(certificate),
            token_id: token.clone(),
            token_secret_hash: SECRET_HASH.to_vec(),
        });
        self.by(Who::TokenId(token), enrol).await?;
        self.command(Command::UpdateNodeFacts(UpdateNodeFacts {
            node_id: node.clone(),
            roles: vec!["web".into(), "database".into(), "dns".into()],
            address: format!("198.51.100.{}", number % 250 + 1),
            os_profile: "debian-12".into(),
            php_versions: vec!["8.2".into()],
            version: "0.1.0".into(),
            disk_mb: 1_000_000_000,
            memory_mb: 1_000_000,
            ..UpdateNodeFacts::default()
        }))
        .await?;
        self.nodes.push(node);
        Ok(())
    }
}
