//! A fleet's first day as entries of the log: something of every noun, all of it fixed.

use std::{collections::BTreeMap, sync::Arc};

use npanel_proto::command::{envelope::Command, principal::Who, *};
use npanel_state::FEATURE_LEVEL;
use openraft::{BasicNode, CommittedLeaderId, EntryPayload, Membership};

use crate::types::{Entry, LogId, Logged};

const NOW: i64 = 1_800_000_000_000;
const SECRET_HASH: [u8; 32] = [7; 32];

/// The id of something: a UUID like any other.
fn id(number: u8) -> Vec<u8> {
    let mut bytes = [0; 16];
    (bytes[6], bytes[8], bytes[15]) = (0x70, 0x80, number);
    bytes.to_vec()
}

const ROOT: u8 = 1;
const ADMIN: u8 = 2;
const NODE: u8 = 3;
const ACME: u8 = 4;
const ACMES_KEY: u8 = 5;
const PLAN: u8 = 6;
const ACCOUNT: u8 = 7;
const DOMAIN: u8 = 8;
const ZONE: u8 = 9;
const DATABASE: u8 = 10;
const USER: u8 = 11;
const NODES_TOKEN: u8 = 12;
const CONTROLLERS_TOKEN: u8 = 13;
const RECORDS: u8 = 14;
const WEBHOOK: u8 = 15;

/// What was asked, by whom, in order.
fn asked() -> Vec<(Who, Command)> {
    let admin = || Who::ApiKeyId(id(ADMIN));
    let acme = || Who::ApiKeyId(id(ACMES_KEY));
    let fleet = || Who::ControllerId(1);
    vec![
        (fleet(), Command::CreateCluster(cluster())),
        (
            fleet(),
            Command::CreateAuditKey(CreateAuditKey { public_key: vec![1; 32], sealed_key: vec![2; 60] }),
        ),
        (admin(), Command::CreateToken(token(NODES_TOKEN, "node"))),
        (Who::TokenId(id(NODES_TOKEN)), Command::EnrolNode(node())),
        (fleet(), Command::UpdateNodeFacts(facts())),
        (admin(), Command::CreateTenant(tenant())),
        (admin(), Command::CreateApiKey(key(ACMES_KEY, ACME))),
        (acme(), Command::CreatePlan(plan())),
        (acme(), Command::CreateAccount(account())),
        (acme(), Command::CreateDatabase(database())),
        (acme(), Command::CreateDatabaseUser(database_user())),
        (acme(), Command::AddRecordSet(record_set())),
        (acme(), Command::SetCronJobs(cron_jobs())),
        (acme(), Command::CreateWebhook(webhook())),
        (fleet(), Command::RecordObservations(observations())),
        (fleet(), Command::RecordEvents(events())),
        // The name is taken.
        (acme(), Command::CreateDatabase(CreateDatabase { database_id: id(90), ..database() })),
        (
            admin(),
            Command::UpdateNode(UpdateNode {
                node_id: id(NODE),
                pool: Some("p2".into()),
                ..UpdateNode::default()
            }),
        ),
        (
            admin(),
            Command::UpdateCluster(UpdateCluster {
                operation_retention_seconds: Some(864_000),
                ..UpdateCluster::default()
            }),
        ),
        (
            admin(),
            Command::UpdateTenant(UpdateTenant {
                tenant_id: id(ACME),
                name: Some("acme-2".into()),
                ..UpdateTenant::default()
            }),
        ),
        (
            acme(),
            Command::UpdatePlan(UpdatePlan {
                plan_id: id(PLAN),
                disk_mb: Some(2000),
                operation_id: id(61),
                ..UpdatePlan::default()
            }),
        ),
        (
            acme(),
            Command::SuspendAccount(SuspendAccount {
                account_id: id(ACCOUNT),
                reason: "unpaid".into(),
                operation_id: id(62),
                ..SuspendAccount::default()
            }),
        ),
        (
            acme(),
            Command::UnsuspendAccount(UnsuspendAccount { account_id: id(ACCOUNT), operation_id: id(63) }),
        ),
        (
            acme(),
            Command::SetDatabasePassword(SetDatabasePassword {
                database_user_id: id(USER),
                sealed_password_hash: vec![9; 40],
                operation_id: id(64),
            }),
        ),
        (admin(), Command::CreateToken(token(CONTROLLERS_TOKEN, "controller"))),
        (Who::TokenId(id(CONTROLLERS_TOKEN)), Command::EnrolController(second_controller())),
        (fleet(), Command::RecordNodeConditions(conditions())),
        (
            acme(),
            Command::DeleteDatabase(DeleteDatabase {
                database_id: id(DATABASE),
                operation_id: id(65),
                retention_seconds: Some(60),
            }),
        ),
        (admin(), Command::RemoveController(RemoveController { controller_id: 2 })),
        (fleet(), Command::PurgeChanges(PurgeChanges { most: 1 })),
        (
            acme(),
            Command::DeleteAccount(DeleteAccount {
                account_id: id(ACCOUNT),
                operation_id: id(66),
                retention_seconds: None,
            }),
        ),
    ]
}

