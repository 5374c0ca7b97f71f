//! What a message must be to become an offer.

use crate::offers::{account, database, database_user, message, site, tombstone, zone};
use npanel_ledger::{InvalidIntent, NotAnOffer, Offer};
use npanel_proto::node::{ObjectIntent, ObjectRef};

fn refusal(message: &ObjectIntent) -> NotAnOffer {
    Offer::parse(message).expect_err("a refusal")
}

#[test]
fn every_kind_and_its_tombstone_is_known() {
    let hash = format!("*{}", "A".repeat(40));
    for good in [
        account(1, 1, "8.2"),
        site(1, "example.com"),
        database(1, "acme_a"),
        database_user(1, &hash),
        zone(1, &["192.0.2.1"]),
    ] {
        assert!(Offer::parse(&good).is_ok(), "{good:?}");
    }
    for kind in 1..=5 {
        assert!(Offer::parse(&tombstone(kind, 1, 2, 0)).is_ok());
    }
}

#[test]
fn an_unknown_kind_or_form_is_unknown_not_invalid() {
    let mut unknown = account(1, 1, "8.2");
    unknown.object = Some(ObjectRef { kind: 77, id: vec![1; 16] });
    assert_eq!(refusal(&unknown), NotAnOffer::UnknownKind);
    let mut formless = account(1, 1, "8.2");
    formless.intent = None;
    assert_eq!(refusal(&formless), NotAnOffer::UnknownKind);
}

#[test]
fn values_that_are_not_of_their_type_are_invalid_with_the_field_named() {
    let mut root = account(1, 1, "8.2");
    if let Some(npanel_proto::node::object_intent::Intent::Account(account)) = &mut root.intent {
        account.uid = 0;
    }
    for (message, field) in [
        (account(1, 1, "../8.2"), "php_version"),
        (root, "uid"),
        (site(1, "../sites"), "domain"),
        (database(1, "mysql"), "name"),
        (zone(1, &["$INCLUDE /etc/shadow"]), "record_sets.records"),
        (zone(1, &[]), "record_sets.records"),
    ] {
        match refusal(&message) {
            NotAnOffer::Invalid(InvalidIntent::Field { field: named, .. }) => assert_eq!(named, field),
            other => panic!("{other:?} for {message:?}"),
        }
    }
}

#[test]
fn an_intent_of_another_kind_than_its_object_is_invalid() {
    let site = site(1, "example.com");
    let crossed = message(1, 1, 1, site.intent.expect("an intent"));
    assert_eq!(refusal(&crossed), NotAnOffer::Invalid(InvalidIntent::OtherKind));
}

#[test]
fn generation_zero_is_invalid() {
    assert_eq!(refusal(&account(1, 0, "8.2")), NotAnOffer::Invalid(InvalidIntent::Generation));
}

#[test]
fn no_error_and_no_debug_print_repeats_a_password() {
    let refused = refusal(&database_user(1, "hunter2"));
    assert!(!format!("{refused} {refused:?}").contains("hunter2"));
    let offer = Offer::parse(&database_user(1, &format!("*{}", "B".repeat(40)))).expect("an offer");
    assert!(!format!("{offer:?}").contains("BBB"));
}
