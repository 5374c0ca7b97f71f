//! The search for an order of the calls that explains all answers.

use std::{collections::HashMap, hash::Hash};

use crate::{Model, Operation, Tick};

/// What came of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// There is such an order.
    Linearizable,
    /// There is none.
    NotLinearizable,
    /// Neither was found within the steps allowed.
    Undecided,
}

/// A set of operations.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Set(Vec<u64>);

impl Set {
    fn none_of(operations: usize) -> Self {
        Self(vec![0; operations.div_ceil(64)])
    }

    fn has(&self, operation: usize) -> bool {
        self.0[operation / 64] & (1 << (operation % 64)) != 0
    }

    fn with(&self, operation: usize) -> Self {
        let mut with = self.clone();
        with.0[operation / 64] |= 1 << (operation % 64);
        with
    }

    fn is_within(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(ours, theirs)| ours & !theirs == 0)
    }
}

/// Where the search is: what has been done, of what was answered and of what nobody heard of, and the state after it.
#[derive(Clone)]
struct Place<S> {
    answered: Set,
    unknown: Set,
    left: usize,
    state: S,
}

/// Where the search has been: after which answered operations, in which state, and what else had been used up by then.
struct Been<S>(HashMap<(Set, S), Vec<Set>>);

impl<S: Clone + Eq + Hash> Been<S> {
    /// Whether it is worth while to go on from here: not if it was tried with as much, or more, still to come of what nobody
    /// heard of, because that need not come.
    fn is_new(&mut self, place: &Place<S>) -> bool {
        let been = self.0.entry((place.answered.clone(), place.state.clone())).or_default();
        if been.iter().any(|used_up| used_up.is_within(&place.unknown)) {
            return false;
        }
        been.push(place.unknown.clone());
        true
    }
}

struct Search<'a, M: Model> {
    model: &'a M,
    history: &'a [Operation<M::Call, M::Answer>],
    /// The operations by when they were called.
    order: Vec<usize>,
}

impl<M: Model> Search<'_, M> {
    /// The operations that could be next: those called before the first answer that is left to be explained.
    fn candidates<'s>(&'s self, place: &'s Place<M::State>) -> impl DoubleEndedIterator<Item = usize> + 's {
        let to_do = |one: &&usize| !place.answered.has(**one) && !place.unknown.has(**one);
        let answers = self.order.iter().filter(to_do).filter_map(|one| self.history[*one].answered());
        let limit = answers.min().unwrap_or(Tick::MAX);
        let end = self.order.partition_point(|one| self.history[*one].called <= limit);
        self.order[..end].iter().filter(to_do).copied()
    }

    /// The place after the operation, if it can be next.
    fn after(&self, place: &Place<M::State>, operation: usize) -> Option<Place<M::State>> {
        let one = &self.history[operation];
        let state = self.model.after(&place.state, &one.call, one.answer())?;
        let Place { answered, unknown, left, .. } = place;
        if one.answer().is_some() {
            let (answered, unknown) = (answered.with(operation), unknown.clone());
            return Some(Place { answered, unknown, left: left - 1, state });
        }
        // What nobody heard of and changes nothing now might change something later.
        let changes = state != place.state;
        changes.then(|| Place {
            answered: answered.clone(),
            unknown: unknown.with(operation),
            left: *left,
            state,
        })
    }

    /// The places to go on from. What fits as it is and changes nothing is done at once: nothing is lost by it.
    fn next(&self, place: &Place<M::State>) -> Vec<Place<M::State>> {
        let mut places = Vec::new();
        for operation in self.candidates(place) {
            let Some(next) = self.after(place, operation) else { continue };
            if next.state == place.state {
                return vec![next];
            }
            places.push(next);
        }
        places
    }
}

/// Looks for an order of the calls, each between its call and its answer, in which the object could have given every answer.
/// Gives up after so many steps.
pub fn is_linearizable<M: Model>(
    model: &M,
    history: &[Operation<M::Call, M::Answer>],
    steps: usize,
) -> Verdict {
    let mut order: Vec<usize> = (0..history.len()).collect();
    order.sort_by_key(|one| history[*one].called);
    let search = Search { model, history, order };
    let none = Set::none_of(history.len());
    let left = history.iter().filter(|one| one.answer().is_some()).count();
    let mut been = Been(HashMap::new());
    // By how much was used of what nobody heard of: first all that goes without.
    let mut levels = vec![vec![Place { answered: none.clone(), unknown: none, left, state: model.begin() }]];
    let (mut level, mut steps) = (0, steps);
    while level < levels.len() {
        let Some(place) = levels[level].pop() else {
            level += 1;
            continue;
        };
        if place.left == 0 {
            return Verdict::Linearizable;
        }
        if !been.is_new(&place) {
            continue;
        }
        if steps == 0 {
            return Verdict::Undecided;
        }
        steps -= 1;
        // The earliest call is to be tried first, and so is put down last.
        for next in search.next(&place).into_iter().rev() {
            let at = level + usize::from(next.left == place.left);
            levels.resize_with(levels.len().max(at + 1), Vec::new);
            levels[at].push(next);
        }
    }
    Verdict::NotLinearizable
}