/// All of it, with what the consensus itself writes, and one request twice.
pub(super) fn entries() -> Vec<Entry> {
    let nodes: BTreeMap<u64, BasicNode> = [(1, BasicNode::new("c1.example:8444"))].into();
    let membership = EntryPayload::Membership(Membership::new(vec![[1].into()], nodes));
    let mut asked = asked();
    let again = asked[7].clone();
    asked.insert(10, again);
    let command = |(number, (who, command)): (u8, (Who, Command))| {
        // The one that is asked twice is asked by the same request.
        let request = if number == 10 { 7 } else { number };
        EntryPayload::Normal(Logged::from(Arc::new(envelope(request, i64::from(number), who, command))))
    };
    let payloads = [membership, EntryPayload::Blank].into_iter().chain((0..).zip(asked).map(command));
    let entry = |(index, payload)| {
        let term = u64::from(index > 0);
        Entry { log_id: LogId::new(CommittedLeaderId::new(term, term), index), payload }
    };
    (0..).zip(payloads).map(entry).collect()
}

fn envelope(request: u8, at: i64, who: Who, command: Command) -> Envelope {
    let is_callers = matches!(who, Who::ApiKeyId(_) | Who::TokenId(_));
    Envelope {
        principal: Some(Principal { who: Some(who) }),
        source_address: if is_callers { "192.0.2.7".into() } else { String::new() },
        request_id: id(100 + request),
        idempotency_key: if is_callers { format!("request/{request}") } else { String::new() },
        request_digest: if is_callers { vec![request; 32] } else { Vec::new() },
        time_millis: NOW + at * 1000,
        feature_level: FEATURE_LEVEL,
        command: Some(command),
        ..Envelope::default()
    }
}

fn certificate(serial: u8) -> Certificate {
    Certificate {
        serial: vec![serial; 8],
        not_after_millis: NOW + 86_400_000,
        key_fingerprint: vec![serial; 32],
        authority_fingerprint: vec![3; 32],
    }
}

fn cluster() -> CreateCluster {
    CreateCluster {
        cluster_id: "golden".into(),
        root_tenant_id: id(ROOT),
        root_tenant_name: "platform".into(),
        wrapped_data_key: vec![1; 60],
        first_key: Some(key(ADMIN, ROOT)),
        first_controller: Some(EnrolController {
            controller_id: 1,
            name: "c1".into(),
            fleet_address: "c1.example:8444".into(),
            certificate: Some(certificate(1)),
            ..EnrolController::default()
        }),
        name_server_domain: "ns.example".into(),
        retention_seconds: 3600,
        first_authority: Some(Authority {
            key_fingerprint: vec![3; 32],
            certificate: vec![4; 100],
            cross_certificate: Vec::new(),
            sealed_key: vec![5; 60],
            not_after_millis: NOW + 864_000_000,
        }),
        ..CreateCluster::default()
    }
}

fn second_controller() -> EnrolController {
    EnrolController {
        controller_id: 2,
        name: "c2".into(),
        fleet_address: "c2.example:8444".into(),
        certificate: Some(certificate(2)),
        token_id: id(CONTROLLERS_TOKEN),
        token_secret_hash: SECRET_HASH.to_vec(),
    }
}

fn key(number: u8, tenant: u8) -> CreateApiKey {
    CreateApiKey {
        api_key_id: id(number),
        tenant_id: id(tenant),
        name: "golden".into(),
        secret_hash: SECRET_HASH.to_vec(),
        actions: vec!["*".into()],
        ..CreateApiKey::default()
    }
}

fn token(number: u8, role: &str) -> CreateToken {
    CreateToken {
        token_id: id(number),
        role: role.into(),
        secret_hash: SECRET_HASH.to_vec(),
        uses: 1,
        expires_millis: NOW + 900_000,
        pool: "default".into(),
        name: String::new(),
        networks: vec!["192.0.2.0/24".into()],
    }
}

fn node() -> EnrolNode {
    EnrolNode {
        node_id: id(NODE),
        name: "n1".into(),
        certificate: Some(certificate(9)),
        token_id: id(NODES_TOKEN),
        token_secret_hash: SECRET_HASH.to_vec(),
    }
}

fn facts() -> UpdateNodeFacts {
    UpdateNodeFacts {
        node_id: id(NODE),
        roles: vec!["web".into(), "database".into(), "dns".into()],
        address: "192.0.2.11".into(),
        os_profile: "debian-12".into(),
        php_versions: vec!["8.2".into()],
        version: "0.1.0".into(),
        availability_zone: "a1".into(),
        labels: vec!["disk=nvme".into()],
        disk_mb: 100_000,
        memory_mb: 16_000,
        ..UpdateNodeFacts::default()
    }
}

