//! One account with what customers have.

use anyhow::Result;
use npanel_proto::command::{
    AddRecordSet, Assignment, CreateAccount, CreateDatabase, CreateDomain, CreateZone, ZoneAssignment,
    envelope::Command,
};

use super::{Filler, ground::OPEN_NODES};
use crate::draw::Draw;

/// What each account comes to: itself, a domain, its zone, two record sets (address and mail), and a database.
pub const OBJECTS: u64 = 6;

impl Filler {
    pub(super) async fn account(&mut self) -> Result<()> {
        let reseller = self.draw.any(&self.resellers).clone();
        let open = self.nodes.len().saturating_sub(OPEN_NODES);
        let node = self.draw.any(&self.nodes[open..]).clone();
        let servers: Vec<_> = self.draw.two(&self.nodes[open..]).into_iter().cloned().collect();
        let (account, site, zone, database) =
            (self.draw.id(), self.draw.id(), self.draw.id(), self.draw.id());
        let name = Draw::scattered(self.accounts);
        let (username, operation) = (format!("u{name}"), self.draw.id());
        let part = |draw: &mut Draw, part: &str| Assignment {
            assignment_id: draw.id(),
            part: part.into(),
            node_id: node.clone(),
        };
        let assignments = vec![part(&mut self.draw, "web"), part(&mut self.draw, "database")];
        let domain = self.domain(&account, &site, &zone, &format!("{name}.example"), &servers, &operation);
        self.command(Command::CreateAccount(CreateAccount {
            account_id: account.clone(),
            tenant_id: reseller.tenant,
            plan_id: reseller.plan,
            username: username.clone(),
            contact: format!("owner@{name}.example"),
            domain: Some(domain),
            assignments,
            operation_id: operation,
            ..CreateAccount::default()
        }))
        .await?;
        let operation_id = self.draw.id();
        self.command(Command::CreateDatabase(CreateDatabase {
            database_id: database.clone(),
            account_id: account.clone(),
            name: format!("{username}_shop"),
            operation_id,
        }))
        .await?;
        for (kind, object) in [("account", &account), ("site", &site), ("database", &database)] {
            self.converged(&node, kind, object, 1).await?;
        }
        for server in &servers {
            // Made without the domain's address, which came next.
            self.converged(server, "zone", &zone, 2).await?;
        }
        Ok(())
    }

    fn domain(
        &mut self,
        account: &[u8],
        site: &[u8],
        zone: &[u8],
        name: &str,
        servers: &[Vec<u8>],
        operation: &[u8],
    ) -> CreateDomain {
        let mail = AddRecordSet {
            record_set_id: self.draw.id(),
            zone_id: zone.to_vec(),
            name: "@".into(),
            r#type: "MX".into(),
            ttl_seconds: 3600,
            records: vec![format!("10 mail.{name}.")],
            operation_id: operation.to_vec(),
        };
        let assignments = servers
            .iter()
            .map(|server| ZoneAssignment { assignment_id: self.draw.id(), node_id: server.clone() })
            .collect();
        CreateDomain {
            domain_id: site.to_vec(),
            account_id: account.to_vec(),
            name: name.into(),
            document_root: format!("web/{name}"),
            operation_id: operation.to_vec(),
            zone: Some(CreateZone {
                zone_id: zone.to_vec(),
                account_id: account.to_vec(),
                name: name.into(),
                provider: "powerdns".into(),
                record_sets: vec![mail],
                assignments,
                operation_id: operation.to_vec(),
            }),
        }
    }
}
