//! Offers as a controller would send them.

use npanel_ledger::{ObjectKey, Offer};
use npanel_proto::node::{
    Account, Database, DatabaseUser, Grant, ObjectIntent, ObjectRef, Site, Tombstone, Zone,
    object_intent::Intent,
};

fn message(kind: i32, id: u8, generation: u64, intent: Intent) -> Offer {
    let object = Some(ObjectRef { kind, id: vec![id; 16] });
    Offer::parse(&ObjectIntent { object, generation, intent: Some(intent) }).expect("an offer")
}

pub(crate) fn account(id: u8, generation: u64) -> Offer {
    let account = Account {
        username: format!("u{id}"),
        uid: 1_900_000_000 + u32::from(id),
        php_version: format!("8.{generation}"),
        suspended: false,
        allotment: None,
    };
    message(1, id, generation, Intent::Account(account))
}

/// A site of the account with the same number.
pub(crate) fn site(id: u8, domain: &str) -> Offer {
    site_of(id, id, domain)
}

pub(crate) fn site_of(account: u8, id: u8, domain: &str) -> Offer {
    let site = Site {
        account_id: vec![account; 16],
        username: format!("u{account}"),
        uid: 1_900_000_000 + u32::from(account),
        domain: domain.into(),
        document_root: "web/site".into(),
        suspended: false,
    };
    message(2, id, 1, Intent::Site(site))
}

pub(crate) fn database(id: u8) -> Offer {
    message(3, id, 1, Intent::Database(Database { name: format!("acme_d{id}") }))
}

/// A user with rights on the database with the same number.
pub(crate) fn database_user(id: u8) -> Offer {
    let user = DatabaseUser {
        name: format!("acme_u{id}"),
        password_hash: format!("*{}", "A".repeat(40)),
        grants: vec![Grant { database: format!("acme_d{id}"), privileges: 1 }],
        locked: false,
    };
    message(4, id, 1, Intent::DatabaseUser(user))
}

pub(crate) fn zone(id: u8) -> Offer {
    let zone = Zone {
        name: format!("z{id}.example.com"),
        name_servers: vec!["n1.ns.example.net".into()],
        hostmaster: "hostmaster.example.com".into(),
        record_sets: vec![],
    };
    message(5, id, 1, Intent::Zone(zone))
}

pub(crate) fn tombstone(of: &Offer, generation: u64, retention_seconds: u64) -> Offer {
    let object = Some(of.key.to_proto());
    let intent = Some(Intent::Tombstone(Tombstone { retention_seconds }));
    Offer::parse(&ObjectIntent { object, generation, intent }).expect("an offer")
}

pub(crate) fn key(of: &Offer) -> ObjectKey {
    of.key
}
