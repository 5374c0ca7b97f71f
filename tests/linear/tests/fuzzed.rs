//! The search against histories made at random: those that some order made, and those for which every order is tried.

use npanel_linear::{
    Model, Operation, Outcome, Tick, Verdict, is_linearizable,
    models::{Register, RegisterAnswer as Is, RegisterCall as Call},
};
use proptest::prelude::*;

const STEPS: usize = 200_000;
const REGISTER: Register = Register { value: 0, revision: 1 };

type History = Vec<Operation<Call, Is>>;

/// What a client does, and how it goes: how long before and after its moment it was called and answered, and whether it was.
#[derive(Debug, Clone)]
struct Deed {
    kind: u8,
    early: Tick,
    late: Tick,
    is_lost: bool,
}

fn deeds(most: usize) -> impl Strategy<Value = Vec<Deed>> {
    let deed = (0..4_u8, 0..60 as Tick, 0..60 as Tick, prop::bool::weighted(0.15))
        .prop_map(|(kind, early, late, is_lost)| Deed { kind, early, late, is_lost });
    prop::collection::vec(deed, 1..most)
}

/// A history that came about by doing one call after the other, ten ticks apart.
fn done(deeds: &[Deed]) -> History {
    let (mut value, mut revision) = (0, 1);
    // Only a revision that somebody has heard of can be a condition.
    let mut is_known = true;
    let mut history = History::new();
    for (client, (deed, at)) in deeds.iter().zip((100..).step_by(10)).enumerate() {
        let new = client as u64 + 1;
        let (call, answer, changes) = match deed.kind {
            0 => (Call::Read, Is::Is { value, revision }, false),
            1 => (Call::Write(new), Is::Written(Some(revision + 2)), true),
            2 if is_known => (Call::WriteIf { revision, value: new }, Is::Written(Some(revision + 2)), true),
            // A revision that never was.
            _ => (Call::WriteIf { revision: 0, value: new }, Is::Stale, false),
        };
        if changes {
            (value, revision, is_known) = (new, revision + 2, !deed.is_lost);
        } else if call == Call::Read && !deed.is_lost {
            is_known = true;
        }
        let outcome =
            if deed.is_lost { Outcome::Unknown } else { Outcome::Answered(answer, at + 1 + deed.late) };
        history.push(Operation { client, call, called: at - deed.early, outcome });
    }
    history
}

/// Every order is tried.
fn by_force(
    history: &[Operation<Call, Is>],
    done: &mut Vec<bool>,
    state: <Register as Model>::State,
) -> bool {
    let is_answered = |one: &Operation<Call, Is>| matches!(one.outcome, Outcome::Answered(..));
    let left = || history.iter().zip(done.iter()).filter(|(one, done)| !**done && is_answered(one));
    let Some(first_answer) = left().map(|(one, _)| end(one)).min() else { return true };
    for at in 0..history.len() {
        let one = &history[at];
        if done[at] || one.called > first_answer {
            continue;
        }
        let answer = match &one.outcome {
            Outcome::Answered(answer, _) => Some(answer),
            Outcome::Unknown => None,
        };
        if let Some(after) = REGISTER.after(&state, &one.call, answer) {
            done[at] = true;
            if by_force(history, done, after) {
                return true;
            }
            done[at] = false;
        }
    }
    false
}

fn end(one: &Operation<Call, Is>) -> Tick {
    match one.outcome {
        Outcome::Answered(_, at) => at,
        Outcome::Unknown => Tick::MAX,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_one_object_did_is_explained(deeds in deeds(60)) {
        let history = done(&deeds);
        prop_assert_eq!(is_linearizable(&REGISTER, &history, STEPS), Verdict::Linearizable);
    }

    #[test]
    fn the_search_finds_what_trying_every_order_finds(
        deeds in deeds(7),
        changed in any::<prop::sample::Index>(),
        value in 0..8_u64,
        revision in 0..12_u64,
    ) {
        let mut history = done(&deeds);
        let at = changed.index(history.len());
        if let Outcome::Answered(answer, _) = &mut history[at].outcome {
            *answer = match answer {
                Is::Is { .. } => Is::Is { value, revision },
                Is::Written(_) if revision % 3 == 0 => Is::Stale,
                Is::Written(_) => Is::Written(Some(revision)),
                Is::Stale => Is::Written(Some(revision)),
            };
        }
        let truth = by_force(&history, &mut vec![false; history.len()], REGISTER.begin());
        let found = is_linearizable(&REGISTER, &history, STEPS);
        prop_assert_eq!(found, if truth { Verdict::Linearizable } else { Verdict::NotLinearizable });
    }
}
