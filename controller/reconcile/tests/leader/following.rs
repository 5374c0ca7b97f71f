//! What many accounts follow goes on, batch after batch, until none is left.

use npanel_model::{AccountId, OperationId, TenantId};
use npanel_proto::command::{CreateAccount, CreateTenant, SuspendTenant, UnsuspendTenant, envelope::Command};
use npanel_state::{AccountFilter, Page};

use crate::{fleet::Fleet, played_node::PlayedNode};

/// More than two batches.
const MANY: usize = 230;

impl Fleet {
    async fn tenant_with(&self, accounts: usize) -> TenantId {
        let tenant = TenantId::generate();
        let create = CreateTenant {
            tenant_id: tenant.to_bytes(),
            parent_id: self.root.to_bytes(),
            name: "acme".into(),
            wrapped_data_key: vec![1; 60],
            ..CreateTenant::default()
        };
        self.accept(Command::CreateTenant(create)).await;
        for number in 0..accounts {
            let command = self.account_command(AccountId::generate(), &format!("u{number}"), "none.example");
            let Command::CreateAccount(body) = command else { panic!("another command") };
            let create = CreateAccount { tenant_id: tenant.to_bytes(), domain: None, ..body };
            self.accept(Command::CreateAccount(create)).await;
        }
        tenant
    }

    async fn suspended(&self) -> usize {
        let filter = AccountFilter { suspended: Some(true), ..AccountFilter::default() };
        let page = Page { limit: 1000, ..Page::default() };
        self.state().accounts(self.root, filter, &page).await.expect("a list").len()
    }
}

#[tokio::test]
async fn the_leader_has_all_accounts_follow_their_tenants_suspension_and_its_end() {
    let fleet = Fleet::new().await;
    let node = PlayedNode::new(&["web", "database", "dns"]);
    node.grow(1_000_000);
    let _connection = fleet.connect(fleet.enrol("n1").await, &node).await;
    let tenant = fleet.tenant_with(MANY).await;
    let (down, up) = (OperationId::generate(), OperationId::generate());
    let suspend = SuspendTenant {
        tenant_id: tenant.to_bytes(),
        reason: "unpaid".into(),
        operation_id: down.to_bytes(),
        kind: "billing".into(),
    };
    fleet.accept(Command::SuspendTenant(suspend)).await;
    fleet.until("all accounts rest on their node", async || fleet.is_finished(down).await).await;
    assert_eq!(fleet.suspended().await, MANY);
    let lift = UnsuspendTenant { tenant_id: tenant.to_bytes(), operation_id: up.to_bytes() };
    fleet.accept(Command::UnsuspendTenant(lift)).await;
    fleet.until("all accounts are served again", async || fleet.is_finished(up).await).await;
    assert_eq!(fleet.suspended().await, 0);
}
