//! Offers as a controller would send them.

use npanel_ledger::{Fence, Offer};
use npanel_model::Timestamp;
use npanel_proto::node::{
    Account, Database, DatabaseUser, Grant, ObjectIntent, ObjectRef, RecordSet, Site, Tombstone, Zone,
    object_intent::Intent,
};

pub(crate) const FENCE: Fence = Fence { epoch: 1, term: 3, leader: 2 };

pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000)
}

pub(crate) fn message(kind: i32, id: u8, generation: u64, intent: Intent) -> ObjectIntent {
    ObjectIntent { object: Some(ObjectRef { kind, id: vec![id; 16] }), generation, intent: Some(intent) }
}

pub(crate) fn account(id: u8, generation: u64, php_version: &str) -> ObjectIntent {
    let uid = 1_900_000_000 + u32::from(id);
    let account = Account {
        username: format!("u{id}"),
        uid,
        php_version: php_version.into(),
        suspended: false,
        allotment: None,
    };
    message(1, id, generation, Intent::Account(account))
}

pub(crate) fn site(id: u8, domain: &str) -> ObjectIntent {
    let site = Site {
        account_id: vec![id; 16],
        username: format!("u{id}"),
        uid: 1_900_000_000 + u32::from(id),
        domain: domain.into(),
        document_root: "web/site".into(),
        suspended: false,
    };
    message(2, id, 1, Intent::Site(site))
}

pub(crate) fn database(id: u8, name: &str) -> ObjectIntent {
    message(3, id, 1, Intent::Database(Database { name: name.into() }))
}

pub(crate) fn database_user(id: u8, password_hash: &str) -> ObjectIntent {
    let grants = vec![
        Grant { database: "acme_b".into(), privileges: 2 },
        Grant { database: "acme_a".into(), privileges: 1 },
    ];
    let user =
        DatabaseUser { name: "acme_x".into(), password_hash: password_hash.into(), grants, locked: false };
    message(4, id, 1, Intent::DatabaseUser(user))
}

pub(crate) fn zone(id: u8, records: &[&str]) -> ObjectIntent {
    let record_sets = vec![RecordSet {
        name: "@".into(),
        r#type: "A".into(),
        ttl_seconds: 3600,
        records: records.iter().map(ToString::to_string).collect(),
    }];
    let zone = Zone {
        name: "example.com".into(),
        name_servers: vec!["n1.ns.example.net".into()],
        hostmaster: "hostmaster.example.com".into(),
        record_sets,
    };
    message(5, id, 1, Intent::Zone(zone))
}

pub(crate) fn tombstone(kind: i32, id: u8, generation: u64, retention_seconds: u64) -> ObjectIntent {
    message(kind, id, generation, Intent::Tombstone(Tombstone { retention_seconds }))
}

pub(crate) fn parsed(message: &ObjectIntent) -> Offer {
    Offer::parse(message).expect("an offer")
}