fn tenant() -> CreateTenant {
    CreateTenant {
        tenant_id: id(ACME),
        parent_id: id(ROOT),
        name: "acme".into(),
        wrapped_data_key: vec![6; 60],
        account_limit: Some(10),
        may_oversell: true,
        ..CreateTenant::default()
    }
}

fn plan() -> CreatePlan {
    CreatePlan {
        plan_id: id(PLAN),
        tenant_id: id(ACME),
        name: "basic".into(),
        disk_mb: 1000,
        domains: Some(5),
        databases: Some(2),
        php_version: "8.2".into(),
        memory_mb: 256,
        placement: None,
        ..CreatePlan::default()
    }
}

fn account() -> CreateAccount {
    let assignment =
        |number, part: &str| Assignment { assignment_id: id(number), part: part.into(), node_id: id(NODE) };
    CreateAccount {
        account_id: id(ACCOUNT),
        tenant_id: id(ACME),
        plan_id: id(PLAN),
        username: "alice".into(),
        contact: "alice@example.com".into(),
        domain: Some(CreateDomain {
            domain_id: id(DOMAIN),
            account_id: id(ACCOUNT),
            name: "alice.example".into(),
            document_root: "web/alice.example".into(),
            operation_id: id(40),
            zone: Some(zone()),
        }),
        assignments: vec![assignment(30, "web"), assignment(31, "database")],
        operation_id: id(40),
        placement_report: r#"{"parts":[]}"#.into(),
        placement: None,
    }
}

fn zone() -> CreateZone {
    CreateZone {
        zone_id: id(ZONE),
        account_id: id(ACCOUNT),
        name: "alice.example".into(),
        provider: "powerdns".into(),
        record_sets: Vec::new(),
        assignments: vec![ZoneAssignment { assignment_id: id(32), node_id: id(NODE) }],
        operation_id: id(40),
    }
}

fn database() -> CreateDatabase {
    CreateDatabase {
        database_id: id(DATABASE),
        account_id: id(ACCOUNT),
        name: "alice_shop".into(),
        operation_id: id(41),
    }
}

fn database_user() -> CreateDatabaseUser {
    CreateDatabaseUser {
        database_user_id: id(USER),
        account_id: id(ACCOUNT),
        name: "alice_shop".into(),
        sealed_password_hash: vec![8; 40],
        grants: vec![DatabaseGrant { database_id: id(DATABASE), privileges: "all".into() }],
        operation_id: id(42),
    }
}

fn record_set() -> AddRecordSet {
    AddRecordSet {
        record_set_id: id(RECORDS),
        zone_id: id(ZONE),
        name: "mail".into(),
        r#type: "A".into(),
        ttl_seconds: 3600,
        records: vec!["192.0.2.25".into()],
        operation_id: id(43),
    }
}

fn cron_jobs() -> SetCronJobs {
    let job = CronJob { schedule: "0 4 * * *".into(), command: "php -v".into() };
    SetCronJobs { account_id: id(ACCOUNT), jobs: vec![job], operation_id: id(44) }
}

fn webhook() -> CreateWebhook {
    CreateWebhook {
        webhook_id: id(WEBHOOK),
        tenant_id: id(ACME),
        url: "https://hooks.example/npanel".into(),
        events: vec!["account.*".into()],
        sealed_secret: vec![4; 60],
    }
}

fn observations() -> RecordObservations {
    let of = |kind: &str, number| Observation {
        node_id: id(NODE),
        kind: kind.into(),
        object_id: id(number),
        generation: 1,
        state: "converged".into(),
        since_millis: NOW,
        stages: r#"[["check",12]]"#.into(),
        ..Observation::default()
    };
    RecordObservations {
        observations: vec![
            of("account", ACCOUNT),
            of("site", DOMAIN),
            of("zone", ZONE),
            of("database", DATABASE),
        ],
    }
}

fn events() -> RecordEvents {
    RecordEvents {
        events: vec![NodeEvent {
            event_id: id(50),
            node_id: id(NODE),
            kind: "account".into(),
            object_id: id(ACCOUNT),
            time_millis: NOW,
            reason: "DriftMended".into(),
            message: "it was not as it should be".into(),
            differences: vec![EventDifference {
                what: "mode".into(),
                expected: "0750".into(),
                found: "0777".into(),
            }],
        }],
    }
}

fn conditions() -> RecordNodeConditions {
    RecordNodeConditions {
        node_id: id(NODE),
        conditions: vec![NodeConditionState {
            kind: "DiskPressure".into(),
            subject: "homes".into(),
            reason: "SpaceLow".into(),
            message: "1 % free".into(),
            since_millis: NOW,
        }],
    }
}
