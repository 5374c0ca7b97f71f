//! The tree against the definitions of RFC 9162, section 2.1, taken word for word.

use std::convert::Infallible;

use npanel_audit::{
    Frontier, Hash, Nodes, ProofError, consistency_proof, inclusion_proof, place_of, root_of,
    verify_consistency, verify_inclusion,
};
use proptest::prelude::*;

/// MTH (2.1.1).
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::of(b""),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(naive_split(leaves.len()));
            Hash::of_node(&naive_root(left), &naive_root(right))
        }
    }
}

/// The largest power of two smaller than `n`.
fn naive_split(n: usize) -> usize {
    (0..).map(|power| 1 << power).take_while(|power| *power < n).last().expect("n is at least 2")
}

/// PATH (2.1.3.1).
fn naive_path(m: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let k = naive_split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut path, sibling) = if m < k {
        (naive_path(m, left), naive_root(right))
    } else {
        (naive_path(m - k, right), naive_root(left))
    };
    path.push(sibling);
    path
}

/// SUBPROOF (2.1.4.1).
fn naive_subproof(m: usize, leaves: &[Hash], is_whole: bool) -> Vec<Hash> {
    if m == leaves.len() {
        return if is_whole { Vec::new() } else { vec![naive_root(leaves)] };
    }
    let k = naive_split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut proof, sibling) = if m <= k {
        (naive_subproof(m, left, is_whole), naive_root(right))
    } else {
        (naive_subproof(m - k, right, false), naive_root(left))
    };
    proof.push(sibling);
    proof
}

/// What a database keeps: with each leaf the nodes that are complete with it.
#[derive(Default)]
struct Kept {
    rows: Vec<Vec<Hash>>,
    frontier: Frontier,
    leaves: Vec<Hash>,
}

impl Nodes for Kept {
    type Error = Infallible;
    fn node(&self, level: u32, index: u64) -> Result<Hash, Infallible> {
        Ok(self.rows[place_of(level, index) as usize][level as usize])
    }
}

fn kept(size: usize) -> Kept {
    let mut kept = Kept::default();
    for number in 0..size {
        let leaf = Hash::of_leaf(&number.to_be_bytes());
        kept.rows.push(kept.frontier.append(leaf));
        kept.leaves.push(leaf);
    }
    kept
}

fn right<T>(result: Result<T, Infallible>) -> T {
    match result {
        Ok(value) => value,
        Err(never) => match never {},
    }
}

#[test]
fn leaves_and_nodes_are_told_apart() {
    assert_ne!(Hash::of_leaf(b""), Hash::of(b""));
    let (one, two) = (Hash::of(b"1"), Hash::of(b"2"));
    let both = [&one.as_bytes()[..], two.as_bytes()].concat();
    assert_ne!(Hash::of_leaf(&both), Hash::of_node(&one, &two));
}

/// The figures that certificate transparency's own implementations are tested by: the leaves "", 0x00, 0x10, 0x2021, ...
#[test]
fn the_known_tree_has_its_known_root() {
    let hex = |text: &str| -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect()
    };
    let mut frontier = Frontier::default();
    for leaf in
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    {
        frontier.append(Hash::of_leaf(&hex(leaf)));
    }
    let root = hex("5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
    assert_eq!(frontier.root().as_bytes().as_slice(), root);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn roots_are_those_of_the_definition(size in 0usize..300, of in 0usize..300) {
        let kept = kept(size);
        prop_assert_eq!(kept.frontier.root(), naive_root(&kept.leaves));
        let of = of.min(size);
        prop_assert_eq!(right(root_of(&kept, of as u64)), naive_root(&kept.leaves[..of]));
        let again = right(Frontier::of(&kept, size as u64));
        prop_assert_eq!(again, kept.frontier);
    }

    #[test]
    fn paths_are_those_of_the_definition_and_hold(size in 1usize..300, leaf in 0usize..300, wrong: u8) {
        let (kept, leaf) = (kept(size), leaf % size);
        let (at, of) = (leaf as u64, size as u64);
        let path = right(inclusion_proof(&kept, at, of));
        prop_assert_eq!(&path, &naive_path(leaf, &kept.leaves));
        let root = kept.frontier.root();
        prop_assert_eq!(verify_inclusion(kept.leaves[leaf], at, of, &path, root), Ok(()));
        let other = Hash::of_leaf(b"other");
        prop_assert!(verify_inclusion(other, at, of, &path, root).is_err());
        prop_assert!(verify_inclusion(kept.leaves[leaf], at, of, &path, other).is_err());
        let mut longer = path.clone();
        longer.push(other);
        prop_assert_eq!(verify_inclusion(kept.leaves[leaf], at, of, &longer, root), Err(ProofError::Length));
        if !path.is_empty() {
            let mut changed = path.clone();
            let place = wrong as usize % path.len();
            changed[place] = other;
            prop_assert!(verify_inclusion(kept.leaves[leaf], at, of, &changed, root).is_err());
            changed.pop();
            prop_assert!(verify_inclusion(kept.leaves[leaf], at, of, &changed, root).is_err());
            prop_assert!(verify_inclusion(kept.leaves[leaf], (at + 1) % of, of, &path, root).is_err());
        }
    }

    #[test]
    fn consistency_is_that_of_the_definition_and_holds(second in 1usize..300, first in 1usize..300, wrong: u8) {
        let (kept, first) = (kept(second), (first - 1) % second + 1);
        let proof = right(consistency_proof(&kept, first as u64, second as u64));
        prop_assert_eq!(&proof, &naive_subproof(first, &kept.leaves[..second], true));
        let (old, new) = (naive_root(&kept.leaves[..first]), kept.frontier.root());
        let (old, new) = ((first as u64, old), (second as u64, new));
        prop_assert_eq!(verify_consistency(old, new, &proof), Ok(()));
        let other = Hash::of_leaf(b"other");
        prop_assert!(verify_consistency((old.0, other), new, &proof).is_err());
        prop_assert!(verify_consistency(old, (new.0, other), &proof).is_err());
        let mut longer = proof.clone();
        longer.push(other);
        prop_assert!(verify_consistency(old, new, &longer).is_err());
        if !proof.is_empty() {
            let mut changed = proof.clone();
            changed[wrong as usize % proof.len()] = other;
            prop_assert!(verify_consistency(old, new, &changed).is_err());
            changed.pop();
            prop_assert!(verify_consistency(old, new, &changed).is_err());
        }
    }
}

#[test]
fn nothing_goes_on_from_more_than_it_has() {
    let root = Hash::of(b"");
    assert_eq!(
        verify_consistency((2, root), (1, root), &[]),
        Err(ProofError::Shrunk { first: 2, second: 1 })
    );
    assert_eq!(verify_consistency((0, root), (9, Hash::of(b"any")), &[]), Ok(()));
    assert!(verify_consistency((0, Hash::of(b"none")), (9, root), &[]).is_err());
    assert_eq!(verify_inclusion(root, 1, 1, &[], root), Err(ProofError::Outside { leaf: 1, size: 1 }));
}
