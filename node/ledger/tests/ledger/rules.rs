//! What the ledger takes and what it refuses.

use crate::offers::{FENCE, account, database, database_user, now, parsed, site, tombstone, zone};
use npanel_ledger::{AcceptError, Content, Fence, Ledger, Offer, Progress, Refusal, Verdict};
use npanel_model::{Generation, Timestamp};
use npanel_proto::node::ObjectIntent;
use tempfile::TempDir;

struct Place {
    ledger: Ledger,
    _directory: TempDir,
}

fn place() -> Place {
    let directory = TempDir::new().expect("a directory");
    Place { ledger: Ledger::open(directory.path()).expect("a ledger"), _directory: directory }
}

impl Place {
    fn offer(&self, message: &ObjectIntent) -> Verdict {
        self.offer_under(FENCE, message).expect("a verdict")
    }

    fn offer_under(&self, fence: Fence, message: &ObjectIntent) -> Result<Verdict, AcceptError> {
        self.ledger.accept(fence, &[parsed(message)], now()).map(|verdicts| verdicts[0].clone())
    }
}

fn refused(verdict: &Verdict) -> &Refusal {
    match verdict {
        Verdict::Refused(refusal) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn an_older_generation_is_refused() {
    let place = place();
    assert_eq!(place.offer(&account(1, 7, "8.2")), Verdict::Accepted);
    let verdict = place.offer(&account(1, 4, "8.2"));
    assert_eq!(refused(&verdict).to_string(), "generation is out of date (got 4, have 7)");
}

#[test]
fn the_same_generation_with_other_content_is_refused() {
    let place = place();
    place.offer(&account(1, 1, "8.2"));
    let verdict = place.offer(&account(1, 1, "8.4"));
    assert_eq!(refused(&verdict), &Refusal::OtherContent(Generation(1)));
    let verdict = place.offer(&tombstone(1, 1, 1, 0));
    assert_eq!(refused(&verdict), &Refusal::OtherContent(Generation(1)));
}

#[test]
fn the_identical_intent_is_unchanged_however_it_is_spelt() {
    let place = place();
    assert_eq!(place.offer(&site(1, "example.com")), Verdict::Accepted);
    assert_eq!(place.offer(&site(1, "Example.COM.")), Verdict::Unchanged);
    assert_eq!(place.offer(&zone(1, &["192.0.2.1", "192.0.2.2"])), Verdict::Accepted);
    assert_eq!(place.offer(&zone(1, &["192.0.2.2", "192.0.2.1"])), Verdict::Unchanged);
    let hash = format!("*{}", "A".repeat(40));
    assert_eq!(place.offer(&database_user(1, &hash)), Verdict::Accepted);
    assert_eq!(place.offer(&database_user(1, &hash)), Verdict::Unchanged);
}

#[test]
fn a_newer_generation_replaces_the_older() {
    let place = place();
    place.offer(&account(1, 1, "8.2"));
    assert_eq!(place.offer(&account(1, 2, "8.4")), Verdict::Accepted);
    let entry = place.ledger.entry(parsed(&account(1, 1, "8.2")).key).expect("an entry");
    assert_eq!(entry.generation, Generation(2));
}

#[test]
fn a_lower_fence_is_refused_and_changes_nothing() {
    let place = place();
    place.offer(&account(1, 1, "8.2"));
    for stale in [
        Fence { term: 2, leader: 3, ..FENCE },
        Fence { epoch: 0, term: 99, ..FENCE },
        // Of the same term: the one before.
        Fence { leader: 1, ..FENCE },
    ] {
        let answer = place.offer_under(stale, &account(1, 2, "8.4"));
        assert!(matches!(answer, Err(AcceptError::StaleFence(_))), "{answer:?}");
    }
    assert_eq!(place.ledger.inventory()[0].generation, 1);
}

#[test]
fn a_new_epoch_may_begin_with_a_low_term() {
    let place = place();
    place.offer(&account(1, 1, "8.2"));
    place.offer_under(Fence { epoch: 2, term: 1, leader: 1 }, &account(1, 2, "8.4")).expect("a verdict");
    assert!(place.ledger.observe(FENCE).is_err());
}

#[test]
fn within_a_batch_the_later_offer_is_judged_after_the_earlier() {
    let place = place();
    let batch: Vec<Offer> =
        [account(1, 1, "8.2"), account(1, 2, "8.4"), account(1, 1, "8.2")].iter().map(parsed).collect();
    let verdicts = place.ledger.accept(FENCE, &batch, now()).expect("verdicts");
    assert_eq!(verdicts[..2], [Verdict::Accepted, Verdict::Accepted]);
    refused(&verdicts[2]);
    assert_eq!(place.ledger.inventory().len(), 1);
}

#[test]
fn one_refused_offer_does_not_hold_back_its_batch() {
    let place = place();
    place.offer(&account(1, 5, "8.2"));
    let batch = [parsed(&account(1, 4, "8.2")), parsed(&account(2, 1, "8.2"))];
    let verdicts = place.ledger.accept(FENCE, &batch, now()).expect("verdicts");
    refused(&verdicts[0]);
    assert_eq!(verdicts[1], Verdict::Accepted);
}

#[test]
fn what_an_object_is_cannot_change_until_it_is_gone() {
    let place = place();
    place.offer(&site(1, "example.com"));
    let mut other = site(1, "example.net");
    other.generation = 2;
    assert!(matches!(refused(&place.offer(&other)), Refusal::OtherNature { .. }));
    place.offer(&tombstone(2, 1, 2, 0));
    other.generation = 3;
    assert!(matches!(refused(&place.offer(&other)), Refusal::OtherNature { .. }));
    let key = parsed(&other).key;
    place.ledger.note_removal(key, Generation(2), Progress::Removed { since: now() }).expect("noted");
    assert_eq!(place.offer(&other), Verdict::Accepted);
}

#[test]
fn a_tombstone_remembers_what_it_removes() {
    let place = place();
    place.offer(&account(1, 1, "8.2"));
    place.offer(&tombstone(1, 1, 2, 60));
    let entry = place.ledger.entry(parsed(&account(1, 1, "8.2")).key).expect("an entry");
    assert!(entry.is_tombstone());
    assert!(entry.intent().is_some());
}

#[test]
fn a_repeated_tombstone_does_not_start_the_removal_over() {
    let place = place();
    place.offer(&account(1, 1, "8.2"));
    place.offer(&tombstone(1, 1, 2, 60));
    let key = parsed(&account(1, 1, "8.2")).key;
    let until = now().plus(std::time::Duration::from_secs(60));
    let retained = Progress::Retained { since: now(), until };
    place.ledger.note_removal(key, Generation(2), retained).expect("noted");
    place.offer(&tombstone(1, 1, 3, 600));
    let entry = place.ledger.entry(key).expect("an entry");
    let Content::Going(removal) = &entry.content else { panic!("not a tombstone") };
    let until = now().plus(std::time::Duration::from_secs(600));
    assert_eq!(removal.progress, Progress::Retained { since: now(), until });
}

#[test]
fn the_progress_of_a_superseded_removal_is_not_noted() {
    let place = place();
    place.offer(&account(1, 1, "8.2"));
    place.offer(&tombstone(1, 1, 2, 0));
    place.offer(&account(1, 3, "8.2"));
    let key = parsed(&account(1, 1, "8.2")).key;
    let noted = place.ledger.note_removal(key, Generation(2), Progress::Removed { since: now() });
    assert_eq!(noted.expect("no fault of the disk"), None);
    assert!(!place.ledger.entry(key).expect("an entry").is_tombstone());
    place.offer(&tombstone(1, 1, 4, 0));
    let noted = place.ledger.note_removal(key, Generation(2), Progress::Removed { since: now() });
    assert_eq!(noted.expect("no fault of the disk"), None);
    assert!(!place.ledger.entry(key).expect("an entry").is_removed());
}

#[test]
fn what_comes_back_does_not_get_a_name_that_another_has_taken_meanwhile() {
    let place = place();
    place.offer(&site(1, "example.com"));
    place.offer(&tombstone(2, 1, 2, 0));
    let key = parsed(&site(1, "example.com")).key;
    place.ledger.note_removal(key, Generation(2), Progress::Removed { since: now() }).expect("noted");
    assert_eq!(place.offer(&site(2, "example.com")), Verdict::Accepted);
    let mut back = site(1, "example.com");
    back.generation = 3;
    assert!(matches!(refused(&place.offer(&back)), Refusal::NameTaken(_)));
}

#[test]
fn what_is_removed_is_in_no_inventory_but_cannot_come_back_by_an_old_message() {
    let place = place();
    place.offer(&account(1, 1, "8.2"));
    place.offer(&tombstone(1, 1, 2, 0));
    let key = parsed(&account(1, 1, "8.2")).key;
    let empty = npanel_proto::ledger_digest([]);
    assert_ne!(place.ledger.digest(), empty);
    place.ledger.note_removal(key, Generation(2), Progress::Removed { since: now() }).expect("noted");
    assert_eq!((place.ledger.inventory(), place.ledger.digest()), (vec![], empty));
    refused(&place.offer(&account(1, 1, "8.2")));
    assert_eq!(place.offer(&tombstone(1, 1, 2, 0)), Verdict::Unchanged);
}

#[test]
fn a_removal_is_forgotten_only_after_its_time() {
    let place = place();
    place.offer(&account(1, 1, "8.2"));
    place.offer(&tombstone(1, 1, 2, 0));
    let key = parsed(&account(1, 1, "8.2")).key;
    assert_eq!(place.ledger.forget_removed(Timestamp::now()).expect("no fault"), 0);
    place.ledger.note_removal(key, Generation(2), Progress::Removed { since: now() }).expect("noted");
    assert_eq!(place.ledger.forget_removed(now()).expect("no fault"), 0);
    let later = now().plus(std::time::Duration::from_millis(1));
    assert_eq!(place.ledger.forget_removed(later).expect("no fault"), 1);
    assert!(place.ledger.entry(key).is_none());
}

#[test]
fn a_name_is_kept_by_who_has_it() {
    let place = place();
    place.offer(&site(1, "example.com"));
    assert!(matches!(refused(&place.offer(&site(2, "example.com"))), Refusal::NameTaken(_)));
    let batch = [parsed(&site(3, "example.net")), parsed(&site(4, "example.net"))];
    let verdicts = place.ledger.accept(FENCE, &batch, now()).expect("verdicts");
    assert_eq!(verdicts[0], Verdict::Accepted);
    assert!(matches!(refused(&verdicts[1]), Refusal::NameTaken(_)));
}

#[test]
fn a_name_is_free_for_the_next_as_soon_as_its_bearer_is_to_go() {
    let place = place();
    place.offer(&site(1, "example.com"));
    let batch = [parsed(&site(2, "example.com")), parsed(&tombstone(2, 1, 2, 0))];
    let verdicts = place.ledger.accept(FENCE, &batch, now()).expect("verdicts");
    assert_eq!(verdicts, [Verdict::Accepted, Verdict::Accepted]);
    assert!(matches!(refused(&place.offer(&site(3, "example.com"))), Refusal::NameTaken(_)));
}

#[test]
fn a_refused_tombstone_frees_no_name() {
    let place = place();
    let mut first = site(1, "example.com");
    first.generation = 5;
    place.offer(&first);
    let batch = [parsed(&site(2, "example.com")), parsed(&tombstone(2, 1, 2, 0))];
    let verdicts = place.ledger.accept(FENCE, &batch, now()).expect("verdicts");
    assert!(matches!(refused(&verdicts[0]), Refusal::NameTaken(_)));
}

#[test]
fn the_name_of_a_database_is_taken_while_its_data_is_kept() {
    let place = place();
    place.offer(&database(1, "acme_a"));
    place.offer(&tombstone(3, 1, 2, 60));
    assert!(matches!(refused(&place.offer(&database(2, "acme_a"))), Refusal::NameTaken(_)));
    let key = parsed(&database(1, "acme_a")).key;
    let until = now().plus(std::time::Duration::from_secs(60));
    let retained = Progress::Retained { since: now(), until };
    place.ledger.note_removal(key, Generation(2), retained).expect("noted");
    assert!(matches!(refused(&place.offer(&database(2, "acme_a"))), Refusal::NameTaken(_)));
    place.ledger.note_removal(key, Generation(2), Progress::Removed { since: now() }).expect("noted");
    assert_eq!(place.offer(&database(2, "acme_a")), Verdict::Accepted);
}
