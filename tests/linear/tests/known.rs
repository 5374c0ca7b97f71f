//! Histories of which it is known whether they can be explained.

use npanel_linear::{
    Operation, Outcome, Tick, Verdict, is_linearizable,
    models::{
        Capped, Register, RegisterAnswer as Is, RegisterCall as Call, Take, Taken, Unique, UniqueAnswer,
        UniqueCall,
    },
    smallest,
};

const STEPS: usize = 100_000;
const REGISTER: Register = Register { value: 0, revision: 1 };

fn one<C, A>(client: usize, called: Tick, call: C, answered: Tick, answer: A) -> Operation<C, A> {
    Operation { client, call, called, outcome: Outcome::Answered(answer, answered) }
}

fn lost<C, A>(client: usize, called: Tick, call: C) -> Operation<C, A> {
    Operation { client, call, called, outcome: Outcome::Unknown }
}

fn read(client: usize, called: Tick, answered: Tick, value: u64, revision: u64) -> Operation<Call, Is> {
    one(client, called, Call::Read, answered, Is::Is { value, revision })
}

fn write(client: usize, called: Tick, answered: Tick, value: u64, revision: u64) -> Operation<Call, Is> {
    one(client, called, Call::Write(value), answered, Is::Written(Some(revision)))
}

fn is_explained(history: &[Operation<Call, Is>]) -> bool {
    match is_linearizable(&REGISTER, history, STEPS) {
        Verdict::Undecided => panic!("undecided"),
        verdict => verdict == Verdict::Linearizable,
    }
}

#[test]
fn a_read_during_a_write_may_see_either_value() {
    assert!(is_explained(&[write(1, 0, 10, 7, 2), read(2, 1, 9, 0, 1)]));
    assert!(is_explained(&[write(1, 0, 10, 7, 2), read(2, 1, 9, 7, 2)]));
}

#[test]
fn a_read_after_a_write_sees_it() {
    assert!(is_explained(&[write(1, 0, 10, 7, 2), read(2, 11, 12, 7, 2)]));
    assert!(!is_explained(&[write(1, 0, 10, 7, 2), read(2, 11, 12, 0, 1)]), "a stale read");
}

#[test]
fn what_was_seen_stays_seen() {
    let flips = [write(1, 0, 20, 7, 2), read(2, 1, 5, 7, 2), read(3, 6, 9, 0, 1)];
    assert!(!is_explained(&flips), "it was 7, and then not yet");
}

#[test]
fn a_write_that_nobody_heard_of_happens_late_or_never() {
    let write = || lost(1, 0, Call::Write(7));
    assert!(is_explained(&[write(), read(2, 5, 6, 0, 1)]));
    assert!(is_explained(&[write(), read(2, 5, 6, 0, 1), read(2, 50, 60, 7, 9)]), "late");
    assert!(!is_explained(&[write(), read(2, 5, 6, 7, 2), read(2, 7, 8, 0, 1)]), "and then undone");
    assert!(!is_explained(&[read(2, 5, 6, 7, 2), lost(1, 7, Call::Write(7))]), "before it was asked for");
}

#[test]
fn of_two_conditional_writes_on_one_revision_one_succeeds() {
    let on = |client, called, answered, value, answer| {
        one(client, called, Call::WriteIf { revision: 1, value }, answered, answer)
    };
    assert!(is_explained(&[on(1, 0, 9, 7, Is::Written(Some(2))), on(2, 0, 9, 8, Is::Stale)]));
    assert!(!is_explained(&[on(1, 0, 9, 7, Is::Written(Some(2))), on(2, 0, 9, 8, Is::Written(Some(3)))]));
    assert!(!is_explained(&[on(1, 0, 9, 7, Is::Stale)]), "nobody had written");
    assert!(is_explained(&[lost(2, 0, Call::Write(8)), on(1, 1, 9, 7, Is::Stale)]), "somebody may have");
}

