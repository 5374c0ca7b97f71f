//! What the clients saw, by object, and whether it can be explained.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use npanel_linear::{Model, Operation, Outcome, Tick, Verdict, is_linearizable, smallest};

/// What is tried of an object's history, at most.
const STEPS: usize = 400_000;

/// The histories of one kind of object.
pub(crate) struct Record<M: Model> {
    kind: &'static str,
    begun: Instant,
    objects: Mutex<BTreeMap<String, Object<M>>>,
}

struct Object<M: Model> {
    model: M,
    history: Vec<Operation<M::Call, M::Answer>>,
}

/// How many calls there were.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Totals {
    pub(crate) objects: usize,
    pub(crate) operations: usize,
    pub(crate) unknown: usize,
}

impl<M> Record<M>
where
    M: Model<Call: Clone + Debug, Answer: Clone + Debug>,
{
    pub(crate) fn new(kind: &'static str, begun: Instant) -> Self {
        Self { kind, begun, objects: Mutex::default() }
    }

    fn objects(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Object<M>>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Tick {
        Tick::try_from(self.begun.elapsed().as_micros()).unwrap_or(Tick::MAX)
    }

    /// There is a new object.
    pub(crate) fn begin(&self, id: &str, model: M) {
        self.objects().insert(id.to_owned(), Object { model, history: Vec::new() });
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.objects().keys().cloned().collect()
    }

    /// A client's call is over.
    pub(crate) fn note(
        &self,
        id: &str,
        client: usize,
        called: Tick,
        call: M::Call,
        answer: Option<M::Answer>,
    ) {
        let now = self.now();
        let outcome = answer.map_or(Outcome::Unknown, |answer| Outcome::Answered(answer, now));
        if let Some(object) = self.objects().get_mut(id) {
            object.history.push(Operation { client, call, called, outcome });
        }
    }

    pub(crate) fn totals(&self) -> Totals {
        let objects = self.objects();
        let all = objects.values().flat_map(|object| &object.history);
        let unknown = all.clone().filter(|one| matches!(one.outcome, Outcome::Unknown)).count();
        Totals { objects: objects.len(), operations: all.count(), unknown }
    }

    /// What cannot be explained, with the smallest history of it.
    pub(crate) fn faults(&self) -> Vec<String> {
        let objects = self.objects();
        let judge = |(id, object): (&String, &Object<M>)| {
            let (kind, Object { model, history }) = (self.kind, object);
            match is_linearizable(model, history, STEPS) {
                Verdict::Linearizable => None,
                Verdict::Undecided => Some(format!("{kind} {id}: undecided after {STEPS} steps")),
                Verdict::NotLinearizable => {
                    let small = smallest(model, history, STEPS);
                    let lines: String = small.iter().map(|one| format!("\n    {one}")).collect();
                    Some(format!("{kind} {id} is not linearizable (times in microseconds):{lines}"))
                }
            }
        };
        objects.iter().filter_map(judge).collect()
    }
}
