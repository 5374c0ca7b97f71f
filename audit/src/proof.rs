//! Checking proofs (RFC 9162, 2.1.3.2 and 2.1.4.2).

use crate::Hash;

/// Why a proof does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The leaf is not in a tree of that size.
    #[error("entry {leaf} is not in a tree of {size}")]
    Outside {
        /// The leaf.
        leaf: u64,
        /// The tree's size.
        size: u64,
    },
    /// The later tree is smaller.
    #[error("a tree of {second} entries does not go on from one of {first}")]
    Shrunk {
        /// The earlier tree's size.
        first: u64,
        /// The later one's.
        second: u64,
    },
    /// Too few or too many hashes.
    #[error("the proof has a number of hashes that such a tree does not have")]
    Length,
    /// It leads to another tree.
    #[error("the proof leads to the root {got}, not {expected}")]
    Root {
        /// The root that it leads to.
        got: Hash,
        /// The root that it should lead to.
        expected: Hash,
    },
}

fn same(got: Hash, expected: Hash) -> Result<(), ProofError> {
    if got == expected { Ok(()) } else { Err(ProofError::Root { got, expected }) }
}

/// Makes sure that the tree of this size and root has this leaf hash at this place.
///
/// # Errors
/// If the path does not show it.
pub fn verify_inclusion(
    leaf_hash: Hash,
    leaf: u64,
    size: u64,
    path: &[Hash],
    root: Hash,
) -> Result<(), ProofError> {
    if leaf >= size {
        return Err(ProofError::Outside { leaf, size });
    }
    let (mut node, mut last, mut hash) = (leaf, size - 1, leaf_hash);
    for sibling in path {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if node & 1 == 1 || node == last {
            hash = Hash::of_node(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = Hash::of_node(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::Length);
    }
    same(hash, root)
}

/// Makes sure that the second tree, of this size and root, begins with all of the first.
///
/// # Errors
/// If the path does not show it.
pub fn verify_consistency(
    (first, first_root): (u64, Hash),
    (second, second_root): (u64, Hash),
    path: &[Hash],
) -> Result<(), ProofError> {
    if first > second {
        return Err(ProofError::Shrunk { first, second });
    }
    if first == 0 || first == second {
        let expected = if first == 0 { Hash::of(b"") } else { second_root };
        return if path.is_empty() { same(first_root, expected) } else { Err(ProofError::Length) };
    }
    // A first tree that is one complete subtree is the proof's beginning, and is left out of it.
    let begins_with_root = first.is_power_of_two().then_some(first_root);
    let mut hashes = begins_with_root.into_iter().chain(path.iter().copied());
    let start = hashes.next().ok_or(ProofError::Length)?;
    let trailing = (first - 1).trailing_ones();
    let (mut node, mut last) = ((first - 1) >> trailing, (second - 1) >> trailing);
    let (mut old, mut new) = (start, start);
    for hash in hashes {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if node & 1 == 1 || node == last {
            old = Hash::of_node(&hash, &old);
            new = Hash::of_node(&hash, &new);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new = Hash::of_node(&new, &hash);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::Length);
    }
    same(old, first_root)?;
    same(new, second_root)
}