#[test]
fn a_revision_is_never_given_twice_and_never_goes_back() {
    assert!(!is_explained(&[write(1, 0, 1, 7, 5), write(1, 2, 3, 8, 5)]));
    assert!(!is_explained(&[write(1, 0, 1, 7, 5), write(1, 2, 3, 8, 4)]));
    assert!(!is_explained(&[lost(1, 0, Call::Write(7)), write(1, 2, 3, 8, 2), read(1, 4, 5, 7, 2)]));
    assert!(!is_explained(&[write(1, 0, 1, 8, 2), lost(1, 2, Call::Write(7)), read(1, 4, 5, 7, 2)]));
}

#[test]
fn a_name_has_one_owner() {
    let claim = |who, called, answered, answer| one(0, called, UniqueCall::Claim(who), answered, answer);
    let check = |history: &[_]| is_linearizable(&Unique, history, STEPS) == Verdict::Linearizable;
    assert!(check(&[claim(1, 0, 9, UniqueAnswer::Won), claim(2, 0, 9, UniqueAnswer::Taken)]));
    assert!(!check(&[claim(1, 0, 9, UniqueAnswer::Won), claim(2, 0, 9, UniqueAnswer::Won)]));
    assert!(
        !check(&[claim(1, 5, 9, UniqueAnswer::Won), claim(2, 0, 4, UniqueAnswer::Taken)]),
        "nobody had it"
    );
    let look = |called, has| one(0, called, UniqueCall::Look, called + 1, UniqueAnswer::Has(has));
    assert!(check(&[lost(0, 0, UniqueCall::Claim(1)), look(5, None), look(8, Some(1))]));
    assert!(!check(&[lost(0, 0, UniqueCall::Claim(1)), look(5, Some(1)), look(8, None)]));
}

#[test]
fn no_more_is_given_than_there_is() {
    let take = |called, answer| one(0, called, Take, called + 1, answer);
    let check = |history: &[_]| is_linearizable(&Capped(2), history, STEPS) == Verdict::Linearizable;
    assert!(check(&[take(0, Taken::Given), take(2, Taken::Given), take(4, Taken::NoneLeft)]));
    assert!(!check(&[take(0, Taken::Given), take(2, Taken::Given), take(4, Taken::Given)]));
    assert!(!check(&[take(0, Taken::Given), take(2, Taken::NoneLeft)]), "one was left");
    assert!(check(&[take(0, Taken::Given), lost(0, 1, Take), take(2, Taken::NoneLeft)]), "it may have gone");
    assert!(!check(&[take(0, Taken::Given), take(2, Taken::NoneLeft), lost(0, 5, Take)]), "not yet");
}

#[test]
fn the_smallest_history_is_what_cannot_be_explained_and_no_more() {
    let mut history: Vec<_> = (0..50).map(|at| write(1, 10 * at, 10 * at + 5, at + 1, at + 2)).collect();
    history.extend((0..30).map(|at| read(2, 10 * at + 6, 10 * at + 7, at + 1, at + 2)));
    // A value of long ago.
    history.push(read(3, 306, 308, 3, 4));
    let small = smallest(&REGISTER, &history, STEPS);
    let reads = small.iter().filter(|one| one.call == Call::Read).count();
    assert_eq!(reads, 1, "{small:?}");
    assert!(small.len() <= 32, "nothing of later is in it: {small:?}");
    assert!(!is_explained(&small));
}

/// Six clients at once, with lost answers: what would take for ever without the memory of what was tried.
#[test]
fn a_long_history_of_many_clients_is_decided_soon() {
    let mut history = Vec::new();
    for at in 0..300_u64 {
        // Each goes on until five others have begun.
        history.push(if at % 15 == 7 {
            lost(0, 10 * at, Call::Write(at + 1))
        } else {
            one(0, 10 * at, Call::Write(at + 1), 10 * at + 55, Is::Written(Some(at + 2)))
        });
    }
    assert!(is_explained(&history));
    history.push(read(1, 5000, 5001, 3, 4));
    assert!(!is_explained(&history));
}
