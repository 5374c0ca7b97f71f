//! The tree (RFC 9162, 2.1): appending, roots and proofs, each in a number of steps that grows with the logarithm of
//! the size.
//!
//! A node is named by its level (a leaf's is 0) and its index on that level. It is complete, and never changes again,
//! once the last leaf beneath it is there; so it is kept with that leaf, and [`place_of`] says where.

use crate::Hash;

/// Where the complete nodes of a tree are read from.
pub trait Nodes {
    /// Why one could not be read.
    type Error;

    /// The complete node at a level, with an index on it.
    ///
    /// # Errors
    /// If it cannot be read.
    fn node(&self, level: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// With which leaf a node becomes complete. It is the `level`-th (from 0) of the nodes that do.
pub fn place_of(level: u32, index: u64) -> u64 {
    ((index + 1) << level) - 1
}

/// What is needed of a tree to append to it: its size, and the roots of the complete subtrees that make it up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    /// From the largest subtree to the smallest: one for every bit of the size that is set.
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The frontier of the tree with the first `size` leaves.
    ///
    /// # Errors
    /// If a node cannot be read.
    pub fn of<N: Nodes>(nodes: &N, size: u64) -> Result<Self, N::Error> {
        let peaks = subtrees(0, size).map(|(level, index)| nodes.node(level, index));
        Ok(Self { size, peaks: peaks.collect::<Result<_, _>>()? })
    }

    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf. Returns the nodes that are complete with it: the leaf, then those above it from below.
    pub fn append(&mut self, leaf: Hash) -> Vec<Hash> {
        let mut complete = vec![leaf];
        let mut node = leaf;
        // The bits that are set at the end of the size are the subtrees that this leaf completes larger ones with.
        for _ in 0..self.size.trailing_ones() {
            let left = self.peaks.pop().expect("a subtree for every bit that is set");
            node = Hash::of_node(&left, &node);
            complete.push(node);
        }
        self.peaks.push(node);
        self.size += 1;
        complete
    }

    /// The hash of the whole tree. Of an empty one, that of nothing.
    pub fn root(&self) -> Hash {
        folded(&self.peaks)
    }
}

fn folded(peaks: &[Hash]) -> Hash {
    let from_right = peaks.iter().rev().copied().reduce(|right, left| Hash::of_node(&left, &right));
    from_right.unwrap_or_else(|| Hash::of(b""))
}

/// The complete subtrees that make up the leaves from `start` to before `end`, the largest first: a level and an index.
/// `start` is a multiple of a power of two that is no smaller than their number.
fn subtrees(start: u64, end: u64) -> impl Iterator<Item = (u32, u64)> {
    let mut at = start;
    std::iter::from_fn(move || {
        let level = (end - at).checked_ilog2()?;
        let index = at >> level;
        at += 1 << level;
        Some((level, index))
    })
}

fn range<N: Nodes>(nodes: &N, start: u64, end: u64) -> Result<Hash, N::Error> {
    let peaks = subtrees(start, end).map(|(level, index)| nodes.node(level, index));
    Ok(folded(&peaks.collect::<Result<Vec<_>, _>>()?))
}

/// The hash of the tree with the first `size` leaves.
///
/// # Errors
/// If a node cannot be read.
pub fn root_of<N: Nodes>(nodes: &N, size: u64) -> Result<Hash, N::Error> {
    range(nodes, 0, size)
}

/// The largest power of two smaller than `n`, which is at least 2.
fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

/// The audit path of a leaf in the tree with the first `size` leaves (RFC 9162, 2.1.3.1).
///
/// # Errors
/// If a node cannot be read.
///
/// # Panics
/// If the leaf is not in that tree.
pub fn inclusion_proof<N: Nodes>(nodes: &N, leaf: u64, size: u64) -> Result<Vec<Hash>, N::Error> {
    assert!(leaf < size, "leaf {leaf} is not in a tree of {size}");
    let (mut start, mut end) = (0, size);
    let mut path = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if leaf < middle {
            path.push(range(nodes, middle, end)?);
            end = middle;
        } else {
            path.push(range(nodes, start, middle)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The proof that the tree with the first `second` leaves goes on from the one with the first `first` (RFC 9162,
/// 2.1.4.1). Empty if they are the same, or the first is empty.
///
/// # Errors
/// If a node cannot be read.
///
/// # Panics
/// If the first is larger than the second.
pub fn consistency_proof<N: Nodes>(nodes: &N, first: u64, second: u64) -> Result<Vec<Hash>, N::Error> {
    assert!(first <= second, "a tree of {second} does not go on from one of {first}");
    let (mut start, mut end) = (0, second);
    let mut path = Vec::new();
    if first == 0 {
        return Ok(path);
    }
    while first < end {
        let middle = start + split(end - start);
        if first <= middle {
            path.push(range(nodes, middle, end)?);
            end = middle;
        } else {
            path.push(range(nodes, start, middle)?);
            start = middle;
        }
    }
    // The verifier knows the whole first tree already.
    if start > 0 {
        path.push(range(nodes, start, end)?);
    }
    path.reverse();
    Ok(path)
}
