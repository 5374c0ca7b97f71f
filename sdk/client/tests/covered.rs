//! Whether the client has every operation of the API's document.

use std::{collections::BTreeSet, fs};

use npanel_client::{BulkCreatable, Creatable, Deletable, Noun, Suspendable, Updatable};
use npanel_sdk_types::{
    Account, ApiKey, CronTable, Database, DatabaseUser, Domain, IdentityProvider, Node, NodeEvent, Operation,
    Plan, Session, Tenant, Token, User, Webhook, Zone,
};
use serde_json::Value;

/// What the client has a method of its own for.
const METHODS: &[(&str, &str)] = &[
    ("account.export", "export_account"),
    ("audit.checkpoint", "audit_checkpoint"),
    ("audit.key", "audit_key"),
    ("audit.list", "audit"),
    ("audit.list_checkpoints", "audit_checkpoints"),
    ("audit.prove", "audit_inclusion"),
    ("audit.verify", "audit_consistency"),
    ("api_key.rotate", "rotate_api_key"),
    ("ca.retire", "retire_ca"),
    ("ca.rotate", "rotate_ca"),
    ("ca.status", "ca"),
    ("cluster.backup", "backup"),
    ("cluster.status", "cluster_status"),
    ("cluster.update", "update_cluster"),
    ("controller.remove", "remove_controller"),
    ("controller.replace", "replace_controller"),
    ("cron.set_jobs", "set_cron_jobs"),
    ("database.set_password", "set_database_password"),
    ("database.set_privileges", "set_database_privileges"),
    ("dns.add_record", "create_record_set"),
    ("dns.add_record_bulk", "create_record_sets"),
    ("dns.delete_record", "delete_record_set"),
    ("dns.get_record", "record_set"),
    ("dns.list_records", "record_sets"),
    ("dns.update_record", "update_record_set"),
    ("event.list", "events"),
    ("explain.placement", "explain_placement"),
    ("me.begin_totp", "begin_totp"),
    ("me.confirm_totp", "confirm_totp"),
    ("me.get", "me"),
    ("me.remove_totp", "remove_totp"),
    ("me.set_password", "set_own_password"),
    ("node.revoke", "revoke_node"),
    ("node.status", "node_status"),
    ("secrets.rotate", "rotate_secrets"),
    ("secrets.status", "secrets"),
    ("session.create", "sign_in"),
    ("session.device", "begin_device_login"),
    ("session.impersonate", "impersonate"),
    ("session.token", "access_token"),
    ("tenant.export", "export_tenant"),
    ("user.remove_totp", "remove_user_totp"),
    ("user.set_password", "set_user_password"),
];

fn listed<T: Noun>() -> Vec<(&'static str, String)> {
    vec![("get", format!("/v1/{}", T::PATH))]
}

fn one<T: Noun>() -> Vec<(&'static str, String)> {
    vec![("get", format!("/v1/{}/{{id}}", T::PATH))]
}

fn made<T: Creatable>() -> Vec<(&'static str, String)> {
    vec![("post", format!("/v1/{}", T::PATH))]
}

fn many<T: BulkCreatable>() -> Vec<(&'static str, String)> {
    vec![("post", format!("/v1/{}:bulk", T::PATH))]
}

fn changed<T: Updatable>() -> Vec<(&'static str, String)> {
    vec![("patch", format!("/v1/{}/{{id}}", T::PATH))]
}

fn removed<T: Deletable>() -> Vec<(&'static str, String)> {
    vec![("delete", format!("/v1/{}/{{id}}", T::PATH))]
}

fn suspended<T: Suspendable>() -> Vec<(&'static str, String)> {
    ["suspend", "unsuspend"].map(|verb| ("post", format!("/v1/{}/{{id}}/{verb}", T::PATH))).into()
}

macro_rules! routes {
    ($($noun:ident: $($what:ident),+;)+) => {[$($($what::<$noun>()),+),+].concat()};
}

/// What is found by the nouns.
fn by_nouns() -> BTreeSet<(&'static str, String)> {
    let routes = routes! {
        Tenant: listed, one, made, changed, removed, suspended;
        Plan: listed, one, made, changed, removed;
        Account: listed, one, made, many, changed, removed, suspended;
        Domain: listed, one, made, many, changed, removed, suspended;
        Database: listed, one, made, many, removed;
        DatabaseUser: listed, one, made, removed;
        Zone: listed, one, made, removed;
        Token: listed, one, made, removed;
        ApiKey: listed, one, made, changed, removed;
        Webhook: listed, one, made, changed, removed;
        User: listed, one, made, changed, removed;
        Session: listed, one, removed;
        IdentityProvider: listed, one, made, changed, removed;
        CronTable: listed, one;
        Node: listed, one, changed, removed;
        Operation: listed, one;
        NodeEvent: listed;
    };
    routes.into_iter().collect()
}

/// Method, path and name of every operation.
fn operations() -> Vec<(String, String, String)> {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi.json"));
    let document: Value = serde_json::from_str(&text.expect("openapi.json")).expect("JSON");
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("methods") {
            if let Some(name) = operation["operationId"].as_str() {
                all.push((method.clone(), path.clone(), name.to_owned()));
            }
        }
    }
    all
}

fn sources() -> String {
    let files = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).expect("the sources");
    files.map(|file| fs::read_to_string(file.expect("a file").path()).expect("text")).collect()
}

#[test]
fn every_operation_of_the_document_has_its_call() {
    let (nouns, operations, sources) = (by_nouns(), operations(), sources());
    assert!(operations.len() > 100, "{}", operations.len());
    let mut found = BTreeSet::new();
    for (method, path, name) in &operations {
        let by_noun = nouns.iter().find(|(verb, place)| verb == method && place == path);
        let by_method = METHODS.iter().find(|(operation, _)| operation == name);
        match (by_noun, by_method) {
            (Some(route), None) => {
                found.insert(route.clone());
            }
            (None, Some((_, call))) => {
                let is_there = [format!("pub async fn {call}("), format!("pub fn {call}(")];
                assert!(is_there.iter().any(|text| sources.contains(text)), "the client has no {call}()");
            }
            (None, None) => panic!("the client does not have {name} ({method} {path})"),
            (Some(_), Some(_)) => panic!("{name} is there twice"),
        }
    }
    let none: Vec<_> = nouns.difference(&found).collect();
    assert!(none.is_empty(), "no such routes: {none:?}");
    let unknown = METHODS.iter().find(|(name, _)| !operations.iter().any(|(_, _, known)| known == name));
    assert_eq!(unknown, None, "no such operation");
}
