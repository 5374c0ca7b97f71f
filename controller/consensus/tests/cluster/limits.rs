//! Limits hold when every controller is asked at once.

use futures::future::join_all;
use npanel_model::{AccountId, AssignmentId, NodeId, OperationId, PlanId, TenantId, Timestamp, TokenId};
use npanel_proto::command::{
    Assignment, Certificate, CreateAccount, CreatePlan, CreateTenant, CreateToken, EnrolNode,
    UpdateNodeFacts, envelope::Command, outcome::Outcome, principal::Who,
};

use crate::members::{Members, envelope};

const ASKED: usize = 100;
const HASH: [u8; 32] = [7; 32];

/// A node that can carry every part, and a tenant with room for one account and a plan.
async fn ground(members: &Members) -> (NodeId, TenantId, PlanId) {
    let (node, tenant, plan, token) =
        (NodeId::generate(), TenantId::generate(), PlanId::generate(), TokenId::generate());
    let create_token = CreateToken {
        token_id: token.to_bytes(),
        role: "node".into(),
        secret_hash: HASH.to_vec(),
        uses: 1,
        expires_millis: Timestamp::now().as_millis() + 600_000,
        pool: "default".into(),
        ..CreateToken::default()
    };
    members.accept(1, members.by_admin(), Command::CreateToken(create_token)).await;
    let enrol = EnrolNode {
        node_id: node.to_bytes(),
        name: "n1".into(),
        certificate: Some(Certificate {
            serial: vec![9; 8],
            not_after_millis: i64::MAX,
            key_fingerprint: HASH.to_vec(),
            ..Certificate::default()
        }),
        token_id: token.to_bytes(),
        token_secret_hash: HASH.to_vec(),
    };
    members.accept(1, Who::TokenId(token.to_bytes()), Command::EnrolNode(enrol)).await;
    let facts = UpdateNodeFacts {
        node_id: node.to_bytes(),
        roles: vec!["web".into(), "database".into(), "dns".into()],
        address: "192.0.2.11".into(),
        php_versions: vec!["8.2".into()],
        ..UpdateNodeFacts::default()
    };
    members.accept(1, Who::ControllerId(1), Command::UpdateNodeFacts(facts)).await;
    let create = CreateTenant {
        tenant_id: tenant.to_bytes(),
        parent_id: members.root.to_bytes(),
        name: "one-more".into(),
        wrapped_data_key: vec![1],
        account_limit: Some(1),
        ..CreateTenant::default()
    };
    members.accept(1, members.by_admin(), Command::CreateTenant(create)).await;
    let create = CreatePlan {
        plan_id: plan.to_bytes(),
        tenant_id: tenant.to_bytes(),
        name: "basic".into(),
        disk_mb: 1,
        php_version: "8.2".into(),
        ..CreatePlan::default()
    };
    members.accept(1, members.by_admin(), Command::CreatePlan(create)).await;
    (node, tenant, plan)
}

fn account(number: usize, (node, tenant, plan): (NodeId, TenantId, PlanId)) -> Command {
    let assignment = |part: &str| Assignment {
        assignment_id: AssignmentId::generate().to_bytes(),
        part: part.into(),
        node_id: node.to_bytes(),
    };
    Command::CreateAccount(CreateAccount {
        account_id: AccountId::generate().to_bytes(),
        tenant_id: tenant.to_bytes(),
        plan_id: plan.to_bytes(),
        username: format!("user{number}"),
        assignments: vec![assignment("web"), assignment("database")],
        operation_id: OperationId::generate().to_bytes(),
        ..CreateAccount::default()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_that_ask_three_controllers_for_the_last_account_exactly_one_gets_it() {
    let members = Members::start(3).await;
    members.leader_among(&[1, 2, 3]).await;
    let ground = ground(&members).await;
    let asked = (0..ASKED).map(|number| {
        let at = members.member(number as u64 % 3 + 1).clone();
        let request = envelope(members.by_admin(), account(number, ground));
        tokio::spawn(async move { at.propose(request).await })
    });
    let answers = join_all(asked.collect::<Vec<_>>()).await;
    let mut made = 0;
    for answer in answers {
        match answer.expect("no panic").expect("decided").outcome.expect("an outcome") {
            Outcome::Accepted(_) => made += 1,
            Outcome::Refused(refused) => assert_eq!(refused.code, "limit_reached", "{}", refused.message),
        }
    }
    assert_eq!(made, 1);
    for at in [1, 2, 3] {
        members.member(at).linearize().await.expect("a leader");
        let shown = members.member(at).state().tenant(members.root, ground.1).await.expect("a query");
        assert_eq!(shown.expect("the tenant").usage.accounts, 1, "at controller {at}");
    }
}
