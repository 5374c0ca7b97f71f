//! The smallest part of a history that cannot be explained.

use crate::{Model, Operation, Outcome, Tick, Verdict, is_linearizable};

/// The history as it was known at that moment.
fn until<C: Clone, A: Clone>(history: &[Operation<C, A>], end: Tick) -> Vec<Operation<C, A>> {
    let known = |one: &Operation<C, A>| {
        let outcome = match &one.outcome {
            Outcome::Answered(answer, at) if *at <= end => Outcome::Answered(answer.clone(), *at),
            _ => Outcome::Unknown,
        };
        Operation { outcome, call: one.call.clone(), ..*one }
    };
    history.iter().filter(|one| one.called <= end).map(known).collect()
}

/// Of a history that cannot be explained, the part up to the first answer with which it cannot, without the calls that can be left
/// out: those that only look, and those that nobody heard of.
pub fn smallest<M>(
    model: &M,
    history: &[Operation<M::Call, M::Answer>],
    steps: usize,
) -> Vec<Operation<M::Call, M::Answer>>
where
    M: Model<Call: Clone, Answer: Clone>,
{
    let fails = |part: &[_]| is_linearizable(model, part, steps) == Verdict::NotLinearizable;
    let mut ends: Vec<Tick> = history.iter().filter_map(Operation::answered).collect();
    ends.sort_unstable();
    // Who cannot be explained now cannot be explained later.
    let first = ends.partition_point(|end| !fails(&until(history, *end)));
    let mut part = ends.get(first).map_or_else(|| history.to_vec(), |end| until(history, *end));
    let mut at = part.len();
    while at > 0 {
        at -= 1;
        let goes_without = part[at].answer().is_none_or(|answer| model.only_looks(&part[at].call, answer));
        if goes_without {
            let one = part.remove(at);
            if !fails(&part) {
                part.insert(at, one);
            }
        }
    }
    part
}
